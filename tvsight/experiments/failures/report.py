"""Table and figures of wrong answers, a view of the central comparison."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.failures import figures, numbers
from tvsight.experiments.main_results.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, task_title
from tvsight.output.procedures import title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.config import RunConfig
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Task", "Confused with", "Most frequent wrong answers"]
"""Columns with words from elsewhere."""
TABLE = Wording(
    "Wrong answers on test episodes",
    "A row is a task and a procedure. Of wrong answers, by the first kind that fits: the query "
    "itself or its beginning; the answer of another packaged task to the same query, the most "
    "frequent such task named; the task's answer to another query; anything else. Predictions are "
    "single tokens, so a long word shows its beginning.",
)


def draw(outcome: "Outcome", options: "RunConfig", display: "Display", drawn: Drawn) -> None:
    """Write table and figures, and show the table."""
    rows = outcome.table
    table, counts = numbers.by_task(rows), numbers.confusion(rows)
    cells = _cells(table)
    display.table(cells, TABLE.title, ["Most frequent wrong answers"])
    drawn.table(table, [cells, *outcome.note_cells], names=NAMES, wording=TABLE)
    if len(counts):
        drawn.numbers(counts, "confusion")
    for model in table["model"].unique():
        drawn.figure(figures.by_kind(table, model), model)
        if len(counts) and (counts["model"] == model).any():
            drawn.figure(figures.confusion(counts, model), "confusion", model)


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """The kinds as texts.

    Args:
        table: from `numbers.by_task`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Task": task_title(row["task"]),
            "Procedure": title(row["procedure"]),
            "Wrong": f"{row['wrong']} of {row['n']}",
            **{figures.KIND_NAMES[kind]: str(row[kind]) for kind in numbers.KINDS},
            "Confused with": task_title(row["confused_with"]) if row["confused_with"] else "",
            "Most frequent wrong answers": row["examples"],
        }
        for _, row in table.iterrows()
    )
