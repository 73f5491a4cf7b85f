"""Scores beyond accuracy, on test and after every block, with intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tvsight.output.procedures import CENTRAL
from tvsight.statistics.intervals import recovered_gap
from tvsight.statistics.summaries import Ratio, averaged, beside, by_group, right, sizes
from tvsight.storage.schemas import SCORE_TYPES

TOP = (1, 2, 3)
"""Ranks up to which answers are counted."""
KEYS = ["model", "category", "task", "procedure"]
OF_ANSWERS = ("exact", "f1", "first_word", "answer_log_probability")
"""Scores of whole answers."""
RECOVERED = ("answer_gap", "icl_divergence")
"""Scores of which the share of the way from the baseline to ICL is taken."""


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
        row: dict[str, float] = dict(sizes(run))
        for most in TOP:
            row |= right(run.assign(top=run["rank"] <= most), f"top_{most}", "top")
        return row | _means(run, ("log_probability", *MEASURED), run["query"])

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
    names = (*(f"top_{most}" for most in TOP), "log_probability", *MEASURED)
    ends = {f"{end}_{name}": (end, name) for end in ("baseline", "icl") for name in RECOVERED}
    shares = {
        f"{name}_recovered": Ratio(recovered_gap, (f"baseline_{name}", f"icl_{name}", name))
        for name in RECOVERED
    }

    def summary(run: pd.DataFrame) -> dict[str, float]:
        return {"tasks": len(run), **_means(run, names), **averaged(run, shares)}

    return by_group(beside(table, ends), ["model", "procedure"], summary, order=["model"])


def by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores on dev: one row per model, task, procedure and block.

    Args:
        rows: from `scored`.

    Returns:
        `KEYS`, `layer` (none for the baseline), `n` (episodes), and the mean of each of `MEASURED`;
        of the rank the geometric one.
    """
    return _plain_means(rows[rows["split"] == "dev"], [*KEYS, "layer"], "n")


def layers_over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks on dev: one row per model, procedure and block.

    Args:
        table: from `by_layer`.

    Returns:
        `model`, `procedure`, `layer`, `tasks` and each of `MEASURED`.
    """
    return _plain_means(table, ["model", "procedure", "layer"], "tasks")


def answer_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores of whole answers on test: one row per model, task and procedure.

    Returns:
        `model`, `category`, `task`, `procedure`, `n` (episodes), `queries`, and each of
        `OF_ANSWERS` with `_low` and `_high`: shares of exact answers and of right first words, mean
        F1, and the mean natural logarithm of the whole usual answer's probability. Intervals of
        means are bootstraps over queries.
    """

    def summary(run: pd.DataFrame) -> dict[str, float]:
        return {
            **sizes(run),
            **right(run, "exact"),
            **averaged(run, ["f1"], run["query"]),
            **right(run, "first_word", "first_word"),
            **averaged(run, ["answer_log_probability"], run["query"]),
        }

    return by_group(rows[rows["split"] == "test"], KEYS, summary)


def procedures(table: pd.DataFrame) -> list[str]:
    """The procedures in a table, those of the central comparison first."""
    found = [str(name) for name in table["procedure"].unique()]
    return sorted(found, key=lambda name: CENTRAL.index(name) if name in CENTRAL else len(CENTRAL))


def best(means: pd.DataFrame, score: Score) -> pd.Series:
    """The row with the best mean of a score; of several, the first."""
    values = means[score.column]
    return means.iloc[int(values.argmin() if score.less_is_better else values.argmax())]


def _means(
    table: pd.DataFrame, names: Sequence[str], groups: pd.Series | None = None
) -> dict[str, float]:
    """The means of columns with their intervals; of the rank the geometric one."""
    known = table.assign(rank=np.log(table["rank"].astype(float)))
    means = averaged(known, names, groups)
    return {n: float(np.exp(of)) if n.startswith("rank") else of for n, of in means.items()}


def _plain_means(table: pd.DataFrame, keys: list[str], count: str) -> pd.DataFrame:
    """The means of each of `MEASURED` over groups, and the numbers of rows; of the rank the
    geometric one."""
    known = table.assign(rank=np.log(table["rank"].astype(float)))
    groups = known.groupby(keys, sort=False, observed=True, dropna=False)
    means = groups[list(MEASURED)].mean().assign(**{count: groups.size()}).reset_index()
    return means.assign(rank=np.exp(means["rank"]))
