"""The task vector beside its controls, and every task's vector applied to every task."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from tvsight.output.labels import block, counted, display_name, number, sizes, task_title
from tvsight.output.lettering import wrapped
from tvsight.output.panels import (
    BAND_ALPHA,
    BLOCK_AXIS,
    MOST_TICKS,
    block_ticks,
    category_strip,
    label_ends,
    panels,
)
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import COLOUR_MAP, LEAST_TYPE, TWO_COLUMNS, new_figure, text_on
from tvsight.tasks import in_order

ROWS = (
    ("icl", "icl_shuffled"),
    ("task_vector", "shuffled_labels"),
    ("own_mean", "best_other"),
    ("any_other_task", "other_tasks_mean", "random_deviation", "random_vector", "baseline"),
)
"""Procedures from top to bottom, in groups. The first three groups are pairs that are compared."""
ROW, GAP, APART = 0.2, 0.4, 0.7
"""Height of a row of points in inches; space between groups, and within a pair, in rows."""
ACROSS, NAME_ROOM, NAME_SIZE = 3, 1.5, 7.5
"""Models beside each other; width of their names in inches, and their size in points."""
TIE, STACKED = 0.015, 0.11
"""Accuracies nearer than this are drawn above each other, so far apart, in rows."""
COLOURED = ("task_vector", "shuffled_labels")
"""Procedures whose curves have their colour and a band; the others are grey."""
GREY = "0.55"
FEW_TICKS = 6
"""Ticks of blocks where models stand beside each other."""
CELL, CELL_HEIGHT, LEAST_SIDE = 0.22, 0.2, 1.7
"""Sides of a cell of the heat map, and least side of the map, in inches."""
STRIP = 0.16
"""Breadth of the strips that name categories, in inches."""
NOT_BETTER = "●"
"""Marks a task whose own vector does not beat the best other one."""
NAMES_ROOM = 1.12
"""Width of the names of tasks beside the map, in inches."""


def means(table: pd.DataFrame, summary: pd.DataFrame) -> Plot:
    """Test accuracy of each procedure: tasks as points, their mean with its interval; a panel per
    model. The same task is joined where two procedures are compared.

    Args:
        table: from `numbers.by_task`.
        summary: from `numbers.over_tasks`.
    """
    models = list(dict.fromkeys(summary["model"]))
    places = _places(set(summary["procedure"]))
    lowest = max(places.values())
    across = min(ACROSS, len(models))
    down = -(-len(models) // across)
    figure = new_figure(TWO_COLUMNS, down * (0.75 + ROW * (lowest + 1)))
    drawn = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in drawn[len(models) :]:
        axes.remove()
    for axes, model in zip(drawn, models, strict=False):
        of_model = summary[summary["model"] == model].set_index("procedure")
        tasks = table[table["model"] == model]
        for upper, lower in ROWS[:-1]:
            if {upper, lower} <= set(of_model.index):
                _joined(axes, places, tasks, upper, lower)
        for name in of_model.index.intersection(list(places)):
            _strip_of_points(axes, places[name], str(name), of_model.loc[name], tasks[name])
        axes.set(xlim=(-0.02, 1.02), ylim=(lowest + 0.6, -0.6), xlabel="Test accuracy")
        axes.set_title(_name(model, len(tasks), len(models)), loc="left", fontsize=NAME_SIZE)
        axes.xaxis.grid(True)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(list(places.values()), [title(name) for name in places])
    note = (
        f"n = {sizes(table['n'])} test episodes per task. Small points: tasks. Large ones: their "
        "mean, with a 95 % bootstrap interval over tasks. Lines: the same task."
    )
    no_op = map(number, summary.loc[summary["procedure"] == "no_op", "accuracy"])
    caption = (
        f"{note} All vectors are applied after the block that was chosen for the task vector on "
        f"dev. The no-op patch, not drawn, has {' and '.join(no_op)}, as the baseline."
    )
    return Plot(figure, _against_best(summary), caption, note)


def curves(blocks: pd.DataFrame, summary: pd.DataFrame) -> Plot:
    """Mean dev accuracy after each block: the task vector and each control, a panel per model.

    Args:
        blocks: from `numbers.by_block`.
        summary: from `numbers.over_tasks`, for the level of ICL on test.
    """
    models = list(dict.fromkeys(blocks["model"]))
    figure, drawn = panels(len(models), ACROSS, 0.3)
    peaks = [_peak(blocks[blocks["model"] == model], "task_vector") for model in models]
    levels = summary[summary["procedure"] == "icl"].set_index("model")["accuracy"]
    ends: dict[str, tuple[float, str]] = {}
    most = MOST_TICKS if len(models) == 1 else FEW_TICKS
    for axes, model, peak in zip(drawn, models, peaks, strict=True):
        of_model = blocks[blocks["model"] == model]
        ends = {"ICL (test)": (levels[model], PROCEDURES["icl"].colour)}
        axes.axhline(levels[model], color=PROCEDURES["icl"].colour, linestyle="--", linewidth=1.0)
        for name, of_procedure in of_model.groupby("procedure", sort=False):
            colour = _curve(axes, str(name), of_procedure)
            ends[title(str(name))] = (of_procedure["accuracy"].iloc[-1], colour)
        name = _name(model, of_model["tasks"].max(), len(models))
        axes.set_title(name, loc="left", fontsize=NAME_SIZE)
        axes.set_xlabel(BLOCK_AXIS if len(models) == 1 else "After block")
        depth = int(of_model["layer"].max()) + 1
        axes.set_xlim(-0.5, depth - 0.5)
        axes.set_xticks(block_ticks(depth, [peak["layer"]], most))
    drawn[0].set_ylabel("Mean dev accuracy")
    label_ends(figure, drawn[-1], ends)
    note = f"n = {sizes(blocks['n'])} dev episodes per task. Bands: 95 % intervals over tasks."
    caption = (
        f"{note} They are bootstrap intervals of the task vector and of shuffled labels; the other "
        "controls are grey. The no-op patch gives the zero-shot baseline after every block. ICL, "
        "dashed, is measured on test."
    )
    return Plot(figure, _peaks(blocks, models), caption, note)


def matrix(pairs: pd.DataFrame, best: pd.DataFrame, model: str) -> Plot:
    """Accuracy on each task (row) with the vector of each task (column), of one model; beside it
    the best other task's.

    Args:
        pairs: from `numbers.transfer`.
        best: from `numbers.transfer_by_task`.
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
    return Plot(figure, _own_is_best(of_best), caption, note)


