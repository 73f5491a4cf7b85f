r"""Tables in LaTeX that fit a line of a paper, such as that of `\documentclass{article}`.

A model is a row above its rows, and an interval the second line of its cell. Columns without room
follow in a further table of the same number, beside the leading columns of words.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

import pandas as pd

from tvsight.output.labels import MISSING
from tvsight.texts import LETTERS, NOT_IN_LATEX, latex

LINE, WIDE_LINE = 344.0, 3000.0
"""Points of a line of text in a paper, rounded down, and of one that has room for every table."""
PAGE, CAPTION_LINE = 42, 90
"""Lines of a table on one page, its caption among them, and characters of a line of that."""
GAP, SIZE = 6.0, 8.0
"""Points between columns, and of letters."""
SMALL = 0.93
"""The width of an interval, of what it would be in the size of its number."""
WIDTHS = {
    **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 0.57),
    **dict.fromkeys("fijlrt()/-", 0.42),
    **dict.fromkeys("0123456789", 0.545),
    **dict.fromkeys(".,:;|!'[] ", 0.31),
    **dict.fromkeys("mwMWQ%@±−–…→×", 1.0),
}
"""Of letters, in their size; of others 0.8."""
MOST_LINES = 4
"""Lines that words are broken into where columns are many."""
BREAKS = re.compile(r"(?<=\S{14})(?=\S)")
"""Where a long word may be broken."""
NUMERIC = re.compile(rf"[-<@]?\d[-\d.,e]*( ?[\[(±–].*| (to|of) [\d.,]+)?|{MISSING}")
"""A cell that is a number, with its interval, deviation or range; or no number."""
EXPONENT = re.compile(r"(\d+)e(-?)0*(\d+)")
FULL = "_full.tex"
"""Ends the name of the wide form."""
NEEDS = r"% needs \usepackage{"
"""Begins every file."""
HEAD = rf"""{NEEDS}array,booktabs,longtable}}; lualatex sets letters that pdflatex lacks
{LETTERS}"""
SMALL_TYPE = r"""\footnotesize\setlength{\tabcolsep}{3pt}\setlength{\belowcaptionskip}{6pt}
\setlength{\LTcapwidth}{\linewidth}"""
CONTINUED = r"\caption[]{(continued)}"
WORDS, NUMBERS, INTERVALS = r"\raggedright", r"\raggedleft", r"\centering"
"""Alignments of columns."""


class _Column(NamedTuple):
    heading: str
    cells: Sequence[str]
    """In LaTeX."""
    alignment: str
    width: float
    """Points; at first those without which a word or a number would not fit."""
    whole: float
    """Points with which no words would be broken."""

    def kind(self, position: str = "p") -> str:
        return rf">{{{self.alignment}\arraybackslash}}{position}{{{self.width:.1f}pt}}"


def is_numeric(cells: pd.Series) -> bool:
    """Whether a column holds numbers."""
    return all(map(NUMERIC.fullmatch, cells)) and set(cells) != {MISSING}


def typeset(tables: Sequence[pd.DataFrame], names: Sequence[str], caption: str, line: float) -> str:
    """Tables, each below the other.

    Args:
        names: columns with names and words, which are no numbers even if they look so.
        caption: of the first, with its label; the others are its continuations.
        line: points of a line of text.
    """
    parts = [HEAD]
    for table in tables:
        models: list[str] = []
        if "Model" in table and 2 * table["Model"].nunique() <= len(table):
            table = pd.concat([rows for _, rows in table.groupby("Model", sort=False)])
            models = list(table.pop("Model"))
        columns = [_column(table[name], name in names) for name in table]
        for panel in _panels(columns, line):
            parts.append(_panel(panel, models, caption if len(parts) == 1 else ""))
    return "\n".join(parts) + "\n"


def _column(cells: pd.Series, is_name: bool) -> _Column:
    heading, is_number = str(cells.name), not is_name and is_numeric(cells)
    if is_number:
        shown = (EXPONENT.sub(r"\1×10\2\3", cell).replace("-", "−") for cell in cells)
        split = [cell.partition(" [") for cell in shown]
        widths = [max(_width(value), SMALL * _width(mark + of)) for value, mark, of in split]
        least = whole = max(widths, default=0.0)
    else:
        whole = min(LINE, max(map(_width, cells), default=0.0))
        least = max([min(whole / MOST_LINES, LINE / 2), *map(_least, cells)])
    of_heading = max(_width(heading) / MOST_LINES, _least(heading))
    texts = list(map(_number if is_number else _words, cells))
    alignment = NUMBERS if is_number else WORDS
    if is_number and cells.str.contains("[", regex=False).any():
        alignment = INTERVALS
    return _Column(heading, texts, alignment, max(least, of_heading), max(whole, of_heading))


def _width(text: str) -> float:
    """Points of a text, rather too many."""
    return SIZE * sum(WIDTHS.get(letter, 0.8) for letter in text)


def _least(text: str) -> float:
    """Points of the widest part of a text that is not broken."""
    words = NOT_IN_LATEX.sub(" U+0000 ", text).split()
    return max((_width(part) for word in words for part in BREAKS.split(word)), default=0.0)


def _panels(columns: Sequence[_Column], line: float) -> Iterator[list[_Column]]:
    """Columns in as many groups as lines are needed; the leading columns of words are in each.
    Columns of words get what is left of a line, in proportion to what they lack."""
    keys = list(takewhile(lambda column: column.alignment == WORDS, columns))
    keys = keys if 0 < len(keys) < len(columns) else list(columns[:1])
    rest = list(columns[len(keys) :])
    while rest or keys:
        panel, room = list(keys), line - sum(column.width + GAP for column in keys)
        while rest and (len(panel) == len(keys) or room >= rest[0].width + GAP):
            room -= rest[0].width + GAP
            panel.append(rest.pop(0))
        lacking = sum(column.whole - column.width for column in panel)
        share = max(0.0, min(1.0, room / (lacking or 1)))
        yield [of._replace(width=of.width + share * (of.whole - of.width)) for of in panel]
        keys = keys if rest else []


def _panel(columns: Sequence[_Column], models: Sequence[str], caption: str) -> str:
    """A table; one without a caption continues the one before it."""
    cells = zip(*(column.cells for column in columns), strict=True)
    rows = [" & ".join(row) + r" \\[2pt]" for row in cells]
    for first in sorted({models.index(model) for model in models}, reverse=True):
        named = rf"{{l}}{{\itshape {latex(models[first])}}} \\*"
        rows.insert(first, rf"\addlinespace\multicolumn{{{len(columns)}}}{named}")
    headings = [
        rf"\multicolumn{{1}}{{{column.kind('b')}}}{{{_words(column.heading)}}}"
        for column in columns
    ]
    kinds = "".join(column.kind() for column in columns)
    before = [SMALL_TYPE] if caption else [SMALL_TYPE, r"\addtocounter{table}{-1}"]
    caption, head = caption or CONTINUED, [r"\toprule", " & ".join(headings) + r" \\", r"\midrule"]
    lines = len(caption) / CAPTION_LINE + sum(1 + (r"\newline" in row) for row in rows)
    if lines <= PAGE:
        top = [r"\begin{table}\centering", *before, caption, rf"\begin{{tabular}}{{{kinds}}}"]
        return "\n".join([*top, *head, *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}"])
    top = ["{", *before, rf"\begin{{longtable}}{{{kinds}}}", rf"{caption} \\"]
    top += [*head, r"\endfirsthead", rf"{CONTINUED} \\", *head, r"\endhead"]
    return "\n".join([*top, r"\bottomrule", r"\endfoot", *rows, r"\end{longtable}", "}"])


def _words(cell: str) -> str:
    return r"\allowbreak{}".join(map(latex, BREAKS.split(cell)))


def _number(cell: str) -> str:
    """A number, above its interval: a minus is one, and an exponent is raised."""
    signed = re.sub(r"(?<![\de])-(?=\d)", "$-$", latex(cell))
    value, mark, interval = EXPONENT.sub(r"$\1\\times10^{\2\3}$", signed).partition(" [")
    return rf"{value}\newline\scriptsize[{interval.replace(' ', '~')}" if mark else value
