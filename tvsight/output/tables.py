"""Tables: the numbers as CSV, and the same cells as text for Markdown and LaTeX."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tvsight.errors import UsageError
from tvsight.output import latex
from tvsight.output.labels import MISSING
from tvsight.texts import latex as in_latex
from tvsight.texts import markdown, one_line
from tvsight.writing import has, whole_file

MAX_HEADING = 10_000
"""Most characters that are read of the first line of a CSV file."""


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
    aside: Sequence[str] = (),
) -> list[Path]:
    """Write `<name>.csv` from numbers, and from texts `<name>.md`, `<name>_full.tex` (booktabs) and
    `<name>.tex`, the form for papers.

    Words that are the same in every row of a table are said above the first one instead.

    Args:
        names: columns of `cells` with names and words, which are no numbers even if they look so.
        aside: columns that papers do without.

    Raises:
        UsageError: when the folder cannot be written.
    """
    full = [table.replace("", MISSING).fillna(MISSING).map(one_line) for table in cells]
    shared = _shared(full[0], names) if full else {}
    shown = [_without(table, shared) for table in full]
    title, note = _said(wording, {name: markdown(text) for name, text in shared.items()})
    as_markdown = [f"# {title}", note, *(_markdown(table, names) for table in shown)]
    title, note = map(in_latex, _said(wording, shared))
    caption = rf"\caption[{{{title}}}]{{{title}. {note}}}"
    printed = [table.drop(columns=list(aside), errors="ignore") for table in shown]
    label = rf"\label{{tab:tvsight-{name.replace('_', '-')}}}"
    texts = {
        f"{name}.csv": _csv(numbers),
        f"{name}.md": "\n\n".join(as_markdown) + "\n",
        f"{name}.tex": latex.typeset(printed, names, caption + label, latex.LINE),
        name + latex.FULL: latex.typeset(shown, names, caption, latex.WIDE_LINE),
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
            with whole_file(folder / name, _form(text)) as new:
                new.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return [folder / name for name in texts]


def _form(text: str) -> Callable[[Path], bool]:
    """A test of the file that a table takes the place of: whether it is such a table, of any
    version. Markdown and LaTeX of tables begin alike; CSV files have a column in common."""
    for mark in ("# ", latex.NEEDS):
        if text.startswith(mark):
            return has(mark.encode())
    columns = set(text.partition("\n")[0].split(","))

    def shares_columns(path: Path) -> bool:
        with path.open(encoding="utf-8", errors="replace") as file:
            return bool(columns & set(file.readline(MAX_HEADING).rstrip("\n").split(",")))

    return shares_columns


def _csv(numbers: pd.DataFrame) -> str:
    return str(numbers.to_csv(index=False, float_format="%.6g"))


def _shared(table: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """The words that every row of a table has in a column, by column. Numbers stay in the table."""
    if len(table) < 2:
        return {}
    alike = [str(column) for column in table if table[column].nunique() == 1]
    words = [column for column in alike if column in names or not latex.is_numeric(table[column])]
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


def _right(table: pd.DataFrame, names: Sequence[str]) -> list[bool]:
    """For each column whether it holds numbers, which stand at its right edge."""
    return [name not in names and latex.is_numeric(table[name]) for name in table]


def _markdown(table: pd.DataFrame, names: Sequence[str]) -> str:
    columns = []
    for name, to_right in zip(table, _right(table, names), strict=True):
        escape = markdown if name in names else _harmless
        cells = [_harmless(str(name)), *map(escape, table[name])]
        width = max(3, *map(len, cells))
        mark = "-" * (width - 1) + ":" if to_right else "-" * width
        padded = [cell.rjust(width) if to_right else cell.ljust(width) for cell in cells]
        columns.append([padded[0], mark, *padded[1:]])
    return "\n".join(f"| {' | '.join(row)} |" for row in zip(*columns, strict=True))


def _harmless(text: str) -> str:
    """Our own words, with what Markdown would take for markup escaped."""
    return text.replace("<", "&lt;").replace("|", r"\|")