def _name(model: str, tasks: int, models: int) -> str:
    """The name of a model and its number of tasks, over its panel."""
    count = counted(tasks, "task").replace(" ", "\u00a0")
    name = f"{display_name(model)} ({count})"
    return name if models == 1 else wrapped(name, NAME_ROOM, NAME_SIZE)


def _places(measured: set[str]) -> dict[str, float]:
    """The vertical place of each procedure that was measured, from the top."""
    places: dict[str, float] = {}
    for group in ROWS:
        start = max(places.values(), default=-1 - GAP) + 1 + GAP
        names = [name for name in group if name in measured]
        step = 1 + APART if len(group) == 2 else 1
        places |= {name: start + number * step for number, name in enumerate(names)}
    return places


def _stacked(values: pd.Series) -> pd.Series:
    """Vertical places of points of one row: those of nearly one value lie above each other."""
    near = (values / TIE).round()
    of_value = near.groupby(near)
    gap = (0.7 / of_value.transform("size")).clip(upper=STACKED)
    return gap * (of_value.cumcount() - (of_value.transform("size") - 1) / 2)


def _joined(
    axes: Axes, places: dict[str, float], tasks: pd.DataFrame, upper: str, lower: str
) -> None:
    """A thin line per task between its points in two rows."""
    ends = [(tasks[name], places[name] + _stacked(tasks[name])) for name in (upper, lower)]
    (from_x, from_y), (to_x, to_y) = ends
    axes.plot([from_x, to_x], [from_y, to_y], color="0.75", linewidth=0.6, zorder=1)


