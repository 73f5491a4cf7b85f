"""Columns of tables, declared: the heading, and what a row says there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from tvsight.output import labels
from tvsight.output.labels import MISSING, NOT_IDENTIFIED
from tvsight.output.procedures import title as name_of

Row = Mapping[Any, Any]
"""One row of numbers, by column."""


class Column(NamedTuple):
    """One column of a table."""

    heading: str
    text: Callable[[Row], str]
    """Of one row."""
    words: bool = False
    """Whether it holds names and words, which are no numbers even if they look so."""
    in_papers: bool = True
    """Whether the form of the table for papers has it."""


def aside(column: Column) -> Column:
    """The same, which papers do without."""
    return column._replace(in_papers=False)


def texts(table: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The rows of a table as texts."""
    rows = table.to_dict("records")
    cells = {column.heading: [column.text(row) for row in rows] for column in columns}
    return pd.DataFrame(cells, columns=[column.heading for column in columns])


def plain(heading: str, name: str, words: bool = False) -> Column:
    """What stands in a column of numbers or words, as it is."""
    return Column(heading, lambda row: MISSING if pd.isna(row[name]) else str(row[name]), words)


def named(heading: str, name: str, names: Callable[[Any], str], words: bool = False) -> Column:
    """What stands in a column, in the words of `names`; a dash where nothing does."""
    return Column(
        heading, lambda row: MISSING if _is_nothing(row[name]) else names(row[name]), words
    )


def estimate(
    heading: str, name: str, but: Sequence[str] = (), text: Callable[[Row, str], str] | None = None
) -> Column:
    """`0.62 [0.48, 0.74]`; a dash for the procedures `but`."""
    worded = text or labels.interval
    return Column(
        heading, lambda row: MISSING if but and row["procedure"] in but else worded(row, name)
    )


def number(heading: str, name: str) -> Column:
    """`0.62`."""
    return Column(heading, lambda row: labels.number(row[name]))


def general(heading: str, name: str) -> Column:
    """`0.5`, `11`: without places that say nothing."""
    return Column(heading, lambda row: MISSING if pd.isna(row[name]) else f"{row[name]:g}")


def of(heading: str, name: str, total: str = "tasks", unit: str = "", known: str = "") -> Column:
    """`16 of 18`; a dash where there is no number, or none in the column `known`."""
    return Column(
        heading,
        lambda row: (
            MISSING if pd.isna(row[known or name]) else f"{row[name]:.0f} of {row[total]}{unit}"
        ),
    )


def of_solved(heading: str, name: str) -> Column:
    """`12 of 13 (12 of 18)`: of the tasks that ICL solves, and of all; see `SOLVED`."""

    def text(row: Row) -> str:
        if pd.isna(row[name]):
            return MISSING
        among = f"{row[f'{name}_solved']:.0f} of {row['icl_gains']:.0f}"
        return f"{among} ({row[name]:.0f} of {row['tasks']})"

    return Column(heading, text)


def by_list(heading: str, name: str) -> Column:
    """`[0.02, 0.14]`: the interval of a mean with tasks of one word list resampled together; see
    `LISTS`."""
    low, high = f"{name}_lists_low", f"{name}_lists_high"
    return Column(
        heading,
        lambda row: (
            MISSING
            if pd.isna(row[low])
            else f"[{labels.number(row[low])}, {labels.number(row[high])}]"
        ),
    )


def apart(name: str = "accuracy") -> tuple[Column, ...]:
    """The mean over the translations, and over the rest."""
    return number("Translation", f"{name}_translation"), number("Rest", f"{name}_rest")


def with_sizes(heading: str, first: str, second: str) -> Column:
    """`50 (36)`."""
    return Column(
        heading, lambda row: MISSING if pd.isna(row[first]) else f"{row[first]} ({row[second]})"
    )


def flag(heading: str, name: str, true: str = "yes", false: str = "no") -> Column:
    """Whether something is so."""
    return Column(heading, lambda row: true if row[name] else false)


def procedures(names: Iterable[str]) -> tuple[Column, ...]:
    """The accuracy of each procedure, from the column of its name."""
    return tuple(estimate(name_of(name), name) for name in names)


def small(heading: str, name: str) -> Column:
    """A probability, `2e-5`."""
    return named(heading, name, labels.small)


def fine(row: Row, name: str) -> str:
    """`0.012 [0.008, 0.017]`."""
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    return f"{value:.3f}" if pd.isna(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _is_nothing(value: Any) -> bool:
    return value == "" or bool(pd.isna(value))


def _paper(row: Row) -> str:
    return labels.display_name(row["model"]) + (" (paper)" if row["source"] == "paper" else "")


MODEL = named("Model", "model", labels.display_name, words=True)
MODEL_OR_PAPERS = Column("Model", _paper, words=True)
"""Where the column `source` tells ours from the paper's."""
CATEGORY = aside(plain("Category", "category", words=True))
TASK = named("Task", "task", labels.task_title, words=True)
PROCEDURE = named("Procedure", "procedure", name_of)
TASKS = plain("Tasks", "tasks")
BLOCK = plain("Block", "layer")
QUERIES = with_sizes("n (queries)", "n", "queries")
LISTS = (
    "By word list: the interval with tasks that share one resampled together; with 8 lists it is "
    "still too narrow."
)
SOLVED = (
    "Counts: of the tasks on which ICL gains at least 0.20 over the baseline; in brackets, of all. "
    "Power: the chance that a true difference of 0.20 on one task is found, Holm's first step, "
    "mean over tasks."
)
POWER = number("Power", "power")
IDENTIFIED = flag("Note", "layer_identified", "", NOT_IDENTIFIED)
