"""One look for all figures: sizes for print, colours that stay apart, and text that stands out."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tvsight.config import PAGE_WIDTHS
from tvsight.output import lettering
from tvsight.output.narrow import fold, stack

ONE_COLUMN, TWO_COLUMNS = PAGE_WIDTHS
PAGE = ContextVar("PAGE", default=TWO_COLUMNS)
"""Width that figures are laid out for, in inches; see `page`."""
LEAST_TYPE = lettering.LEAST_TYPE
"""Size of the smallest text in a figure, in points."""
SCREEN_DPI = 110
"""Resolution of figures in notebooks."""
READABLE = 4.5
"""Least contrast of a text to what lies behind it (WCAG 2, AA)."""

CATEGORY_COLOURS = {
    "algorithmic": "#93246a",
    "translation": "#44aa99",
    "linguistic": "#dcc866",
    "knowledge": "#7b68c8",
    "custom": "#2b2b2b",
}
"""One colour per category of tasks, none of them that of a procedure. Lightness differs too."""
TASK_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h", "8", "d")
"""Shapes that tell the tasks of a category apart."""
COLOUR_MAP = colormaps["Blues"]
"""Of every heat map: zero is nearly white, and lightness falls evenly."""

STYLE: Any = {
    "font.family": lettering.families(),
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "grid.linewidth": 0.5,
    "grid.color": "0.9",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "svg.hashsalt": "tvsight",  # names of clips would be random otherwise
    "text.parse_math": False,  # a name may hold dollar signs
}


@contextmanager
def page(width: float) -> Iterator[None]:
    """Lay out every figure that is made meanwhile for a page of this width, in inches."""
    before = PAGE.set(width)
    try:
        yield
    finally:
        PAGE.reset(before)


def is_narrow() -> bool:
    """Whether the page is narrower than two columns, so that panels stand below each other."""
    return PAGE.get() < TWO_COLUMNS


class Shown(Figure):
    """A figure that a notebook shows at the end of a cell, whether pyplot is loaded or not."""

    def _repr_png_(self) -> bytes:
        drawn = BytesIO()
        self.savefig(drawn, format="png", dpi=SCREEN_DPI)
        return drawn.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in the shared style, sizes in inches. No window is ever opened.

    Args:
        width: on a page of two columns; a narrower page has room for less.
    """
    mpl.rcParams.update(STYLE)
    figure = Shown(figsize=(min(width, PAGE.get()), height), dpi=STYLE["savefig.dpi"])
    figure.set_layout_engine("constrained")
    return figure


def arranged(figure: Figure, place: tuple[float, float, float, float] = (0, 0, 1, 1)) -> Figure:
    """Give the axes of a figure their place, within a rectangle in shares of the figure."""
    return _laid_out(fitted(figure), place)


def fitted(figure: Figure) -> Figure:
    """A figure that fits a narrow page: it grows where panels and names take more lines."""
    if is_narrow():
        stack(figure, figure.get_figwidth() / TWO_COLUMNS)
        _laid_out(figure)
        fold(figure)
    return figure


def _laid_out(figure: Figure, place: tuple[float, ...] = (0, 0, 1, 1)) -> Figure:
    figure.set_layout_engine("constrained", rect=place)
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    return figure


def model_colours(count: int) -> list[str]:
    """Colours of lines of models, from dark to light in the order in which they are asked for."""
    return [str(colour) for colour in sns.color_palette("viridis", count + 1).as_hex()[:count]]


def contrast(colour: Any, other: Any) -> float:
    """The contrast of two colours, from 1 to 21 (WCAG 2)."""
    dark, light = sorted((_luminance(colour), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def text_on(background: Any) -> str:
    """Black or white, whichever stands out more. The contrast is at least 4.5 on any colour."""
    return max(("black", "white"), key=lambda colour: contrast(colour, background))


def text_in(colour: Any) -> tuple[float, float, float]:
    """A colour, darkened until a text in it can be read on white."""
    red, green, blue = to_rgb(colour)
    while contrast((red, green, blue), "white") < READABLE:
        red, green, blue = 0.95 * red, 0.95 * green, 0.95 * blue
    return red, green, blue


def tinted(colour: Any, share: float) -> tuple[float, float, float]:
    """A colour mixed with white, of which `share` is the colour's own. Nothing shines through."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def _luminance(colour: Any) -> float:
    """The relative luminance of a colour, from 0 to 1 (sRGB)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
