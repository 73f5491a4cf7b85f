"""One look for all figures: palettes, sizes for print, and how they are saved."""

import textwrap
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

from tvsight.errors import UsageError
from tvsight.output import procedures
from tvsight.writing import whole_file

ONE_COLUMN, TWO_COLUMNS = 3.3, 6.8
"""Widths for print, in inches."""

CATEGORY_COLOURS = {
    "algorithmic": procedures.BLUE,
    "translation": procedures.ORANGE,
    "linguistic": procedures.GREEN,
    "knowledge": procedures.PINK,
    "custom": procedures.GREY,
}
"""One colour per category of tasks."""
TASK_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h", "8", "d")
"""Shapes that tell the tasks of a category apart."""

MODEL_COLOURS = sns.color_palette("colorblind", 10).as_hex()
"""Lines of models, in the order in which they are asked for."""

STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 9,
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
    "text.parse_math": False,  # a name may hold dollar signs
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in the shared style, sizes in inches. No window is ever opened."""
    mpl.rcParams.update(STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def caption(figure: Figure, text: str) -> None:
    """A caption line under the axes, wrapped to the figure's width."""
    characters = int(figure.get_figwidth() * 21)
    together = text.replace(" %", "\u00a0%")
    lines = [line for part in together.split("\n") for line in textwrap.wrap(part, characters)]
    figure.supxlabel(
        "\n".join(lines), x=0.01, ha="left", fontsize=6.5, color="0.25", linespacing=1.3
    )


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and PDF, without a date in them, so that a redraw is identical.

    Raises:
        UsageError: when the folder cannot be written.
    """
    paths = [folder / f"{name}.{kind}" for kind in ("png", "pdf")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(paths[0]) as new, BytesIO() as drawn:
            figure.savefig(drawn, format="png")
            # A palette of 256 colours, of which a figure has fewer but for soft edges, makes the
            # file a third as large.
            with Image.open(drawn) as image:
                flat = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            flat.save(new, optimize=True, dpi=(mpl.rcParams["savefig.dpi"],) * 2)
        with whole_file(paths[1]) as new:
            figure.savefig(new, metadata={"CreationDate": None, "Producer": None})
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return paths
