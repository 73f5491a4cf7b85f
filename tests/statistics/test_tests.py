import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from tvsight.statistics.tests import better_than


def test_better_than_counts_the_pairs_that_differ() -> None:
    first, second = [1, 1, 1, 1, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 1, 1, 0, 1]
    assert better_than(first, second) == pytest.approx((6 + 1) / 2**6)
    assert better_than(second, first) == pytest.approx(1 - 1 / 2**6)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_better_than_is_the_binomial_test_of_the_pairs_that_differ(
    answers: list[tuple[bool, bool]],
) -> None:
    gained = sum(first and not second for first, second in answers)
    lost = sum(second and not first for first, second in answers)
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(gained, n + 1)) / 2**n
    found = better_than(*zip(*answers, strict=True))
    assert found == pytest.approx(tail)
    if gained > lost:
        two_sided = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
        assert found == pytest.approx(two_sided / 2)


def test_answers_that_never_differ_are_not_better() -> None:
    assert better_than([True, False, True], [True, False, True]) == 1.0
