"""Marks that figures share: points with whiskers, bands, levels, dumbbells, cells that say their
numbers, and grids of panels."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from tvsight.output.lettering import width
from tvsight.output.narrow import ENTRY
from tvsight.output.procedures import PROCEDURES
from tvsight.output.theme import COLOUR_MAP, LEAST_TYPE, STYLE, text_on

BAND_ALPHA = 0.15
LEGEND_LINE = 1.5
"""Height of a line of a legend, in sizes of its type."""


def whiskers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """From the values of a column down and up to the ends of their intervals, `[2, rows]`; 0 where
    there is no interval."""
    value = table[name].to_numpy(dtype=float)
    low, high = (table[f"{name}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    return np.nan_to_num(np.clip([value - low, high - value], 0, None))


def whiskered(
    axes: Axes, rows: pd.DataFrame, name: str, at: Any, upright: bool = True, **look: Any
) -> None:
    """The values of a column as points with their intervals.

    Args:
        at: their places along the other axis.
        upright: whether values are heights.
        look: of `Axes.errorbar`; `fmt` is the marker, and the line.
    """
    ends = whiskers(rows, name)
    if upright:
        axes.errorbar(at, rows[name], yerr=ends, **look)
    else:
        axes.errorbar(rows[name], at, xerr=ends, **look)


def band(
    axes: Axes, places: Any, rows: pd.DataFrame, name: str, colour: Any, alpha: float = BAND_ALPHA
) -> None:
    """The intervals of a column as a band."""
    low, high = (rows[f"{name}_{end}"].astype(float) for end in ("low", "high"))
    axes.fill_between(places, low, high, color=colour, alpha=alpha, linewidth=0)


def level(axes: Axes, value: float, procedure: str, thick: float = 1.1, **look: Any) -> None:
    """The value of a procedure that has none along the axis: a dashed line, in its colour."""
    colour = PROCEDURES[procedure].colour
    axes.axhline(value, color=colour, linewidth=thick, linestyle="--", **look)


def points(axes: Axes, across: Any, up: Any, procedure: str, **look: Any) -> None:
    """Points of a procedure, in its colour and with its marker.

    Args:
        look: of `Axes.plot`, where it is another one.
    """
    axes.plot(across, up, **look_of(procedure) | look)


def look_of(procedure: str) -> dict[str, Any]:
    """Colour and marker of a procedure, for points without a line."""
    drawn_as = PROCEDURES[procedure]
    return {"color": drawn_as.colour, "marker": drawn_as.marker, "linestyle": ""}


def dumbbells(axes: Axes, places: ArrayLike, ends: pd.DataFrame, **look: Any) -> None:
    """A line in each row from its least value to its greatest, behind the points."""
    axes.hlines(places, ends.min(axis=1), ends.max(axis=1), **look)


def rows_of(axes: Axes, names: Sequence[str], places: Any = None) -> None:
    """Name the rows of a panel, from the bottom."""
    axes.set_yticks(range(len(names)) if places is None else places, names)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.grid(True)


def heat_map(
    axes: Axes,
    values: pd.DataFrame,
    rows: Sequence[str],
    columns: Sequence[str],
    most: float | None = 1.0,
    turned: bool = False,
    lined: bool = False,
) -> AxesImage:
    """A heat map from 0 to `most`, its greatest value where that is None.

    Args:
        rows, columns: their names; none is written where there are none.
        turned: write those of columns upwards.
        lined: draw lines between cells.
    """
    grid = values.to_numpy(dtype=float)
    drawn = axes.imshow(grid, cmap=COLOUR_MAP, vmin=0, vmax=most, aspect="auto")
    axes.set(xticks=range(len(columns)), yticks=range(len(rows)))
    if columns:
        axes.set_xticklabels(columns, rotation=90 if turned else 0)
    if rows:
        axes.set_yticklabels(rows)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    if lined:
        axes.set_xticks(np.arange(0.5, grid.shape[1] - 1), minor=True)
        axes.set_yticks(np.arange(0.5, grid.shape[0] - 1), minor=True)
        axes.grid(which="minor", color="0.9", linewidth=0.5)
        axes.set_axisbelow(False)
    return drawn


def frame(axes: Axes, column: float, row: float, inset: float = 0.0, **look: Any) -> None:
    """A frame in a cell of a heat map, so far from its edge."""
    corner, side = (column - 0.5 + inset, row - 0.5 + inset), 1 - 2 * inset
    axes.add_patch(Rectangle(corner, side, side, fill=False, **look))


def say_cells(
    axes: Axes,
    values: NDArray[Any],
    said: Callable[[Any], str],
    shades: NDArray[Any] | None = None,
    shift: float = 0.0,
    size: float = LEAST_TYPE,
) -> bool:
    """Write the value of each cell of a heat map into it, where values fit; returns whether.

    Args:
        said: the text of a value; nothing is written where it is empty.
        shades: what the cells are coloured by, where that is not the values.
        shift: from the number of a row or column to its middle.
    """
    figure = axes.get_figure(root=True)
    room = figure.get_figwidth() if figure else 0.0
    if room < values.shape[1] * width("0.00", size):
        return False
    for (row, column), value in np.ndenumerate(values):
        shade = (values if shades is None else shades)[row, column]
        if not pd.isna(shade) and (text := said(value)):
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size}
            colour = text_on(COLOUR_MAP(shade))
            axes.text(column + shift, row + shift, text, color=colour, **style)
    return True


def grid_of_panels(
    figure: Figure, count: int, across: int, down: int = 0, **shared: Any
) -> list[Axes]:
    """So many panels in rows, the last row not always full.

    Args:
        across: panels in a row.
        shared: of `Figure.subplots`.
    """
    rows = down or -(-count // across)
    drawn = list(figure.subplots(rows, across, squeeze=False, **shared).ravel())
    for axes in drawn[count:]:
        axes.remove()
    return drawn[:count]


def legend_of(
    figure: Figure,
    panels: Iterable[Axes],
    names: Sequence[str] | None = None,
    ncols: int = 4,
    fontsize: float | None = None,
    **look: Any,
) -> None:
    """One legend above all panels of what any of them shows.

    Args:
        names: what is named, in this order; by default all.
        ncols: columns; where the figure has room for fewer, it grows by the lines.
        look: of `Figure.legend`.
    """
    handles: dict[str, Any] = {}
    for axes in panels:
        handles |= {
            label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
    shown = [name for name in (handles if names is None else names) if name in handles]
    size = fontsize or STYLE["legend.fontsize"]
    widths = [width(name, size) + ENTRY * size / 72 for name in shown]
    room, asked = figure.get_figwidth(), ncols
    while ncols > 1 and sum(map(max, _split(widths, ncols))) > room:
        ncols -= 1
    lines = -(-len(shown) // ncols) - -(-len(shown) // asked)
    figure.set_figheight(figure.get_figheight() + lines * LEGEND_LINE * size / 72)
    how = {"loc": "outside upper left", "ncols": ncols, "fontsize": size, **look}
    figure.legend([handles[name] for name in shown], shown, **how)


def _split(widths: list[float], columns: int) -> list[list[float]]:
    """The entries of a legend in each of its columns that has some."""
    parts = np.array_split(np.array(widths), columns)
    return [part.tolist() for part in parts if len(part)]
