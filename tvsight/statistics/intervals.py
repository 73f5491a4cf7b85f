"""Accuracies and means over tasks with 95 % intervals, and the recovered share of ICL."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
FEW = 64
"""Clusters whose bootstrap samples are kept for each number of them."""
CONFIDENCE = 0.95
EQUAL = 0.05
"""Two means that differ by less are called equal."""
ROUNDING = 1e-9
"""By which a resampled mean may differ from machine to machine."""
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
    equal_p: float = np.nan
    """P-value of the equivalence test of a difference, two one-sided tests: the share of
    bootstrap samples at or beyond `EQUAL`, on the side that has more."""

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
    sums, counts = _by_cluster(hits[:, None], queries)
    n, distinct, mean = hits.size, len(counts), float(hits.mean())
    if distinct == n or np.ptp(sums[:, 0] / counts) == 0:
        low, high = wilson(mean * distinct, distinct)
    else:
        low, high = _quantiles(_resampled_means(sums, counts)[:, 0])
    return Estimate(mean, low, high, n, distinct)


def difference(first: ArrayLike, second: ArrayLike, queries: ArrayLike) -> Estimate:
    """The accuracy of `first` minus that of `second`, on the same episodes.

    The interval is a bootstrap over queries. If both differ alike on all queries, resampling shows
    nothing. The ends are then as far away as Wilson's upper end for 0 of so many queries.

    Args:
        first, second: whether each answer is right, paired, `[episodes]`.
        queries: the query of each episode, `[episodes]`.
    """
    leads = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    if leads.size == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, 0)
    sums, counts = _by_cluster(leads[:, None], queries)
    mean = float(leads.mean())
    if np.ptp(sums[:, 0] / counts) == 0:
        _, margin = wilson(0, len(counts))
        low, high = max(-1.0, mean - margin), min(1.0, mean + margin)
    else:
        low, high = _quantiles(_resampled_means(sums, counts)[:, 0])
    return Estimate(mean, low, high, leads.size, len(counts))


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and at 1 the share is an end of the interval; rounding must not move that end past it.
    low, high = min(share, centre - half), max(share, centre + half)
    return float(max(0.0, low)), float(min(1.0, high))


def mean_over_tasks(
    table: pd.DataFrame,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    groups: ArrayLike | None = None,
) -> Estimate:
    """A statistic of means over tasks, with a bootstrap interval over tasks.

    Args:
        table: one row per task.
        statistic: maps column means `[..., columns]` to values `[...]`, such as their ratio.
        groups: the group of each row; rows of one group are resampled together.
    """
    values = table.to_numpy(dtype=float)
    n = len(values)
    if not n:
        return Estimate(np.nan, np.nan, np.nan, 0, 0)
    sums, counts = _by_cluster(values, np.arange(n) if groups is None else groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = statistic(_resampled_means(sums, counts))
        value = float(statistic(values.mean(axis=0)))
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, n, len(counts))
    if len(counts) == 1 or not np.isfinite(resampled).all():
        return Estimate(value, np.nan, np.nan, n, len(counts))
    low, high = _quantiles(resampled)
    least = EQUAL - ROUNDING
    equal_p = max((resampled <= -least).mean(), (resampled >= least).mean())
    return Estimate(value, low, high, n, len(counts), float(equal_p))


def mean_of(table: pd.DataFrame, column: str, groups: ArrayLike | None = None) -> Estimate:
    """The mean of a column with one row per task, with a bootstrap interval over tasks."""
    return mean_over_tasks(table[[column]], lambda means: means[..., 0], groups)


def mean_difference(
    table: pd.DataFrame, first: str, second: str, groups: ArrayLike | None = None
) -> Estimate:
    """The mean of `first` minus `second`, tasks paired, with a bootstrap interval over tasks."""
    both = table[[first, second]]
    return mean_over_tasks(both, lambda means: means[..., 0] - means[..., 1], groups)


def share_of_icl(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Task-vector accuracy over ICL accuracy, from `[..., (baseline, icl, task_vector)]`."""
    return means[..., 2] / means[..., 1]


def recovered_gap(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of ICL's gain over the baseline that the vector recovers, from means as in
    `share_of_icl`."""
    return (means[..., 2] - means[..., 0]) / (means[..., 1] - means[..., 0])


def _by_cluster(
    values: NDArray[np.float64], clusters: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sums `[clusters, columns]` and sizes `[clusters]` of the rows with the same cluster."""
    numbers, distinct = pd.factorize(np.asarray(clusters, dtype=object), sort=True)
    sums = np.zeros((len(distinct), values.shape[1]))
    np.add.at(sums, numbers, values)
    return sums, np.bincount(numbers)


def _resampled_means(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means of bootstrap samples of clusters, `[RESAMPLES, columns]`."""
    drawn = times_drawn(len(counts))
    alike = (counts == counts[0]).all()  # as where no query repeats: each sample has as many rows
    return drawn @ sums / (counts.sum() if alike else (drawn @ counts)[:, None])


def times_drawn(n: int) -> NDArray[np.float64]:
    """How often each of `n` clusters is in each bootstrap sample, `[RESAMPLES, n]`."""
    return _few(n) if n <= FEW else _many(n)


def _times_drawn(n: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES, n))
    cells = drawn + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(cells.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(float)


# Tasks differ in the number of their queries: 4 MB for 50, and 80 MB for 1,000.
_few, _many = lru_cache(maxsize=FEW)(_times_drawn), lru_cache(maxsize=2)(_times_drawn)


def _quantiles(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
