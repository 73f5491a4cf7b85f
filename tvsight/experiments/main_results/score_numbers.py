"""Scores beyond accuracy, on test and after every block, with intervals."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tvsight.experiments.rows import by_group
from tvsight.output.procedures import CENTRAL
from tvsight.statistics.intervals import accuracy, mean_of, mean_over_tasks, recovered_gap
from tvsight.storage.schemas import SCORE_TYPES

TOP = (1, 2, 3)
"""Ranks up to which answers are counted."""
KEYS = ["model", "category", "task", "procedure"]


class Score(NamedTuple):
    """One score of an answer."""

    column: str
    """In rows and tables; a table has its mean."""
    title: str
    less_is_better: bool
    is_ratio: bool = False
    """Whether means are geometric, and axes logarithmic."""


SCORES = {
    "gap": Score("answer_gap", "Log-probability gap (nats)", less_is_better=False),
    "kl": Score("icl_divergence", "KL to ICL (nats)", less_is_better=True),
    "rank": Score("rank", "Rank of the answer", less_is_better=True, is_ratio=True),
}
"""By the name that `--score` takes."""
MEASURED = tuple(score.column for score in SCORES.values())


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have scores; results of schema version 1 have none."""
    return rows[rows["rank"].notna()] if set(SCORE_TYPES) <= set(rows) else rows[:0]


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores on test: one row per model, task and procedure.

    Args:
        rows: from `scored`.

    Returns:
        `KEYS`, `n` (episodes), `queries`; `top_1` to `top_3`, the share of episodes whose usual
        answer has at most this rank; `rank`, its geometric mean; and the means of
        `log_probability`, `answer_gap` and `icl_divergence`, in nats. Each with `_low` and `_high`.
    """

    def summary(run: pd.DataFrame) -> dict[str, float]:
        queries = run["query"]
        columns: dict[str, float] = {"n": len(run), "queries": queries.nunique()}
        for most in TOP:
            columns |= accuracy(run["rank"] <= most, queries).columns(f"top_{most}")
        for column in ("log_probability", *MEASURED):
            columns |= _mean(run, column, queries)
        return columns

    return by_group(rows[rows["split"] == "test"], KEYS, summary)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.

    Returns:
        One row per model and procedure: `model`, `procedure`, `tasks` (their number) and the scores
        of `by_task`; and of the gap and of the divergence `<score>_recovered`, the share of the way
        from the baseline to ICL, of means. Each with `_low` and `_high`.
    """
    found = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        for name, run in of_model.groupby("procedure", sort=False, observed=True):
            row = {"model": model, "procedure": name, "tasks": len(run)}
            for column in (*(f"top_{most}" for most in TOP), "log_probability", *MEASURED):
                row |= _mean(run, column)
            for column in ("answer_gap", "icl_divergence"):
                wide = of_model.pivot(index="task", columns="procedure", values=column)
                ends = wide.loc[run["task"], ["baseline", "icl", name]]
                row |= mean_over_tasks(ends, recovered_gap).columns(f"{column}_recovered")
            found.append(row)
    return pd.DataFrame(found)


def by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores on dev: one row per model, task, procedure and block.

    Args:
        rows: from `scored`.

    Returns:
        `KEYS`, `layer` (none for the baseline), `n` (episodes), and the mean of each of `MEASURED`;
        of the rank the geometric one.
    """
    dev = rows[rows["split"] == "dev"].assign(rank=lambda dev: np.log(dev["rank"].astype(float)))
    grouped = dev.groupby([*KEYS, "layer"], sort=False, observed=True, dropna=False)
    means = grouped[list(MEASURED)].mean().assign(n=grouped.size()).reset_index()
    return means.assign(rank=np.exp(means["rank"]))


def layers_over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks on dev: one row per model, procedure and block.

    Args:
        table: from `by_layer`.

    Returns:
        `model`, `procedure`, `layer`, `tasks` and each of `MEASURED`.
    """
    keys = ["model", "procedure", "layer"]
    logarithms = table.assign(rank=np.log(table["rank"]))
    grouped = logarithms.groupby(keys, sort=False, observed=True, dropna=False)
    means = grouped[list(MEASURED)].mean().assign(tasks=grouped.size()).reset_index()
    return means.assign(rank=np.exp(means["rank"]))


def procedures(table: pd.DataFrame) -> list[str]:
    """The procedures in a table, those of the central comparison first."""
    found = [str(name) for name in table["procedure"].unique()]
    return sorted(found, key=lambda name: CENTRAL.index(name) if name in CENTRAL else len(CENTRAL))


def best(means: pd.DataFrame, score: Score) -> pd.Series:
    """The row with the best mean of a score; of several, the first."""
    values = means[score.column]
    return means.iloc[int(values.argmin() if score.less_is_better else values.argmax())]


def _mean(table: pd.DataFrame, column: str, groups: pd.Series | None = None) -> dict[str, float]:
    """The mean of a column with its interval; of the rank the geometric one."""
    if column != "rank":
        return mean_of(table, column, groups).columns(column)
    logarithms = pd.DataFrame({column: np.log(table[column].astype(float))})
    found = mean_of(logarithms, column, groups).columns(column)
    return {name: float(np.exp(value)) for name, value in found.items()}
