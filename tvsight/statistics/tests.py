"""Paired tests."""

import numpy as np
from numpy.typing import ArrayLike


def better_than(first: ArrayLike, second: ArrayLike) -> float:
    """One-sided p-value that `first` is right more often than `second`.

    This is the exact sign test on the pairs that differ (McNemar's test).

    Args:
        first, second: whether each answer is right, paired, `[pairs]`.
    """
    from scipy.stats import binomtest

    one = np.asarray(first, dtype=bool)
    other = np.asarray(second, dtype=bool)
    gained = int((one & ~other).sum())
    lost = int((other & ~one).sum())
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue)
