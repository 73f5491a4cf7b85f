"""Read the rows of a CSV file of pairs, without the line that names its columns."""

import csv
import io
import warnings
from typing import Any

from tvsight.errors import Remark, UsageError
from tvsight.tasks.words import shown

LANGUAGES = "english french spanish german en fr es de"
INPUT_HEADINGS = (
    "input inputs x word words source src question questions query prompt term text key original "
    f"example name singular present base country {LANGUAGES}"
)
ANSWER_HEADINGS = (
    "output outputs y answer answers target tgt translation translations label labels response "
    "completion value result expected definition meaning antonym antonyms synonym synonyms "
    f"opposite plural past gerund capital language continent currency {LANGUAGES}"
)
"""Usual names of the columns of a CSV file. `from` and `to` are left out: they may be a pair."""


def csv_rows(text: str, where: str) -> list[tuple[str, Any]]:
    """Rows of a CSV file, each with the number of its last line.

    Raises:
        UsageError: for text that is not CSV.

    Warns:
        Remark: when the first line is read as the names of the columns.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        rows = [(f"line {reader.line_num}", row) for row in reader if row]
    except csv.Error as error:
        raise UsageError(f"{where}, line {reader.line_num}: not CSV ({error}).") from error
    return _without_headings(rows, where)


def _without_headings(rows: list[tuple[str, Any]], where: str) -> list[tuple[str, Any]]:
    if not rows or len(rows[0][1]) != 2:
        return rows
    given, answer = (cell.strip().lower() for cell in rows[0][1])
    if given not in INPUT_HEADINGS.split() or answer not in ANSWER_HEADINGS.split():
        return rows
    line, headings = rows[0]
    warnings.warn(
        f"{where}, {line}: {shown(','.join(headings))} is read as the names of the columns. If it "
        "is a pair, put it on another line.",
        Remark,
        stacklevel=3,
    )
    return rows[1:]