def _strip_of_points(
    axes: Axes, place: float, name: str, mean: pd.Series, values: pd.Series
) -> None:
    """The tasks of a procedure as points in a row, and their mean with its interval."""
    _, colour, marker = PROCEDURES[name]
    look: dict[str, Any] = {"linestyle": "none", "clip_on": False}
    faint: dict[str, Any] = {"markersize": 2.8, "markeredgewidth": 0, "alpha": 0.55, "zorder": 2}
    axes.plot(values, place + _stacked(values), marker="o", color=colour, **look, **faint)
    ends = [mean["accuracy_low"], mean["accuracy_high"]]
    axes.plot(ends, [place, place], color="black", linewidth=1.3, zorder=3)
    bold: dict[str, Any] = {
        "markersize": 5.5,
        "markeredgewidth": 0.7,
        "markeredgecolor": "black",
        "zorder": 4,
    }
    axes.plot(
        mean["accuracy"], place, marker=marker, color=colour, label=title(name), **look, **bold
    )
    axes.text(
        *(1.03, place, number(mean["accuracy"])),
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=7,
    )


def _curve(axes: Axes, name: str, means: pd.DataFrame) -> str:
    """The accuracies after each block, and the colour that they are drawn in."""
    is_coloured = name in COLOURED
    colour = PROCEDURES[name].colour if is_coloured else GREY
    layers = means["layer"].astype(float)
    look: dict[str, Any] = (
        {"marker": PROCEDURES[name].marker, "markersize": 3.4} if is_coloured else {}
    )
    width = 1.6 if is_coloured else 0.9
    axes.plot(layers, means["accuracy"], color=colour, linewidth=width, label=title(name), **look)
    if is_coloured:
        low, high = (means[f"accuracy_{end}"].astype(float) for end in ("low", "high"))
        axes.fill_between(layers, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0)
    return colour


def _cells(axes: Axes, values: np.ndarray) -> None:
    """A heat map of accuracies that says them."""
    axes.imshow(values, cmap=COLOUR_MAP, norm=Normalize(0, 1), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = text_on(COLOUR_MAP(value))
            said = number(value) if value else "·"
            axes.text(
                column, row, said, ha="center", va="center", fontsize=LEAST_TYPE, color=colour
            )


def _against_best(summary: pd.DataFrame) -> str:
    """The finding of the means: the task vector, and the control that comes nearest."""
    found = {}
    for model, of_model in summary.groupby("model", sort=False):
        accuracy = of_model.set_index("procedure")["accuracy"]
        controls = accuracy[accuracy.index.isin(("shuffled_labels", *ROWS[-1]))]
        nearest = title(str(controls.idxmax()))
        best = (f"{nearest[0].lower()}{nearest[1:]}", number(controls.max()))
        found[display_name(str(model))] = (number(accuracy["task_vector"]), *best)
    if len(found) == 1:
        ((vector, control, level),) = found.values()
        return f"The task vector is right for {vector}, the best control ({control}) for {level}"
    names = {what for _, what, _ in found.values()}
    shared = f" ({names.pop()})" if len(names) == 1 else ""
    parts = [
        f"{model} {ours} to {best}" + ("" if shared else f" ({what})")
        for model, (ours, what, best) in found.items()
    ]
    return f"Task vector against the best control{shared}: {', '.join(parts)}"


def _peaks(blocks: pd.DataFrame, models: list[str]) -> str:
    """The finding by block: where the task vector peaks, and how high the controls come."""
    found = {}
    for model in models:
        of_model = blocks[blocks["model"] == model]
        peak, depth = _peak(of_model, "task_vector"), int(of_model["layer"].max()) + 1
        controls = of_model.loc[of_model["procedure"] != "task_vector", "accuracy"].max()
        where = block(peak["layer"], depth)
        found[display_name(model)] = (number(peak["accuracy"]), where, number(controls))
    if len(found) == 1:
        ((vector, where, highest),) = found.values()
        return f"The task vector peaks at {vector} after {where}, no control above {highest}"
    parts = [f"{name} {vector} ({highest})" for name, (vector, _, highest) in found.items()]
    return f"Peak of the task vector, and of all controls in brackets: {', '.join(parts)}"


def _peak(of_model: pd.DataFrame, procedure: str) -> pd.Series:
    """The row of the block with the highest mean."""
    of_procedure = of_model[of_model["procedure"] == procedure].reset_index(drop=True)
    return of_procedure.iloc[int(of_procedure["accuracy"].argmax())]


def _own_is_best(best: pd.DataFrame) -> str:
    """The finding of the matrix: on how many tasks another task's vector does as well."""
    return (
        f"A task's own mean vector is better than the best other one, chosen on dev, on "
        f"{best['beaten'].sum()} of {counted(len(best), 'task')}"
    )
