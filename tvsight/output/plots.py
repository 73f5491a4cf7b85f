"""A plot: a figure with the finding above it, and its caption beside it."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from PIL import Image

from tvsight.errors import UsageError
from tvsight.output.lettering import balanced, wrapped
from tvsight.output.theme import arranged, fitted
from tvsight.texts import markdown
from tvsight.writing import has, whole_file

Captions = Literal["short", "full", "none"]
TITLE, NOTE = 9.0, 6.5
"""Sizes of the title and of what stands below the axes, in points."""
LINE = 1.3
"""Height of a line, in sizes of its type."""
MARGIN = 0.06
"""Between these texts, the axes and the edge, in inches."""
MAPPED_DPI = 200
"""Dots per inch of a PNG with a colour map. It has thousands of colours, so that its file is large;
the PDF is for print."""
HINTED = 0.98
"""A measured line is up to 2 % longer when it is drawn, for its letters are set on pixels."""
UNDATED = {"pdf": {"CreationDate": None, "Producer": None}, "svg": {"Date": None, "Creator": None}}
"""Metadata that would differ from one redraw to the next."""
FORMS = {
    "png": has(b"\x89PNG"),
    "pdf": has(b"%PDF"),
    "svg": has(b"<svg", within=1000),
    "caption.md": has(b"**"),
}
"""By which a file of that name is known as a figure, which may be replaced."""


@dataclass(frozen=True)
class Plot:
    """A figure, and the words that belong to it. All of them are text, no Markdown."""

    figure: Figure
    """The axes, without a title of the whole and without a caption."""
    title: str
    """The finding, made from the numbers that are drawn; at most two lines, no full stop."""
    caption: str
    """All that a reader needs: what is drawn, how it was measured, sizes, intervals, marks."""
    note: str = ""
    """The part of the caption that stays in the picture: sizes and intervals, one line."""

    def lettered(self, captions: Captions = "short") -> Figure:
        """The figure with its title above and its note, or whole caption, below.

        It grows by their height, so that the axes keep theirs, and its layout is final. Call it
        once.

        Args:
            captions: `short` (title and note), `full` (title and caption) or `none` (the axes).
        """
        figure = fitted(self.figure)
        wide, high = figure.get_size_inches()
        room = HINTED * (wide - 2 * MARGIN)
        title = "" if captions == "none" else balanced(self.title, room, TITLE, bold=True)
        said = {"short": self.note, "full": self.caption, "none": ""}[captions]
        note = wrapped(said, room, NOTE)
        above, below = _height(title, TITLE), _height(note, NOTE)
        whole = high + above + below
        figure.set_figheight(whole)
        box = (0, below / whole, 1, high / whole)
        arranged(figure, box)
        figure.set_layout_engine("none")
        for legend in figure.legends:  # their room is left free, but at the edge of the figure
            legend.set_bbox_to_anchor(box, transform=figure.transFigure)
        left, margin = MARGIN / wide, MARGIN / whole
        above_all = figure.text(left, 1 - margin, title, va="top", linespacing=LINE)
        above_all.set(fontsize=TITLE, fontweight="bold")
        below_all = figure.text(left, margin, note, va="bottom", linespacing=LINE)
        below_all.set(fontsize=NOTE, color="0.25")
        return figure

    def write(
        self,
        folder: Path,
        name: str,
        captions: Captions = "short",
        svg: bool = False,
        command: str = "",
    ) -> list[Path]:
        """Write the figure as PNG and PDF, and the caption as Markdown.

        The files hold no date, so that a redraw gives the same bytes.

        Args:
            svg: write the figure as SVG too.
            command: what draws it, for the end of the caption.

        Returns:
            The files.

        Raises:
            UsageError: when the folder cannot be written.
        """
        figure = self.lettered(captions)
        kinds = ("png", "pdf", *(["svg"] if svg else []), "caption.md")
        paths = [folder / f"{name}.{kind}" for kind in kinds]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for kind, path in zip(kinds, paths, strict=True):
                with whole_file(path, FORMS[kind]) as new:
                    if kind == "png":
                        _save_png(figure, new)
                    elif kind in UNDATED:
                        drawn = BytesIO()  # a file that takes no more spoils what matplotlib says
                        figure.savefig(drawn, format=kind, metadata=UNDATED[kind])
                        new.write_bytes(drawn.getvalue())
                    else:
                        new.write_text(self._as_markdown(command), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
        return paths

    def _as_markdown(self, command: str) -> str:
        paragraphs = [markdown(line) for line in self.caption.split("\n")]
        paragraphs[0] = f"**{markdown(self.title)}.** {paragraphs[0]}"
        if command:
            paragraphs.append(f"Drawn by `{command}`.")
        return "\n\n".join(paragraphs) + "\n"


def _height(text: str, size: float) -> float:
    """The height of lines of text with the space between them and the axes, in inches."""
    return len(text.split("\n")) * size * LINE / 72 + 2 * MARGIN if text else 0.0


def _save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, with a palette of 256 colours where it has no colour map.

    Such a figure has fewer colours but for soft edges, and its file becomes a third as large. A
    colour map would show steps.
    """
    artists = [artist for artist in figure.findobj() if isinstance(artist, ScalarMappable)]
    is_mapped = any(artist.get_array() is not None for artist in artists)
    dpi = MAPPED_DPI if is_mapped else mpl.rcParams["savefig.dpi"]
    with BytesIO() as drawn:
        figure.savefig(drawn, format="png", dpi=dpi)
        with Image.open(drawn) as image:
            flat = image.convert("RGB")
    if not is_mapped:
        flat = flat.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    flat.save(path, optimize=True, dpi=(dpi, dpi))
