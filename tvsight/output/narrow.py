"""Figures on a page narrower than the one they are designed for: panels keep about their width and
stand below each other, and names take several lines."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec, SubplotSpec
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter

from tvsight.output.lettering import LEAST_TYPE, fitting, wrapped

COMPANION, COLOUR_BAR = 0.35, 0.1
"""Of the widest column: a narrower one stays beside its neighbour, and a still narrower one is the
colour bar of all."""
LEAST_ROOM = 0.8
"""Of a name along an axis, in inches."""
NAMES_SHARE = 0.33
"""The most of a figure's width that names of rows take."""
ENTRY = 4.8
"""Of an entry of a legend: its mark and the space around it, in sizes of its type."""
LINE = 0.13
"""Height of a line of a title or label, in inches."""
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
    wide, lines = figure.get_figwidth(), 0
    for axes in figure.axes:
        box = axes.get_window_extent()
        across, up = (max(LEAST_ROOM, side / figure.dpi) for side in (box.width, box.height))
        titles = {axes.get_title(side) for side in ("left", "center", "right")} - {""}
        own = [text for text in axes.get_children() if isinstance(text, Text)]
        for text in (*(text for text in own if text.get_text() in titles), axes.xaxis.label):
            lines = max(lines, _break(text, across))
        _break(axes.yaxis.label, up)
        if _are_names(axes.yaxis):
            names = [_name(label, NAMES_SHARE * wide) for label in axes.get_yticklabels()]
            if any(name.endswith("…") or "\n" in name for name in names):
                axes.set_yticks(axes.get_yticks(), names)
        if axes.axison:
            _thin(axes)
    figure.set_figheight(figure.get_figheight() + lines * LINE)
    for legend in (*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))):
        for _ in range(LINES):
            if legend.get_window_extent().width > figure.bbox.width:
                widest = max(text.get_window_extent().width for text in legend.get_texts())
                for text in legend.get_texts():
                    _break(text, 0.8 * widest / figure.dpi)


def _groups(ratios: list[float]) -> list[list[int]]:
    """Columns that stay beside each other: wide ones, each with the narrow ones at it, and all
    that share a colour bar."""
    if min(ratios) < COLOUR_BAR * max(ratios):
        return [list(range(len(ratios)))]
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


def _thin(axes: Axes) -> None:
    """Leave names of ticks out where neighbours would touch; those that stand on end shrink."""
    low, high = sorted(axes.get_xlim())
    ticks = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    labels, places = [tick.label1 for tick in ticks], [tick.get_loc() for tick in ticks]
    across = axes.transData.transform([(place, 1.0) for place in places or [0.0]])[:, 0]
    room = float(np.diff(np.sort(across)).min(initial=np.inf))
    if labels and labels[0].get_rotation() == 90:
        size = max(LEAST_TYPE, 0.9 * 72 * room / axes.figure.dpi)
        for label in labels:
            label.set_fontsize(min(float(label.get_fontsize()), size))
        return
    widest = 1.15 * max((label.get_window_extent().width for label in labels), default=0.0)
    if widest > room > 0:
        step = math.ceil(widest / room)
        axes.set_xticks(places[::step], [label.get_text() for label in labels[::step]])


def _name_again(places: Places) -> None:
    """Show names of vertical axes at panels that had them at their left neighbour."""
    for axes, spec in places.items():
        for left, other in places.items():
            same_row = other.rowspan.start == spec.rowspan.start and other.colspan.start == 0
            if same_row and axes is not left and axes.get_shared_y_axes().joined(axes, left):
                axes.tick_params(labelleft=True)
                axes.set_ylabel(axes.get_ylabel() or left.get_ylabel())


def _break(text: Text, room: float) -> int:
    """Break a text into lines that fit; returns how many more it has."""
    whole = text.get_text()
    text.set_text(wrapped(whole, room, float(text.get_fontsize())))
    return text.get_text().count("\n") - whole.count("\n")


def _name(label: Text, room: float) -> str:
    """The name of a row over lines that fit, each cut where a word is too long."""
    size = float(label.get_fontsize())
    lines = wrapped(label.get_text(), room, size).split("\n")
    return "\n".join(fitting(line, 1.1 * room, size) for line in lines)
