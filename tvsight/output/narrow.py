"""Figures on a page narrower than the one they are designed for: panels keep about their width and
stand below each other, and names take several lines."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec, SubplotSpec
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter

from tvsight.output.lettering import LEAST_TYPE, wrapped

COMPANION = 0.35
"""A column narrower than this share of the widest stays beside its neighbour: a colour bar."""
LEAST_ROOM = 0.8
"""Of a name along an axis, in inches."""
NAMES_SHARE = 0.33
"""The most of a figure's width that names of rows take."""
ENTRY = 4.8
"""Of an entry of a legend: its mark and the space around it, in sizes of its type."""
LINES = 4
"""Of an entry of a legend at most."""

Places = dict[Axes, SubplotSpec]


class _Stacked(GridSpec):
    """Of panels that were put below each other."""


def stack(figure: Figure, share: float) -> None:
    """Put panels that stand beside each other below each other, as many in a row as keep about
    their width. Panels that share the names of their rows stay where they are.

    Args:
        share: width of the figure, of the width that it is designed for.
    """
    places: Places = {axes: spec for axes in figure.axes if (spec := axes.get_subplotspec())}
    grids = {spec.get_gridspec() for spec in places.values()}
    grid = grids.pop() if len(grids) == 1 else None
    spanning = any(spec.num1 != spec.num2 for spec in places.values())
    if grid is None or spanning or isinstance(grid, _Stacked | GridSpecFromSubplotSpec):
        return
    ratios, heights = (
        np.asarray(of, dtype=float).tolist()
        for of in (grid.get_width_ratios(), grid.get_height_ratios())
    )
    groups = _groups(ratios)
    across = max(1, round(share * len(groups)))
    if across >= len(groups) or _share_names(places):
        return
    # Rows of unlike height belong together: a block of all of them, then the next.
    unit = 1 if len(set(heights)) == 1 else len(heights)
    cells: dict[Axes, tuple[int, int]] = {}
    for axes, spec in places.items():
        row = spec.rowspan.start
        at = next(n for n, group in enumerate(groups) if spec.colspan.start in group)
        down, beside = divmod(at + (row * len(groups) if unit == 1 else 0), across)
        cells[axes] = (down * unit + (row if unit > 1 else 0), beside)
    rows = 1 + max(row for row, _ in cells.values())
    outer = _Stacked(rows, across, figure, height_ratios=(heights * rows)[:rows])
    inner: dict[tuple[int, int], GridSpecFromSubplotSpec] = {}
    for axes, spec in places.items():
        column, cell = spec.colspan.start, cells[axes]
        group = next(group for group in groups if column in group)
        if len(group) > 1 and cell not in inner:
            widths = [ratios[number] for number in group]
            inner[cell] = outer[cell].subgridspec(1, len(group), width_ratios=widths)
        axes.set_subplotspec(inner[cell][0, group.index(column)] if cell in inner else outer[cell])
    _name_again(places)
    figure.set_figheight(figure.get_figheight() * rows / len(heights))


def fold(figure: Figure) -> None:
    """Break titles, labels of axes, names of rows and entries of legends into lines that fit."""
    wide = figure.get_figwidth()
    for axes in figure.axes:
        box = axes.get_window_extent()
        across, up = (max(LEAST_ROOM, side / figure.dpi) for side in (box.width, box.height))
        titles = {axes.get_title(side) for side in ("left", "center", "right")} - {""}
        own = [text for text in axes.get_children() if isinstance(text, Text)]
        for text in (*(text for text in own if text.get_text() in titles), axes.xaxis.label):
            _break(text, across)
        _break(axes.yaxis.label, up)
        if _are_names(axes.yaxis):
            labels = axes.get_yticklabels()
            for label in labels:
                _break(label, NAMES_SHARE * wide)
            names = [label.get_text() for label in labels]
            if any("\n" in name for name in names):
                axes.set_yticks(axes.get_yticks(), names)
        if _are_names(axes.xaxis):
            _shrink_turned(axes, across)
    for legend in (*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))):
        for _ in range(LINES):
            if legend.get_window_extent().width > figure.bbox.width:
                widest = max(text.get_window_extent().width for text in legend.get_texts())
                for text in legend.get_texts():
                    _break(text, 0.8 * widest / figure.dpi)


def _groups(ratios: list[float]) -> list[list[int]]:
    """Columns that stay beside each other: wide ones, each with the narrow ones at it."""
    groups: list[list[int]] = []
    has_wide = False
    for column, ratio in enumerate(ratios):
        is_wide = ratio >= COMPANION * max(ratios)
        if not groups or (is_wide and has_wide):
            groups.append([])
            has_wide = False
        groups[-1].append(column)
        has_wide |= is_wide
    return groups


def _share_names(places: Places) -> bool:
    """Whether panels share an axis whose ticks are names: tasks in rows."""
    first, *others = places
    shared = first.get_shared_y_axes()
    return _are_names(first.yaxis) and any(shared.joined(first, other) for other in others)


def _are_names(axis: Axis) -> bool:
    """Whether an axis has names at places that were set."""
    named = isinstance(axis.get_major_formatter(), FuncFormatter)
    return named and isinstance(axis.get_major_locator(), FixedLocator)


def _shrink_turned(axes: Axes, room: float) -> None:
    """Let names that stand on end be no taller than the columns that they name."""
    labels = axes.get_xticklabels()
    low, high = axes.get_xlim()
    size = 0.9 * 72 * room / max(1.0, abs(high - low))
    for label in labels:
        if label.get_rotation() == 90 and float(label.get_fontsize()) > size:
            label.set_fontsize(max(size, LEAST_TYPE))


def _name_again(places: Places) -> None:
    """Show names of vertical axes at panels that had them at their left neighbour."""
    for axes, spec in places.items():
        for left, other in places.items():
            same_row = other.rowspan.start == spec.rowspan.start and other.colspan.start == 0
            if same_row and axes is not left and axes.get_shared_y_axes().joined(axes, left):
                axes.tick_params(labelleft=True)
                axes.set_ylabel(axes.get_ylabel() or left.get_ylabel())


def _break(text: Text, room: float) -> None:
    text.set_text(wrapped(text.get_text(), room, float(text.get_fontsize())))
