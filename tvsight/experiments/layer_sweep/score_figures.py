"""Scores beyond accuracy, against the block after which the vector is applied."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.main_results.score_figures import explained, plain_logarithms
from tvsight.experiments.main_results.score_numbers import SCORES, Earlier, Score, best, procedures
from tvsight.output.labels import display_name, of_models, sizes
from tvsight.output.marks import grid_of_panels, legend_of, level
from tvsight.output.panels import PANEL_NAME, axis_of_blocks, line
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import TWO_COLUMNS, new_figure

TICKS = 7
"""Ticks along the blocks of a panel."""


def curves(table: pd.DataFrame, means: pd.DataFrame, earlier: Earlier) -> Plot:
    """Every score on dev against the block after which the vector is applied, a row per model.

    Args:
        table, means: from `score_numbers.by_layer` and `.layers_over_tasks`.
        earlier: of all results.
    """
    models = list(means["model"].unique())
    figure = new_figure(TWO_COLUMNS, 0.4 + 2.1 * len(models))
    drawn = grid_of_panels(figure, len(SCORES) * len(models), len(SCORES))
    pairs = [(model, score) for model in models for score in SCORES.values()]
    best_blocks = {}
    for axes, (model, score) in zip(drawn, pairs, strict=True):
        task_curves, model_means = (of[of["model"] == model] for of in (table, means))
        vector = model_means[model_means["procedure"] == "task_vector"]
        best_blocks[model, score.column] = int(best(vector, score)["layer"])
        _draw(axes, task_curves, model_means, score)
        depth = int(task_curves["layer"].max()) + 1
        axis_of_blocks(axes, depth, [best_blocks[model, score.column]], TICKS)
        name = "" if len(models) == 1 else f"{display_name(model)}\n"
        axes.set_title(f"{name}{score.title}, on dev", loc="left", fontsize=PANEL_NAME)
    legend_of(figure, drawn)
    note = f"n = {sizes(table['n'])} dev episodes per task. Thin: tasks. Dashed: without a vector."
    caption = f"{note} {' '.join(explained(score.column, earlier) for score in SCORES.values())}"
    return Plot(figure, of_models(_where(means, best_blocks), len(models)), caption, note)


def _draw(axes: Axes, task_curves: pd.DataFrame, means: pd.DataFrame, score: Score) -> None:
    """The lines of one panel: tasks, means of each vector, and the level without one."""
    for _, task in task_curves[task_curves["procedure"] == "task_vector"].groupby("task"):
        axes.plot(task["layer"].astype(float), task[score.column], color="0.85", linewidth=0.6)
    swept = means[means["layer"].notna()]
    for name in procedures(swept):
        rows = swept[swept["procedure"] == name]
        how: Any = {"value": score.column, "markersize": 3}
        line(axes, rows, "layer", name, title(name), False, 1.5, **how)
    unpatched = means.loc[means["layer"].isna(), score.column].iloc[0]
    level(axes, float(unpatched), "baseline", label=title("baseline"))
    axes.yaxis.grid(True)
    if score.is_ratio:
        axes.set_yscale("log")
        plain_logarithms(axes.yaxis)


def _where(means: pd.DataFrame, best_blocks: dict[tuple[str, str], int]) -> str:
    """The finding of the curves: where the vector is best, and whether it is worse than none
    after all blocks above, by how many scores."""
    parts = []
    for model, rows in means.groupby("model", sort=False):
        blocks = [best_blocks[str(model), score.column] for score in SCORES.values()]
        later = rows[(rows["procedure"] == "task_vector") & (rows["layer"] > max(blocks))]
        none = rows[rows["layer"].isna()].iloc[0]
        worse = sum(
            len(later) and bool(((later[s.column] > none[s.column]) == s.less_is_better).all())
            for s in SCORES.values()
        )
        where = " to ".join(dict.fromkeys((str(min(blocks)), str(max(blocks)))))
        parts.append(
            f"after block {where}, above worse than none by {worse} of {len(SCORES)} scores"
        )
    return f"The vector is best {'; '.join(parts)}"
