"""Paired tests that permute whole queries, and Holm's correction for several tests.

Episodes with the same query are not independent, so a permutation swaps two procedures for all
episodes of a query at once. It changes the sign of the query's difference.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

SIGNIFICANCE = 0.05
"""Level of every test that is counted or marked."""
FLIPS = 9_999
"""Permutations that are drawn where there are too many to go through."""
MOST_ENUMERATED = 12
"""Queries of which all permutations of signs are gone through."""
SEED = 0
"""Seed of the drawn permutations. It is fixed so that a redrawn table is identical."""


def better_than(first: ArrayLike, second: ArrayLike, queries: ArrayLike) -> float:
    """One-sided p-value that `first` is right more often than `second`.

    This is the exact permutation test on the difference of the two counts. Where no query repeats,
    it is the exact sign test on the pairs that differ (McNemar's test).

    Args:
        first, second: whether each answer is right, paired, `[episodes]`.
        queries: the query of each episode, `[episodes]`.
    """
    leads = _leads(np.asarray(first)[:, None], second, queries)[:, 0]
    # The number of sign patterns for each sum, built up query by query: no pattern is left out.
    most = int(np.abs(leads).sum())
    chances = np.zeros(2 * most + 1)
    chances[most] = 1.0
    for lead in np.abs(leads[leads != 0]):
        halves, chances = chances / 2, np.zeros_like(chances)
        chances[lead:] += halves[:-lead]
        chances[:-lead] += halves[lead:]
    return float(min(1.0, chances[most + int(leads.sum()) :].sum()))


def best_better_than(swept: ArrayLike, baseline: ArrayLike, queries: ArrayLike) -> float:
    """One-sided p-value that the best block is right more often than the baseline.

    Each permutation is scored by its own best block, so the choice among blocks is allowed for (the
    max-statistic of Westfall and Young). Signs change for all blocks of a query together. As all
    blocks share one baseline, the level is approximate: in simulations without an effect 5 % or
    less where blocks answer alike, up to 9 % where they are independent and hardly ever right.

    Args:
        swept: whether each answer after each block is right, `[episodes, blocks]`.
        baseline: whether each answer without a patch is right, `[episodes]`.
        queries: the query of each episode, `[episodes]`.
    """
    leads = _leads(swept, baseline, queries)
    leads = leads[leads.any(axis=1)].astype(np.float32)
    return _best_p(leads.shape, leads.tobytes())


@lru_cache(maxsize=4096)
def _best_p(shape: tuple[int, ...], lead: bytes) -> float:
    """The p-value of leads `[queries, blocks]`, as bytes. Several views are of the same rows."""
    leads = np.frombuffer(lead, dtype=np.float32).reshape(shape)
    count = len(leads)
    if count <= MOST_ENUMERATED:
        signs = (np.arange(2**count)[:, None] >> np.arange(count) & 1) * 2 - 1
    else:
        drawn = np.random.default_rng(SEED).integers(0, 2, size=(FLIPS, count)) * 2 - 1
        signs = np.vstack([np.ones((1, count), dtype=int), drawn])
    best = (signs.astype(np.float32) @ leads).max(axis=1)
    return float((best >= leads.sum(axis=0).max()).mean())


@cache
def power(queries: int, tests: int, difference: float = 0.20, lost: float = 0.05) -> float:
    """The chance that `better_than` finds a true difference at Holm's first step, on queries that
    are each asked once.

    Args:
        queries, tests: their numbers.
        difference: by how much `first` is right more often.
        lost: the share of queries on which `second` alone is right.
    """
    apart = difference + 2 * lost
    found = 0.0
    for differ, chance in enumerate(_binomial(queries, apart)):
        p_values = _binomial(differ, 0.5)[::-1].cumsum()[::-1]
        wins = _binomial(differ, (difference + lost) / apart)
        found += chance * wins[p_values < SIGNIFICANCE / tests].sum()
    return float(found)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values adjusted for their number by Holm's method. NaN is no test, and stays."""
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values)
    factors = np.isfinite(values).sum() - np.arange(len(values))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values[order] * factors))
    return adjusted


def with_holm(
    table: pd.DataFrame, names: Sequence[str], within: Sequence[str] = ("model",)
) -> pd.DataFrame:
    """A table with `<name>_holm` for each column of p-values, adjusted among the rows that agree in
    the columns `within`."""
    groups = table.groupby(list(within), sort=False, observed=True)
    return table.assign(**{f"{name}_holm": groups[name].transform(holm) for name in names})


def _binomial(n: int, share: float) -> NDArray[np.float64]:
    """The chance of every number of successes, `[n + 1]`."""
    k = np.arange(n + 1)
    logs = np.log(np.maximum(k, 1)).cumsum()  # of factorials
    return np.exp(logs[n] - logs - logs[::-1] + k * np.log(share) + (n - k) * np.log1p(-share))


def _leads(first: ArrayLike, second: ArrayLike, queries: ArrayLike) -> NDArray[np.int64]:
    """By how many episodes of each query the columns of `first` lead, `[queries, columns]`."""
    differences = np.asarray(first, dtype=np.int64) - np.asarray(second, dtype=np.int64)[:, None]
    numbers, distinct = pd.factorize(np.asarray(queries, dtype=object))
    leads = np.zeros((len(distinct), differences.shape[1]), dtype=np.int64)
    np.add.at(leads, numbers, differences)
    return leads
