"""tests."""

import numpy as np
from numpy.typing import ArrayLike


def better_than(first: ArrayLike, second: ArrayLike) -> float:
    """One-sided p-value that paired answers `first` are right more often than `second`.

    The exact sign test on the pairs that differ (McNemar's).
    """
    from scipy.stats import binomtest

    one, other = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue)
