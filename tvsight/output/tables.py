"""Tables: the numbers as CSV, and the same cells as text for Markdown, LaTeX and the terminal."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tvsight.errors import UsageError
from tvsight.texts import markdown, one_line
from tvsight.writing import whole_file

LONG = 80
"""Characters in a cell from which LaTeX breaks its column into lines."""


def write(
    folder: Path,
    name: str,
    numbers: pd.DataFrame,
    cells: Sequence[pd.DataFrame],
    names: Sequence[str],
) -> list[Path]:
    """Write `<name>.csv` from numbers, `<name>.md` and `<name>.tex` (booktabs) from texts.

    Args:
        names: columns of `cells` to be escaped, because their texts come from elsewhere.

    Raises:
        UsageError: when the folder cannot be written.
    """
    markdown = "\n\n".join(_markdown(table, names) for table in cells) + "\n"
    latex = "\n".join(_latex(table) for table in cells)
    texts = {f"{name}.csv": _csv(numbers), f"{name}.md": markdown, f"{name}.tex": latex}
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


def _markdown(table: pd.DataFrame, names: Sequence[str]) -> str:
    foreign = [name for name in names if name in table]
    escaped = table.assign(**{name: table[name].map(markdown) for name in foreign})
    return str(escaped.to_markdown(index=False, disable_numparse=True))


def _latex(table: pd.DataFrame) -> str:
    cells = table.map(one_line)
    longest = [max(map(len, cells[name]), default=0) for name in cells.columns]
    columns = "".join(r"p{0.5\linewidth}" if length > LONG else "l" for length in longest)
    return cells.to_latex(index=False, escape=True, column_format=columns)
