"""Pairs of an input and its accepted answers: read from rows of files and of Python."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tvsight.errors import UsageError, unexpected
from tvsight.tasks.words import MAX_WORD, check_text, shown

MAX_PAIRS = 100_000
USERS = "a file of the user"
"""The origin of a task that is not packaged."""


@dataclass(frozen=True)
class Pair:
    """An input and the answers accepted for it, the most usual first."""

    input: str
    answers: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The answer that demonstrations show."""
        return self.answers[0]


def numbered(rows: Any, where: str) -> list[tuple[str, Any]]:
    """Pairs of a JSON file, each with its number."""
    if not isinstance(rows, list):
        raise UsageError(f'{where}: pairs: a list such as [["input", "answer"], ...] was expected.')
    return some([(f"pair {number}", row) for number, row in enumerate(rows, start=1)], where)


def some(rows: list[tuple[str, Any]], where: str) -> list[tuple[str, Any]]:
    """Rows that are neither none nor too many."""
    if not rows:
        raise UsageError(f"{where}: pairs: at least one was expected.")
    if len(rows) > MAX_PAIRS:
        raise UsageError(f"{where}: {len(rows)} pairs; at most {MAX_PAIRS} are read.")
    return rows


def read_pairs(rows: list[tuple[str, Any]], where: str, breaks: bool = True) -> tuple[Pair, ...]:
    """The pairs of rows.

    Args:
        breaks: allow line breaks and tabs in a word. In CSV they are most often a lost quote.
    """
    pairs: dict[str, Pair] = {}
    for number, row in rows:
        place = f"{where}, {number}"
        pair = _pair(row, place, breaks)
        if pair.input in pairs:
            raise UsageError(
                f"{place}: the input {shown(pair.input)} is there twice. Give it once (in JSON "
                "with a list of its accepted answers)."
            )
        pairs[pair.input] = pair
    return tuple(pairs.values())


def _pair(row: Any, place: str, breaks: bool) -> Pair:
    if not isinstance(row, list) or len(row) != 2:
        raise UsageError(
            f"{place}: an input and an answer were expected, found {shown(row)}.{_separator(row)}"
        )
    given = row[0]
    answers = row[1] if isinstance(row[1], list) else [row[1]]
    if not answers:
        raise UsageError(f"{place}: one or more different answers were expected.")
    for text in (given, *answers):
        check_text(text, place, MAX_WORD, breaks)
    if len(set(answers)) != len(answers):
        raise UsageError(f"{place}: one or more different answers were expected.")
    return Pair(given, tuple(answers))


def _separator(row: Any) -> str:
    """A hint for a line of CSV whose columns are not separated by commas."""
    cell = row[0] if isinstance(row, list) and len(row) == 1 else None
    alone = isinstance(cell, str) and any(mark in cell for mark in ";\t|")
    return " Columns are separated by a comma." if alone else ""


def rows_of(pairs: Any, where: str) -> list[Any]:
    """Rows of an input and an answer, from any of the kinds that `Task.of` takes."""
    names = getattr(pairs, "column_names", getattr(pairs, "columns", None))
    if isinstance(pairs, Mapping):
        pairs = pairs.items()
    elif names is not None:  # a Dataset of the hub, or a data frame
        if len(names) != 2:
            raise UsageError(
                f"{where}: two columns were expected, an input and an answer, found "
                f"{', '.join(map(str, names))}."
            )
        pairs = zip(*(list(pairs[column]) for column in names), strict=True)
    elif isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise unexpected("pairs", "pairs of an input and an answer", pairs)
    return [_listed(row) for row in pairs]


def _listed(row: Any) -> Any:
    """A row as JSON has it."""
    return [_listed(cell) for cell in row] if isinstance(row, tuple | list) else row
