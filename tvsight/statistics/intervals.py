"""Accuracies and means over tasks with 95 % intervals, and the recovered share of ICL."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 0
"""Seed of the bootstrap. It is fixed so that a redrawn table is identical."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Number of observations."""
    distinct: int
    """Number of independent clusters among them: queries, or tasks."""

    def columns(self, name: str) -> dict[str, float]:
        """The value and the ends of its interval, as columns of a table."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def accuracy(correct: ArrayLike, queries: ArrayLike) -> Estimate:
    """The share of correct answers.

    The interval is Wilson's where every query occurs once. Where queries repeat, episodes are not
    independent, and the interval is a bootstrap over queries. If all queries have the same
    accuracy, resampling shows nothing, and the interval is Wilson's with the number of queries as
    the number of observations.

    Args:
        correct: booleans, `[episodes]`.
        queries: the query of each episode, `[episodes]`.
    """
    hits = np.asarray(correct, dtype=float)
    if hits.size == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, 0)
    by_query = pd.Series(hits).groupby(np.asarray(queries, dtype=object)).agg(["sum", "count"])
    n, distinct, mean = hits.size, len(by_query), float(hits.mean())
    shares = by_query["sum"] / by_query["count"]
    if distinct == n or shares.nunique() == 1:
        low, high = wilson(mean * distinct, distinct)
    else:
        sums, counts = by_query["sum"].to_numpy(), by_query["count"].to_numpy()
        drawn = _resampled(distinct)
        low, high = _quantiles(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return Estimate(mean, low, high, n, distinct)


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion."""
    from scipy.stats import norm

    z = norm.ppf(0.5 + CONFIDENCE / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and at 1 the share is an end of the interval; rounding must not move that end past it.
    low, high = min(share, centre - half), max(share, centre + half)
    return float(max(0.0, low)), float(min(1.0, high))


def mean_over_tasks(
    table: pd.DataFrame, statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Estimate:
    """A statistic of means over tasks, with a bootstrap interval over tasks.

    Args:
        table: one row per task.
        statistic: maps column means `[..., columns]` to values `[...]`, such as their ratio.
    """
    values = table.to_numpy(dtype=float)
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan, 0, 0)
    means = values[_resampled(len(values))].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = statistic(means)
        value = float(statistic(values.mean(axis=0)))
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, len(values), len(values))
    if len(values) == 1 or not np.isfinite(resampled).all():
        return Estimate(value, np.nan, np.nan, len(values), len(values))
    low, high = _quantiles(resampled)
    return Estimate(value, low, high, len(values), len(values))


def mean_of(table: pd.DataFrame, column: str) -> Estimate:
    """The mean of a column with one row per task, with a bootstrap interval over tasks."""
    return mean_over_tasks(table[[column]], lambda means: means[..., 0])


def mean_difference(table: pd.DataFrame, first: str, second: str) -> Estimate:
    """The mean of `first` minus `second`, tasks paired, with a bootstrap interval over tasks."""
    return mean_over_tasks(table[[first, second]], lambda means: means[..., 0] - means[..., 1])


def share_of_icl(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Task-vector accuracy over ICL accuracy, from `[..., (baseline, icl, task_vector)]`."""
    return means[..., 2] / means[..., 1]


def recovered_gap(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of ICL's gain over the baseline that the vector recovers, from means as in
    `share_of_icl`."""
    return (means[..., 2] - means[..., 0]) / (means[..., 1] - means[..., 0])


def _resampled(n: int) -> NDArray[np.int64]:
    """Row numbers of bootstrap samples, `[RESAMPLES, n]`."""
    return np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES, n))


def _quantiles(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
