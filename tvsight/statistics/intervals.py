"""Accuracies with honest intervals, and what is recovered of in-context learning."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 0
"""Seed of the bootstrap, so that a redrawn table is the same table."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Number of observations."""
    distinct: int
    """Number of different units among them that were resampled or counted as independent."""


def accuracy(correct: ArrayLike, queries: ArrayLike) -> Estimate:
    """Share of correct answers.

    Where every query is asked once the interval is Wilson's. Where queries repeat, episodes are
    not independent and queries are resampled instead; if they all agree (nothing to resample),
    the interval is Wilson's for as many observations as there are queries.

    Args:
        correct: booleans, `[episodes]`.
        queries: what was asked, `[episodes]`.
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
    # At 0 and at 1 the interval ends where the share lies, which rounding must not move.
    low, high = min(share, centre - half), max(share, centre + half)
    return float(max(0.0, low)), float(min(1.0, high))


def mean_over_tasks(
    table: pd.DataFrame, statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Estimate:
    """A statistic of per-task values, with a bootstrap interval over tasks.

    Args:
        table: one row per task.
        statistic: from column means `[..., columns]` to values `[...]`, such as their ratio.
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


def share_of_icl(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Task-vector accuracy over ICL accuracy, from `[..., (baseline, icl, task_vector)]`."""
    return means[..., 2] / means[..., 1]


def recovered_gap(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of ICL's gain over the baseline that the vector recovers, from the same means."""
    return (means[..., 2] - means[..., 0]) / (means[..., 1] - means[..., 0])


def _resampled(n: int) -> NDArray[np.int64]:
    """Row numbers of bootstrap samples, `[RESAMPLES, n]`."""
    return np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES, n))


def _quantiles(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
