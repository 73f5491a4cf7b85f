"""A score beyond accuracy, against the block after which the vector is applied."""

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.main_results.score_figures import EXPLAINED, plain_logarithms
from tvsight.experiments.main_results.score_numbers import Score, best, procedures
from tvsight.output.labels import block, display_name, number, sizes
from tvsight.output.marks import level
from tvsight.output.panels import block_ticks, label_ends, legend_above, model_panels
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title

TICKS = 7
"""Ticks along the blocks of a panel."""


def curves(table: pd.DataFrame, means: pd.DataFrame, score: Score) -> Plot:
    """A score on dev against the block after which the vector is applied, a panel per model.

    Args:
        table, means: from `score_numbers.by_layer` and `.layers_over_tasks`.
    """
    models = list(means["model"].unique())
    figure, drawn = model_panels(models, 2.9, 0.62)
    vectors = means[means["layer"].notna()]
    for axes, model in zip(drawn, models, strict=True):
        of_model = table[table["model"] == model]
        for _, task in of_model[of_model["procedure"] == "task_vector"].groupby("task"):
            axes.plot(task["layer"].astype(float), task[score.column], color="0.85", linewidth=0.6)
        depth = int(of_model["layer"].max()) + 1
        peak = _best_block(means, score, model)
        axes.set_xticks(block_ticks(depth, [int(peak["layer"])], TICKS))
        axes.set(xlabel=f"Block (0–{depth - 1})", xlim=(-0.5, depth - 0.5))
        if score.is_ratio:
            axes.set_yscale("log")
            plain_logarithms(axes.yaxis)
    drawn[0].set_ylabel(f"{score.title}, on dev")
    for axes, model in zip(drawn, models, strict=True):
        ends = _means(axes, vectors[vectors["model"] == model], score.column)
        value = means[(means["model"] == model) & means["layer"].isna()][score.column].iloc[0]
        level(axes, value, "baseline")
        ends[title("baseline")] = (float(value), PROCEDURES["baseline"].colour)
        if not score.is_ratio:  # names at the ends of lines are placed on a linear axis
            label_ends(figure, axes, ends)
    if score.is_ratio:
        legend_above(figure, drawn[0], 4)
    note = f"n = {sizes(table['n'])} dev episodes per task. Thin: tasks. Dashed: without a vector."
    return Plot(figure, _where(means, score, models), f"{note} {EXPLAINED[score.column]}", note)


def _means(axes: Axes, means: pd.DataFrame, column: str) -> dict[str, tuple[float, str]]:
    """A line per vector, with the ends for their names."""
    ends = {}
    for procedure in procedures(means):
        of_vector = means[means["procedure"] == procedure]
        drawn_as = PROCEDURES[procedure]
        axes.plot(
            of_vector["layer"].astype(float),
            of_vector[column],
            color=drawn_as.colour,
            marker=drawn_as.marker,
            markersize=3,
            label=drawn_as.title,
        )
        ends[drawn_as.title] = (float(of_vector[column].iloc[-1]), drawn_as.colour)
    return ends


def _best_block(means: pd.DataFrame, score: Score, model: str) -> pd.Series:
    own = means[(means["model"] == model) & (means["procedure"] == "task_vector")]
    return best(own, score)


def _where(means: pd.DataFrame, score: Score, models: list[str]) -> str:
    """The finding of the curves: the best block of the task vector."""
    extreme = "lowest" if score.less_is_better else "highest"
    what = f"{score.title} with the {title('task_vector').lower()}"
    if len(models) > 1:
        found = [_best_block(means, score, model) for model in models]
        places = ", ".join(f"{row['layer']} in {display_name(row['model'])}" for row in found)
        return f"{what}: {extreme} after block {places}"
    row = _best_block(means, score, models[0])
    depth = int(means["layer"].max()) + 1
    unpatched = means[means["layer"].isna()][score.column].iloc[0]
    where, value = block(int(row["layer"]), depth), number(row[score.column])
    return f"{what}: {extreme}, {value}, after {where}; {number(unpatched)} without a vector"
