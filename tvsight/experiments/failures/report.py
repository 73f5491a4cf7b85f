"""Table and figures of wrong answers, a view of the central comparison."""

from tvsight.config import RunConfig
from tvsight.experiments.failures import figures, numbers
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import task_title
from tvsight.output.page import Page, Table
from tvsight.protocol.central import collect
from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

BRIEF_KINDS = ("query", "in_set", "other")
TABLE = Table(
    "Wrong answers on test episodes",
    "A row is a task and a procedure. Of wrong answers, by the first kind that fits: the query "
    "itself or its beginning; the answer of a translation of the same query into another language "
    "that is packaged; that of another packaged task to the same query, the most frequent such "
    "task named; the task's answer to another query; anything else. Predictions are "
    "single tokens, so a long word shows its beginning.",
    (
        *(c.MODEL, c.TASK, c.PROCEDURE, c.of("Wrong", "wrong", "n")),
        *(c.plain(figures.KIND_NAMES[kind], kind) for kind in numbers.KINDS),
        c.named("Confused with", "confused_with", task_title, words=True),
        c.plain("Most frequent wrong answers", "examples", words=True),
    ),
    brief=("Task", "Procedure", "Wrong", *map(figures.KIND_NAMES.__getitem__, BRIEF_KINDS)),
    secondary=("Most frequent wrong answers",),
)


def draw(outcome: Outcome, options: RunConfig, display: Display, drawn: Drawn) -> None:
    """Write table and figures, and show the table."""
    page, rows = Page(display, drawn), outcome.table
    table, counts = numbers.by_task(rows), numbers.confusion(rows)
    page.table(TABLE, table, notes=outcome.note_cells)
    if len(counts):
        page.numbers(counts, "confusion")
    for model in table["model"].unique():
        page.figure(figures.by_kind(table, model), model)
