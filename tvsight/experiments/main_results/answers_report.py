"""Table of the scores of whole answers."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import answers_numbers
from tvsight.output.labels import display_name, interval
from tvsight.output.procedures import title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn

TABLE = Wording(
    "Scores of whole answers",
    "A row is a procedure, averaged over tasks. Exact: the share of answers that equal an accepted "
    "one without case, punctuation and articles. F1: over words, with the accepted answer that "
    "suits best. First word: the share whose first word is right. Log-probability: natural "
    "logarithm, of the whole usual answer, each token after the right ones before it. [ ]: 95 % "
    "bootstrap interval over tasks. The CSV file has every task.",
)
EXACT = "Accuracy is the share of exact answers, generated whole."
"""Ends the notes and captions of what is drawn of whole answers."""
COLUMNS = {
    "Exact": "exact",
    "F1": "f1",
    "First word": "first_word",
    "Log-probability": "answer_log_probability",
}


def place(rows: pd.DataFrame, drawn: "Drawn") -> "Drawn":
    """The place of tables and figures: their own where rows are of whole answers."""
    return drawn.of("answers", EXACT) if are_whole(rows) else drawn


def accuracy(rows: pd.DataFrame) -> str:
    """The name of accuracies at the axes of figures."""
    return "accuracy (exact answers)" if are_whole(rows) else "accuracy"


def draw(rows: pd.DataFrame, display: "Display", drawn: "Drawn") -> None:
    """Write and show the table of scores of whole answers."""
    table = answers_numbers.by_task(rows)
    means = answers_numbers.over_tasks(table)
    cells = _cells(means)
    display.table(cells, TABLE.title)
    drawn.table(table, [cells], "scores", names=["Model"], wording=TABLE)
    drawn.numbers(means, "scores_means")


def are_whole(rows: pd.DataFrame) -> bool:
    """Whether rows are of whole answers. The paper's numbers are not."""
    return "f1" in rows


def _cells(means: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Model": display_name(mean["model"]),
            "Procedure": title(mean["procedure"]),
            "Tasks": str(mean["tasks"]),
            **{heading: interval(mean, name) for heading, name in COLUMNS.items()},
        }
        for _, mean in means.iterrows()
    )
