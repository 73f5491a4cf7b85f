"""Scores of whole answers, with intervals."""

import pandas as pd

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
    keys = ["model", "category", "task", "procedure"]
    found = []
    test = rows[rows["split"] == "test"]
    for names, run in test.groupby(keys, sort=False, observed=True):
        row = dict(zip(keys, names, strict=True))
        queries = run["query"]
        row |= {"n": len(run), "queries": queries.nunique()}
        row |= accuracy(run["correct"], queries).columns("exact")
        row |= mean_of(run, "f1", queries).columns("f1")
        row |= accuracy(run["first_word"], queries).columns("first_word")
        row |= mean_of(run, SCORES[3], queries).columns(SCORES[3])
        found.append(row)
    return pd.DataFrame(found)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.

    Returns:
        One row per model and procedure: `model`, `procedure`, `tasks` (their number) and each of
        `SCORES` with `_low` and `_high`.
    """
    found = []
    for (model, procedure), run in table.groupby(["model", "procedure"], sort=False):
        row = {"model": model, "procedure": procedure, "tasks": len(run)}
        for name in SCORES:
            row |= mean_of(run, name).columns(name)
        found.append(row)
    return pd.DataFrame(found)
