"""A panel per model, the lines with bands in them, and what is written along axes and lines."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tvsight.output import marks
from tvsight.output.labels import counted, display_name, shortened, task_title
from tvsight.output.lettering import fitting, wrapped
from tvsight.output.marks import grid_of_panels, legend_of, points
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import (
    CATEGORY_COLOURS,
    TWO_COLUMNS,
    arranged,
    new_figure,
    text_in,
    text_on,
)

BLOCK_AXIS = "Block after which the vector is applied"
MOST_TICKS = 12
"""Ticks of an axis of blocks in a panel of usual width."""
ROWS_OF_TURNED_NAME = 4
"""Tasks of a category beside which its name fits upright."""
STRIP = 0.4
"""Of a figure's width, the least that a strip along it has room for."""
ALONE = 0.73
"""Width of a panel without others, as a share of two columns."""
END_LABEL = 7.0
"""Size of a label at the end of a line, in points."""
PANEL_NAME = 7.5
"""Size of the name of a model above its panel, in points."""

Ends = dict[str, tuple[float, str]]
"""By name, where a line ends on the vertical axis, and its colour."""


def panels(count: int, per_row: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of one vertical scale, accuracy from 0 to 1.

    Args:
        height: of everything but the panels, in inches.
    """
    columns = min(per_row, count)
    rows = -(-count // columns)
    figure = new_figure(TWO_COLUMNS * (ALONE if columns == 1 else 1), height + 2.2 * rows)
    drawn = grid_of_panels(figure, count, columns, sharey=True)
    for axes in drawn:
        axes.set_ylim(0, 1)
        axes.yaxis.grid(True)
    return figure, drawn


def model_panels(models: Sequence[str], height: float, alone: float) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per model side by side, named above, on one vertical axis.

    Args:
        height: of the figure, in inches.
        alone: width of the figure where there is one model, as a share of two columns.
    """
    figure = new_figure(TWO_COLUMNS * (alone if len(models) == 1 else 1), height)
    drawn = grid_of_panels(figure, len(models), len(models), sharey=True)
    for axes, model in zip(drawn, models, strict=True):
        axes.set_title(display_name(model), loc="left")
        axes.yaxis.grid(True)
    return figure, drawn


def line(
    axes: Axes,
    means: pd.DataFrame,
    along: str,
    procedure: str,
    label: str,
    band: bool = True,
    width: float = 1.2,
    value: str = "accuracy",
    **look: Any,
) -> Ends:
    """A line of one procedure, in its colour and with its marker.

    Args:
        means: one row per point, with `value`, its `_low` and `_high`.
        along: the column that the horizontal axis is.
        band: draw the interval too.
        look: of `Axes.plot`, where it is another one.

    Returns:
        Its end, for `label_ends`.
    """
    places = means[along].astype(float)
    style = {"linestyle": "-", "markersize": 3.4, "linewidth": width, "label": label, **look}
    points(axes, places, means[value], procedure, **style)
    if band:
        marks.band(axes, places, means, value, PROCEDURES[procedure].colour)
    return {label: (means[value].iloc[-1], look.get("color", PROCEDURES[procedure].colour))}


def legend_above(figure: Figure, axes: Axes, columns: int, size: float | None = None) -> None:
    """Name what is drawn in `axes` above the whole figure.

    Args:
        size: of the names, in points.
    """
    legend_of(figure, [axes], ncols=columns, fontsize=size)


def category_runs(categories: pd.Series) -> list[tuple[str, int, int]]:
    """Each category of neighbouring rows, with the numbers of its first and last row."""
    runs: list[tuple[str, int, int]] = []
    for index, category in enumerate(categories.astype(str)):
        first = runs.pop()[1] if runs and runs[-1][0] == category else index
        runs.append((category, first, index))
    return runs


def axis_of_blocks(
    axes: Axes, depth: int, marked: Iterable[int] = (), most: int = MOST_TICKS, label: str = ""
) -> None:
    """Make the horizontal axis that of the blocks of a model; see `block_ticks`."""
    axes.set(xlim=(-0.5, depth - 0.5), xlabel=label or f"Block (0–{depth - 1})")
    axes.set_xticks(block_ticks(depth, marked, most))


def name_panel(axes: Axes, model: str, tasks: int, room: float = math.inf) -> None:
    """The name of a model and its number of tasks over its panel.

    Args:
        room: width of the name, in inches.
    """
    name = f"{display_name(model)} ({counted(tasks, 'task')})".replace(" task", "\u00a0task")
    axes.set_title(wrapped(name, room, PANEL_NAME), loc="left", fontsize=PANEL_NAME)


def placed_rows(axes: Axes, table: pd.DataFrame, value: str, **look: Any) -> pd.DataFrame:
    """A row per task, the first at the top, with a line from its least value to its greatest.

    Args:
        table: rows of one model, with `category`, `task` and `value`.
        look: of the lines.

    Returns:
        `table` with `place`, that of its row.
    """
    tasks = table.drop_duplicates("task").iloc[::-1].reset_index(drop=True)
    places = pd.Series(tasks.index, tasks["task"])
    placed = table.assign(place=table["task"].map(places))
    ends = placed.groupby("place")[value].agg(["min", "max"])
    marks.dumbbells(axes, ends.index, ends, color="0.8", **look)
    marks.rows_of(axes, list(map(task_title, tasks["task"])))
    axes.set_ylim(-0.6, len(tasks) - 0.4)
    shade_categories(tasks["category"], axes)
    return placed


def task_rows(axes: Axes, table: pd.DataFrame, value: str, **look: Any) -> None:
    """`placed_rows` with a point for each `procedure`, hollow where a layer is not identified."""
    placed = placed_rows(axes, table, value, **look)
    if "layer_identified" not in placed:
        placed = placed.assign(layer_identified=True)
    for procedure, rows in placed.groupby("procedure", sort=False):
        name, known = str(procedure), rows["layer_identified"].fillna(True).astype(bool)
        points(axes, [], [], name, markersize=4.6, label=title(name))
        for kept, face in ((rows[known], PROCEDURES[name].colour), (rows[~known], "white")):
            shape = {"markersize": 4.6, "markerfacecolor": face}
            points(axes, kept[value], kept["place"], name, **shape)


def name_categories(axes: Axes, runs: Iterable[tuple[str, int, int]], shift: float = 0.0) -> None:
    """The names of categories at the right edge, upright beside enough rows.

    Args:
        shift: from the number of a row to its middle.
    """
    for name, first, last in runs:
        axes.text(
            1.03,
            (first + last) / 2 + shift,
            shortened(name),
            transform=axes.get_yaxis_transform(),
            rotation=270 if last - first + 1 >= ROWS_OF_TURNED_NAME else 0,
            va="center",
            fontsize=END_LABEL,
            color="0.35",
        )


def shade_categories(categories: pd.Series, *beside: Axes) -> None:
    """Shade every second category of rows in panels beside each other, and name categories at the
    right edge of the last."""
    runs = category_runs(categories)
    for axes in beside:
        for _, first, last in runs[::2]:
            axes.axhspan(first - 0.5, last + 0.5, color="0.96", zorder=0)
    name_categories(beside[-1], runs)


def block_ticks(depth: int, marked: Iterable[int] = (), most: int = MOST_TICKS) -> list[int]:
    """Blocks to name along an axis: the marked ones, the last, and evenly spaced others.

    Args:
        depth: the number of blocks, numbered from 0.
        marked: blocks that the figure is about, such as the chosen one.
        most: ticks that the axis has room for.
    """
    step = max(1, -(-depth // most))
    ticks = sorted(set(map(int, marked)))
    for block in (depth - 1, *range(0, depth, step)):
        if all(abs(block - other) >= step for other in ticks):
            ticks.append(block)
    return sorted(ticks)


def category_strip(axes: Axes, categories: Sequence[str], side: float, upright: bool) -> None:
    """A strip in the colours of categories, with the names that fit, beside the cells of their
    tasks.

    Args:
        categories: of each row, or column.
        side: length of the strip, in inches.
    """
    count, figure = len(categories), axes.get_figure(root=True)
    if figure and not upright:
        side = min(side, STRIP * figure.get_figwidth())
    for category in dict.fromkeys(categories):
        first, size = categories.index(category), categories.count(category)
        colour, start = CATEGORY_COLOURS[category], first - 0.5
        box = ((0, start), 1, size) if upright else ((start, 0), size, 1)
        axes.add_patch(Rectangle(*box, facecolor=colour, edgecolor="white", linewidth=1))
        middle = start + size / 2
        if fitting(category, 0.95 * side * size / count, 6.5) != category:
            continue
        axes.text(
            *((0.5, middle) if upright else (middle, 0.5)),
            category,
            rotation=90 if upright else 0,
            ha="center",
            va="center",
            fontsize=6.5,
            color=text_on(colour),
        )
    ends = (-0.5, count - 0.5)
    axes.set(xlim=(0, 1), ylim=ends[::-1]) if upright else axes.set(xlim=ends, ylim=(0, 1))
    axes.set_axis_off()


def label_ends(figure: Figure, axes: Axes, ends: Ends) -> None:
    """Write a name at the right end of each line, in its colour, instead of a legend.

    Names that would overlap are moved apart, and a thin line leads from the end of the line to its
    name. Call this last: it lays the figure out to know the height of the axes.
    """
    arranged(figure)
    low, high = axes.get_ylim()
    height = axes.get_window_extent().height / figure.dpi
    line_height = 1.2 * END_LABEL / 72 / height * (high - low)
    names = sorted(ends, key=lambda name: ends[name][0])
    values = [ends[name][0] for name in names]
    places = spread(values, line_height, low, high)
    for name, value, place in zip(names, values, places, strict=True):
        colour = text_in(ends[name][1])
        axes.annotate(
            name,
            xy=(1, value),
            xytext=(1.05, place),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=END_LABEL,
            color=colour,
            arrowprops={
                **{"arrowstyle": "-", "color": colour, "linewidth": 0.5},
                **{"relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 0},
            },
            annotation_clip=False,
        )


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near to given ones as possible, in their order, at least `gap` apart.

    Args:
        places: ascending.
        low, high: the ends of the range, which the outer places keep half a gap away from.
    """
    from scipy.optimize import isotonic_regression

    # Without the gaps, neighbours in the wrong order take their common mean.
    gaps = gap * np.arange(len(places))
    level = isotonic_regression(np.asarray(places) - gaps).x
    bounds = (low + gap / 2, high - gap / 2 - gaps[-1])
    return list(np.maximum(bounds[0], np.minimum(bounds[1], level)) + gaps)
