"""The transfer matrix: accuracy on each task with the mean vector of each task."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from tvsight.output.labels import counted, display_name, number, sizes, task_title
from tvsight.output.marks import say_cells
from tvsight.output.panels import category_strip
from tvsight.output.plots import Plot
from tvsight.output.procedures import about
from tvsight.output.theme import COLOUR_MAP, new_figure
from tvsight.tasks import in_order

CELL, CELL_HEIGHT, LEAST_SIDE = 0.22, 0.2, 1.7
"""Sides of a cell of the heat map, and least side of the map, in inches."""
STRIP = 0.16
"""Breadth of the strips that name categories, in inches."""
NOT_BETTER = "●"
"""Marks a task whose own vector does not beat the best other one."""
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
    of_model = pairs[pairs["model"] == model]
    categories = dict(zip(of_model["source"], of_model["source_category"], strict=True))
    grid = of_model.pivot(index="task", columns="source", values="accuracy")
    columns = in_order(categories)
    order = [name for name in columns if name in grid.index]
    of_best = best[best["model"] == model].set_index("task").loc[order]
    width = max(LEAST_SIDE, CELL * len(columns))
    height = max(LEAST_SIDE, CELL_HEIGHT * len(order))
    figure = new_figure(width + CELL + STRIP + 2 * NAMES_ROOM + 0.25, height + STRIP + 1.6)
    parts = figure.subplot_mosaic(
        [["blank", "above", "corner"], ["beside", "map", "best"]],
        width_ratios=[STRIP, width, CELL],
        height_ratios=[STRIP, height],
        empty_sentinel="blank",
    )
    parts["corner"].remove()
    axes, margin = parts["map"], parts["best"]
    _cells(axes, grid.loc[order, columns].to_numpy())
    _cells(margin, of_best[["best"]].to_numpy())
    for row, name in enumerate(order):
        corner = (columns.index(name) - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=0.8))
    axes.set_xticks(range(len(columns)), list(map(task_title, columns)), rotation=90)
    axes.set_yticks(range(len(order)), list(map(task_title, order)))
    axes.set(xlabel="Task whose mean vector is applied", ylabel="Task that is asked")
    marks = of_best["beaten"].map({True: "", False: f" {NOT_BETTER}"})
    names = (of_best["best_source"].map(task_title) + marks).str.strip()
    margin.yaxis.tick_right()
    margin.set_yticks(range(len(order)), names)
    margin.set_xticks([0], ["best other"], rotation=90)
    for part in (axes, margin):
        part.tick_params(axis="both", length=0, labelsize=7)
        part.spines[:].set_visible(False)
    category_strip(parts["above"], [categories[name] for name in columns], width, upright=False)
    category_strip(parts["beside"], [categories[name] for name in order], height, upright=True)
    note = (
        f"{display_name(model)}. n = {sizes(of_model['n'])} test episodes per cell; · is 0. "
        f"Framed: own vector. {NOT_BETTER} It is not better than the best other one (5 %)."
    )
    caption = (
        f"{note} Test accuracy after the block chosen for the asked task, with the mean vector "
        "of a task's dev episodes. Last column: the other task whose vector is best on dev, "
        "reported on test; tests permute queries, one-sided."
    )
    return Plot(figure, about(_own_is_best(of_best), vector), caption, note)


def _cells(axes: Axes, values: np.ndarray) -> None:
    """A heat map with the accuracy written in each cell."""
    axes.imshow(values, cmap=COLOUR_MAP, norm=Normalize(0, 1), aspect="auto")
    say_cells(axes, values, lambda value: number(value) if value else "·")


def _own_is_best(best: pd.DataFrame) -> str:
    """The finding of the matrix: on how many tasks another task's vector does as well."""
    return (
        f"A task's own mean vector is better than the best other one, chosen on dev, on "
        f"{best['beaten'].sum()} of {counted(len(best), 'task')}"
    )
