"""The transfer matrix: accuracy on each task with the mean vector of each task."""

import pandas as pd
from matplotlib.axes import Axes

from tvsight.output.labels import counted, display_name, number, sizes, task_title
from tvsight.output.marks import frame, heat_map, say_cells
from tvsight.output.panels import category_strip
from tvsight.output.plots import Plot
from tvsight.output.procedures import about
from tvsight.output.theme import new_figure
from tvsight.tasks import in_order

CELL, CELL_HEIGHT, LEAST_SIDE = 0.22, 0.2, 1.7
"""Sides of a cell of the heat map, and least side of the map, in inches."""
STRIP = 0.16
"""Breadth of the strips that name categories, in inches."""
NOT_BETTER = "●"
"""Marks a task that the best other one answers too, and the own vector not better."""
NONE_RIGHT = "none right on dev"
"""In place of the best other task."""
NAMES_ROOM = 1.12
"""Width of the names of tasks beside the map, in inches."""


def matrix(
    pairs: pd.DataFrame, best: pd.DataFrame, model: str, vector: str = "task_vector"
) -> Plot:
    """Accuracy on each task (row) with the vector of each task (column), of one model; beside it
    the best other task's.

    Args:
        pairs: from `numbers.transfer`.
        best: from `numbers.transfer_by_task`.
        vector: the procedure of the vectors.
    """
    model_rows = pairs[pairs["model"] == model]
    categories = dict(zip(model_rows["source"], model_rows["source_category"], strict=True))
    grid = model_rows.pivot(index="task", columns="source", values="accuracy")
    columns = in_order(categories)
    order = [name for name in columns if name in grid.index]
    best_rows = best[best["model"] == model].set_index("task").loc[order]
    width = max(LEAST_SIDE, CELL * len(columns))
    height = max(LEAST_SIDE, CELL_HEIGHT * len(order))
    wide = width + CELL + STRIP + 2 * NAMES_ROOM + 0.25
    figure = new_figure(wide, height + STRIP + 1.6)
    has_best = figure.get_figwidth() >= wide  # a narrow page has no room for the best other task
    width = min(width, figure.get_figwidth() - NAMES_ROOM - 2 * STRIP - 0.25)
    parts = figure.subplot_mosaic(
        [["blank", "above", "corner"], ["beside", "map", "best"]]
        if has_best
        else [["blank", "above"], ["beside", "map"]],
        width_ratios=[STRIP, width, CELL][: 3 if has_best else 2],
        height_ratios=[STRIP, height],
        empty_sentinel="blank",
    )
    axes = parts["map"]
    marks = [
        f" {NOT_BETTER}" if row["best"] and not row["beaten"] else ""
        for _, row in best_rows.iterrows()
    ]
    rows, across = list(map(task_title, order)), list(map(task_title, columns))
    if has_best:
        parts["corner"].remove()
        others = [task_title(of or NONE_RIGHT) for of in best_rows["best_source"]]
        _cells(parts["best"], best_rows[["best"]], _joined(others, marks), ["best other"])
        parts["best"].yaxis.tick_right()
        parts["best"].tick_params(length=0)
    else:
        rows = _joined(rows, marks)
    has_digits = _cells(axes, grid.loc[order, columns], rows, across)
    for row, name in enumerate(order):
        frame(axes, columns.index(name), row, edgecolor="black", linewidth=0.8)
    axes.set(xlabel="Task whose mean vector is applied", ylabel="Task that is asked")
    category_strip(parts["above"], [categories[name] for name in columns], width, upright=False)
    category_strip(parts["beside"], [categories[name] for name in order], height, upright=True)
    note = (
        f"{display_name(model)}. n = {sizes(model_rows['n'])} test episodes per cell"
        f"{'; · is 0' if has_digits else ''}. Framed: own vector. {NOT_BETTER} It is not "
        "better than a best other one above 0 (5 %)."
    )
    beside = "Last column" if has_best else "Best other one"
    caption = (
        f"{note} Test accuracy after the block chosen for the asked task, with the mean vector "
        f"of a task's dev episodes. {beside}: the other task whose vector is best on dev, "
        "reported on test; tests permute queries, one-sided."
    )
    finding = (
        f"{display_name(model)}: a task's own mean vector is better than the best other one, "
        f"chosen on dev, on {best_rows['beaten'].sum()} of {counted(len(best_rows), 'task')}"
    )
    return Plot(figure, about(finding, vector), caption, note)


def _cells(axes: Axes, cells: pd.DataFrame, rows: list[str], columns: list[str]) -> bool:
    heat_map(axes, cells, rows, columns, turned=True)
    axes.tick_params(axis="both", labelsize=7)
    return say_cells(axes, cells.to_numpy(), lambda value: number(value) if value else "·")


def _joined(names: list[str], marks: list[str]) -> list[str]:
    return [name + mark for name, mark in zip(names, marks, strict=True)]
