"""The width of texts in the figures' font, to wrap and cut them before anything is drawn."""

import re
import unicodedata
from functools import cache

from matplotlib import get_data_path
from matplotlib.font_manager import FontProperties, fontManager, get_font_names
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import TextToPath

FAMILY = "DejaVu Sans"
"""The font of all figures. It comes with matplotlib."""
LEAST_TYPE = 6.0
"""Size of the smallest text in a figure, in points."""
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("Noto Sans Thai", "Loma"),
)
"""Fonts for letters that it lacks, where they are installed. Scripts whose letters join or are
reordered are left out: they would be drawn wrongly."""
RIGHT_TO_LEFT = {"R", "AL"}
"""Directions of letters that would be drawn in the wrong order."""
MID_CLAUSE = 0.4
"""Cost of a break between two lines where no clause ends; that of one empty line is 1."""
MOST_CHARACTERS = 200
"""More than fits of the narrowest letters; longer texts are cut before they are measured."""


# A copy that the machine has may be another build, and a PDF holds the letters themselves. Which
# one the list of fonts has is chance: processes of several environments write it.
fontManager.ttflist = [entry for entry in fontManager.ttflist if entry.name != FAMILY]
for face in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"):
    fontManager.addfont(f"{get_data_path()}/fonts/ttf/{face}.ttf")


def font(size: float, bold: bool = False) -> FontProperties:
    """The figures' font in a size, in points, and after it those for letters that it lacks."""
    return FontProperties(family=families(), size=size, weight="bold" if bold else "normal")


@cache
def families() -> list[str]:
    """The font of all figures, then the fallbacks that are installed."""
    installed = set(get_font_names())
    return [FAMILY, *(name for name in FALLBACKS if name in installed)]


def drawable(text: str) -> str:
    """A text that the figures' font can draw, or the script of its first foreign letter in angle
    quotes. Scripts that run from right to left are named too: their letters would be drawn in the
    wrong order, and unjoined."""
    for character in text:
        foreign = ord(character) not in _glyphs()
        if foreign or unicodedata.bidirectional(character) in RIGHT_TO_LEFT:
            name = unicodedata.name(character, "")
            word = name.split(" ")[0].split("-")[0].capitalize()
            word = "Han" if word == "Cjk" else word
            return f"‹{word or f'U+{ord(character):04X}'}›"
    return text


@cache
def _glyphs() -> frozenset[int]:
    """Code points that the fonts have in both weights."""
    plain, bold = (
        {
            code
            for file in fontManager._find_fonts_by_props(font(LEAST_TYPE, is_bold))
            for code in FT2Font(file).get_charmap()
        }
        for is_bold in (False, True)
    )
    return frozenset(plain & bold)


@cache
def width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text, in inches."""
    measured = TextToPath().get_text_width_height_descent(text, font(size, bold), False)
    return float(measured[0]) / 72


def wrapped(text: str, room: float, size: float, bold: bool = False) -> str:
    """A text over lines of at most `room` inches; a number stays with the sign after it, and the
    ends of an interval stay together."""
    lines: list[str] = []
    kept = re.sub(r"(\[\S+,) ", "\\1\u00a0", text.replace(" %", "\u00a0%"))
    for paragraph in kept.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and width(longer, size, bold) > room:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


def balanced(text: str, room: float, size: float, bold: bool = False) -> str:
    """A text over as few lines as `wrapped` needs. Two lines are about equally long, and the first
    ends at a comma, colon or semicolon where there is one near the middle."""
    lines = wrapped(text, room, size, bold)
    if lines.count("\n") != 1:
        return lines
    words = lines.replace("\n", " ").split(" ")
    halves = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words))]

    def cost(half: int) -> float:
        upper, lower = (width(part, size, bold) for part in halves[half])
        mid_clause = MID_CLAUSE * (halves[half][0][-1] not in ",:;")
        return abs(upper - lower) / room + mid_clause + 9 * (max(upper, lower) > room)

    return "\n".join(halves[min(range(len(halves)), key=cost)])


def fitting(text: str, room: float, size: float, bold: bool = False) -> str:
    """A text cut to a width in inches, with an ellipsis if it was too long."""
    if len(text) <= MOST_CHARACTERS and width(text, size, bold) <= room:
        return text
    cut = text[:MOST_CHARACTERS]
    while len(cut) > 1 and width(cut + "…", size, bold) > room:
        cut = cut[:-1]
    return cut + "…"
