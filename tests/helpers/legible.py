"""Check that the texts of a figure can be read: none is cut off, small, or lies on another."""

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text

from tvsight.output.plots import Captions, Plot
from tvsight.output.theme import LEAST_TYPE, PAGE


def assert_legible(plot: Plot, captions: Captions = "short") -> None:
    """Every text of a finished plot is large enough, on the page and clear of every other one."""
    figure = plot.lettered(captions)
    assert figure.get_figwidth() <= PAGE.get()
    figure.draw_without_rendering()
    assert {text.get_text() for text in texts(figure) if text.get_fontsize() < LEAST_TYPE} == set()
    # An annotation's own extent has its arrow in it.
    boxes = [(text.get_text(), Text.get_window_extent(text)) for text in texts(figure)]
    page = figure.bbox.padded(1)
    assert len(boxes) > 2
    assert [name for name, box in boxes if not page.contains(*box.min)] == []
    assert [name for name, box in boxes if not page.contains(*box.max)] == []
    over = [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]
    assert over == []


def texts(figure: Figure) -> list[Text]:
    """What is to be read in a figure: labels of ticks out of sight are not."""
    hidden: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            for tick in axis.get_major_ticks():
                if not (axes.axison and low <= tick.get_loc() <= high):
                    hidden |= {tick.label1, tick.label2}
    found = figure.findobj(Text)
    return [
        text
        for text in found
        if text.get_visible() and text.get_text().strip() and text not in hidden
    ]
