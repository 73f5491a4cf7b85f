"""Table of the scores of whole answers."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import answers_numbers
from tvsight.output import columns as c
from tvsight.output.page import Page, Table

if TYPE_CHECKING:
    from tvsight.output.drawn import Drawn

TABLE = Table(
    "Scores of whole answers",
    "A row is a procedure, averaged over tasks. Exact: the share of answers that equal an accepted "
    "one without case, punctuation and articles. F1: over words, with the accepted answer that "
    "suits best. First word: the share whose first word is right. Log-probability: natural "
    "logarithm, of the whole usual answer, each token after the right ones before it. [ ]: 95 % "
    "bootstrap interval over tasks. The CSV file has every task.",
    (
        *(c.MODEL, c.PROCEDURE, c.TASKS, c.estimate("Exact", "exact"), c.estimate("F1", "f1")),
        c.estimate("First word", "first_word"),
        c.estimate("Log-probability", "answer_log_probability"),
    ),
    part="scores",
)
EXACT = "Accuracy is the share of exact answers, generated whole."
"""Ends the notes and captions of what is drawn of whole answers."""


def place(rows: pd.DataFrame, drawn: "Drawn") -> "Drawn":
    """The place of tables and figures: their own where rows are of whole answers."""
    return drawn.of("answers", EXACT) if are_whole(rows) else drawn


def accuracy(rows: pd.DataFrame) -> str:
    """The name of accuracies at the axes of figures."""
    return "accuracy (exact answers)" if are_whole(rows) else "accuracy"


def draw(rows: pd.DataFrame, page: Page) -> None:
    """Write and show the table of scores of whole answers."""
    table = answers_numbers.by_task(rows)
    means = answers_numbers.over_tasks(table)
    page.table(TABLE, table, means)
    page.numbers(means, "scores_means")


def are_whole(rows: pd.DataFrame) -> bool:
    """Whether rows are of whole answers. The paper's numbers are not."""
    return "f1" in rows
