"""Rank correlation of two square matrices whose rows and columns are the same objects.

Entries that share an object are not independent: 18 tasks have 306 ordered pairs, but 18 is their
number. So objects, not pairs, are permuted (Mantel's test) and resampled.
"""

from itertools import permutations
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvsight.statistics.geometry import Floats
from tvsight.statistics.intervals import CONFIDENCE, Estimate, times_drawn
from tvsight.statistics.tests import FLIPS, SEED

LEAST_OBJECTS = 3
"""The fewest objects whose matrices are correlated."""
PARTS = 20
"""Parts of the bootstrap that are computed one after the other, to save memory."""
ROUNDING = 1e-9


class Correlation(NamedTuple):
    """Spearman's rank correlation of the entries off the diagonals of two matrices."""

    estimate: Estimate
    """With its 95 % interval, from resampling objects. `n` is the number of entries, `distinct`
    that of objects. NaN where one matrix has the same value everywhere, or objects are few."""
    p_value: float
    """Two-sided, by permuting the objects of one matrix."""


def rank_correlation(first: Floats, second: Floats, by_row: bool = False) -> Correlation:
    """Correlate the ranks of two matrices, `[n, n]`; their diagonals do not count.

    Args:
        by_row: rank the entries of each row among themselves, and take the mean of the rows'
            correlations: what makes a whole row high is left out then. Rows in which all entries
            of a matrix are equal have no correlation and do not count.
    """
    n = len(first)
    if n < LEAST_OBJECTS:
        return Correlation(Estimate(np.nan, np.nan, np.nan, n * (n - 1), n), np.nan)
    (value,) = _weighted(first, second, np.ones((1, n)), by_row)
    if not np.isfinite(value):
        return Correlation(Estimate(np.nan, np.nan, np.nan, n * (n - 1), n), np.nan)
    parts = np.array_split(times_drawn(n), PARTS)
    resampled = np.concatenate([_weighted(first, second, part, by_row) for part in parts])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    estimate = Estimate(float(value), float(low), float(high), n * (n - 1), n)
    return Correlation(estimate, _permuted(first, second, by_row))


def _weighted(first: Floats, second: Floats, drawn: Floats, by_row: bool) -> Floats:
    """The correlation in each of several samples, `[samples]`; NaN where there is none.

    Args:
        drawn: how often each object is in each sample, `[samples, n]`. An entry of a pair counts
            as often as both are; a copy of an object forms no pair with itself.
    """
    n = len(first)
    if not by_row:
        off = ~np.eye(n, dtype=bool)
        return _spearman(first[off], second[off], (drawn[:, :, None] * drawn[:, None, :])[:, off])
    others = [np.arange(n) != row for row in range(n)]
    rows = [
        _spearman(first[row, kept], second[row, kept], drawn[:, kept])
        for row, kept in enumerate(others)
    ]
    found = np.stack(rows, axis=1)
    counts = np.where(np.isfinite(found), drawn, 0.0)
    with np.errstate(invalid="ignore"):
        means: Floats = (np.nan_to_num(found) * counts).sum(axis=1) / counts.sum(axis=1)
    return means


def _spearman(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Spearman's correlation of two lists, `[m]`, in which each place counts several times.

    The rank of a value, less the mean rank, is half the sum of the signs of its differences to all
    others; so weights turn ranks into a matrix product.

    Args:
        weights: `[samples, m]`.
    """
    one, other = (weights @ np.sign(values - values[:, None]) for values in (first, second))
    covariance = (weights * one * other).sum(axis=1)
    variances = (weights * one**2).sum(axis=1) * (weights * other**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlations: Floats = covariance / np.sqrt(variances)
    return correlations


def _permuted(first: Floats, second: Floats, by_row: bool) -> float:
    """The share of permutations of objects with as large a correlation, of either sign."""
    n = len(first)
    one, other = (_standard_ranks(of, by_row) for of in (first, second))
    observed = abs((one * other).sum())
    count = 0
    orders = _orders(n)
    for order in orders:
        count += abs((one[np.ix_(order, order)] * other).sum()) >= observed - ROUNDING
    return float(count / len(orders))


def _orders(n: int) -> NDArray[np.int64]:
    """All permutations of `n` objects, or the identity and `FLIPS` drawn ones, `[orders, n]`."""
    if factorial(n) <= FLIPS:
        return np.array(list(permutations(range(n))))
    drawn = np.random.default_rng(SEED).permuted(np.tile(np.arange(n), (FLIPS, 1)), axis=1)
    return np.vstack([np.arange(n), drawn])


def _standard_ranks(matrix: Floats, by_row: bool) -> Floats:
    """Ranks off the diagonal with mean 0 and length 1, of the whole or of each row; else 0."""
    from scipy.stats import rankdata

    n = len(matrix)
    off = ~np.eye(n, dtype=bool)
    entries = matrix[off].reshape((n, n - 1) if by_row else (1, -1))
    ranks = rankdata(entries, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1, keepdims=True)
    standard = np.zeros((n, n))
    standard[off] = (ranks / np.where(lengths, lengths, 1)).ravel()
    return standard
