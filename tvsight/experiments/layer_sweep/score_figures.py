"""A score beyond accuracy, against the block after which the vector is applied."""

from typing import Any

import pandas as pd

from tvsight.experiments.main_results.score_figures import EXPLAINED, plain_logarithms
from tvsight.experiments.main_results.score_numbers import Score, best, procedures
from tvsight.output.labels import block, display_name, number, sizes
from tvsight.output.marks import level
from tvsight.output.panels import Ends, axis_of_blocks, label_ends, legend_above, line, model_panels
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
    best_rows: list[pd.Series] = []
    for axes, model in zip(drawn, models, strict=True):
        task_curves, model_means = (of[of["model"] == model] for of in (table, means))
        for _, task in task_curves[task_curves["procedure"] == "task_vector"].groupby("task"):
            axes.plot(task["layer"].astype(float), task[score.column], color="0.85", linewidth=0.6)
        best_rows.append(best(model_means[model_means["procedure"] == "task_vector"], score))
        axis_of_blocks(
            axes, int(task_curves["layer"].max()) + 1, [int(best_rows[-1]["layer"])], TICKS
        )
        if score.is_ratio:
            axes.set_yscale("log")
            plain_logarithms(axes.yaxis)
    drawn[0].set_ylabel(f"{score.title}, on dev")
    for axes, model in zip(drawn, models, strict=True):
        model_means = means[means["model"] == model]
        vectors, unpatched = (
            model_means[model_means["layer"].notna()],
            model_means[model_means["layer"].isna()],
        )
        ends: Ends = {}
        for name in procedures(vectors):
            vector_rows = vectors[vectors["procedure"] == name]
            how: Any = {"value": score.column, "markersize": 3}
            ends |= line(axes, vector_rows, "layer", name, title(name), False, 1.5, **how)
        value = float(unpatched[score.column].iloc[0])
        level(axes, value, "baseline")
        ends[title("baseline")] = (value, PROCEDURES["baseline"].colour)
        if not score.is_ratio:  # names at the ends of lines are placed on a linear axis
            label_ends(figure, axes, ends)
    if score.is_ratio:
        legend_above(figure, drawn[0], 4)
    note = f"n = {sizes(table['n'])} dev episodes per task. Thin: tasks. Dashed: without a vector."
    where = _where(means, best_rows, score)
    return Plot(figure, where, f"{note} {EXPLAINED[score.column]}", note)


def _where(means: pd.DataFrame, best_rows: list[pd.Series], score: Score) -> str:
    """The finding of the curves: the best block of the task vector, a row of `means` per model."""
    extreme = "lowest" if score.less_is_better else "highest"
    what = f"{score.title} with the {title('task_vector').lower()}: {extreme}"
    if len(best_rows) > 1:
        places = ", ".join(f"{row['layer']} in {display_name(row['model'])}" for row in best_rows)
        return f"{what} after block {places}"
    row, depth = best_rows[0], int(means["layer"].max()) + 1
    unpatched = means[means["layer"].isna()][score.column].iloc[0]
    where, value = block(int(row["layer"]), depth), number(row[score.column])
    return f"{what}, {value}, after {where}; {number(unpatched)} without a vector"
