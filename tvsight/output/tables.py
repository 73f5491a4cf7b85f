"""Tables: the numbers as CSV, and the same cells as text for Markdown and LaTeX."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tvsight.errors import UsageError
from tvsight.output.labels import MISSING
from tvsight.texts import latex, markdown, one_line
from tvsight.writing import whole_file

LONG = 80
"""Characters in a cell from which LaTeX breaks its column into lines."""
MOST_ROWS = 40
"""Rows of a LaTeX table that stay on one page."""
NUMERIC = re.compile(rf"[-<@]?\d[-\d.,e]*( ?[\[(±–].*| (to|of) [\d.,]+)?|{MISSING}")
"""A cell that is a number, with its interval, deviation or range; or no number."""
EXPONENT = re.compile(r"(\d+)e(-?)0*(\d+)")
PREAMBLE = r"% needs \usepackage{booktabs,longtable}; pdflatex is enough"


class Wording(NamedTuple):
    """What is said above a table."""

    title: str
    """What the table shows, without a full stop."""
    note: str
    """How to read it, in sentences: what a row is, what brackets hold, how many cases stand behind
    a number."""


def write(
    folder: Path,
    name: str,
    numbers: pd.DataFrame,
    cells: Sequence[pd.DataFrame],
    names: Sequence[str],
    wording: Wording,
) -> list[Path]:
    """Write `<name>.csv` from numbers, `<name>.md` and `<name>.tex` (booktabs) from texts.

    Words that are the same in every row of a table are said above the first one instead.

    Args:
        names: columns of `cells` with names and words, which are no numbers even if they look so.

    Raises:
        UsageError: when the folder cannot be written.
    """
    full = [table.replace("", MISSING).fillna(MISSING).map(one_line) for table in cells]
    shared = _shared(full[0], names) if full else {}
    shown = [_without(table, shared) for table in full]
    title, note = _said(wording, {name: markdown(text) for name, text in shared.items()})
    as_markdown = [f"# {title}", note, *(_markdown(table, names) for table in shown)]
    title, note = map(latex, _said(wording, shared))
    captions = [rf"\caption{{{title}. {note}}}", *[""] * len(shown)]
    as_latex = [PREAMBLE, *map(_latex, shown, captions)]
    texts = {
        f"{name}.csv": _csv(numbers),
        f"{name}.md": "\n\n".join(as_markdown) + "\n",
        f"{name}.tex": "\n".join(as_latex) + "\n",
    }
    return _written(folder, texts)


def write_numbers(folder: Path, name: str, numbers: pd.DataFrame) -> list[Path]:
    """Write `<name>.csv` alone: numbers that are drawn, too many to read as a table.

    Raises:
        UsageError: when the folder cannot be written.
    """
    return _written(folder, {f"{name}.csv": _csv(numbers)})


def _written(folder: Path, texts: dict[str, str]) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with whole_file(folder / name) as new:
                new.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return [folder / name for name in texts]


def _csv(numbers: pd.DataFrame) -> str:
    return str(numbers.to_csv(index=False, float_format="%.6g"))


def _shared(table: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """The words that every row of a table has in a column, by column. Numbers stay in the table."""
    if len(table) < 2:
        return {}
    alike = [str(column) for column in table if table[column].nunique() == 1]
    words = [column for column in alike if column in names or not _is_numeric(table[column])]
    return {column: table[column].iloc[0] for column in words if len(words) < len(table.columns)}


def _without(table: pd.DataFrame, shared: dict[str, str]) -> pd.DataFrame:
    """A table without the columns that hold nothing but what is said above it."""
    said = [name for name, text in shared.items() if name in table and set(table[name]) == {text}]
    return table.drop(columns=said) if len(table) > 1 else table


def _said(wording: Wording, shared: dict[str, str]) -> tuple[str, str]:
    """Title and note with what all rows share, the model in the title."""
    title, note = wording
    if model := shared.get("Model"):
        title = f"{title}: {model}"
    others = [f"{name} {text}" for name, text in shared.items() if name != "Model"]
    others = [text for text in others if not text.endswith(f" {MISSING}")]
    return title, f"{note} In every row: {', '.join(others)}." if others else note


def _is_numeric(cells: pd.Series) -> bool:
    return all(map(NUMERIC.fullmatch, cells)) and set(cells) != {MISSING}


def _markdown(table: pd.DataFrame, names: Sequence[str]) -> str:
    escaped = {name: table[name].map(markdown if name in names else _harmless) for name in table}
    rows = [
        [_harmless(str(name)) for name in table],
        *map(list, zip(*escaped.values(), strict=True)),
    ]
    right = [_is_numeric(table[column]) for column in table]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    marks = [
        "-" * (width - 1) + ":" if to_right else "-" * width
        for width, to_right in zip(widths, right, strict=True)
    ]
    rows.insert(1, marks)
    padded = [
        [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def _harmless(text: str) -> str:
    """Our own words, with what Markdown would take for markup escaped."""
    return text.replace("<", "&lt;").replace("|", r"\|")


def _latex(table: pd.DataFrame, caption: str) -> str:
    kinds = "".join(map(_column_kind, (table[column] for column in table)))
    heading, *rows = (
        " & ".join(_latex_cell(cell) for cell in row) + r" \\"
        for row in (list(table), *table.to_numpy().tolist())
    )
    if len(rows) > MOST_ROWS:
        top = [caption + r" \\"] if caption else []
        top += [r"\toprule", heading, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
        body = [rf"\begin{{longtable}}{{{kinds}}}", *top, *rows, r"\end{longtable}"]
        return "\n".join([r"{\footnotesize", *body, "}"])
    top = [r"\begin{table}", r"\centering\footnotesize", *([caption] if caption else [])]
    top += [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", heading, r"\midrule"]
    return "\n".join([*top, *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def _column_kind(cells: pd.Series) -> str:
    if max(map(len, cells), default=0) > LONG:
        return r"p{0.5\linewidth}"
    return "r" if _is_numeric(cells) else "l"


def _latex_cell(cell: str) -> str:
    """A cell for LaTeX: a minus is one, and an exponent is raised."""
    if not NUMERIC.fullmatch(cell):
        return latex(cell)
    signed = re.sub(r"(?<![\de])-(?=\d)", "$-$", latex(cell))
    return EXPONENT.sub(r"$\1\\times10^{\2\3}$", signed)
