"""Scores of whole answers, with intervals."""

import pandas as pd

from tvsight.statistics import summaries
from tvsight.statistics.summaries import TASK, averaged, by_group, right, sizes

SCORES = ("exact", "f1", "first_word", "answer_log_probability")


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores on test: one row per model, task and procedure.

    Args:
        rows: of whole answers.

    Returns:
        `model`, `category`, `task`, `procedure`, `n` (episodes), `queries`, and each of `SCORES`
        with `_low` and `_high`: shares of exact answers and of right first words, mean F1, and the
        mean natural logarithm of the whole usual answer's probability. Intervals of means are
        bootstraps over queries.
    """

    def summary(run: pd.DataFrame) -> dict[str, float]:
        queries = run["query"]
        return {
            **sizes(run),
            **right(run, "exact"),
            **averaged(run, ["f1"], queries),
            **right(run, "first_word", "first_word"),
            **averaged(run, [SCORES[3]], queries),
        }

    return by_group(rows[rows["split"] == "test"], [*TASK, "procedure"], summary)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.

    Returns:
        One row per model and procedure: `model`, `procedure`, `tasks` (their number) and each of
        `SCORES` with `_low` and `_high`.
    """
    return summaries.over_tasks(table, ["procedure"], SCORES)
