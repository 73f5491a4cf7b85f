"""Scores of whole answers, with intervals."""

import pandas as pd

from tvsight.experiments.rows import by_group
from tvsight.statistics.intervals import accuracy, mean_of

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
            "n": len(run),
            "queries": queries.nunique(),
            **accuracy(run["correct"], queries).columns("exact"),
            **mean_of(run, "f1", queries).columns("f1"),
            **accuracy(run["first_word"], queries).columns("first_word"),
            **mean_of(run, SCORES[3], queries).columns(SCORES[3]),
        }

    keys = ("model", "category", "task", "procedure")
    return by_group(rows[rows["split"] == "test"], keys, summary)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.

    Returns:
        One row per model and procedure: `model`, `procedure`, `tasks` (their number) and each of
        `SCORES` with `_low` and `_high`.
    """

    def summary(run: pd.DataFrame) -> dict[str, float]:
        columns: dict[str, float] = {"tasks": len(run)}
        for name in SCORES:
            columns |= mean_of(run, name).columns(name)
        return columns

    return by_group(table, ("model", "procedure"), summary)
