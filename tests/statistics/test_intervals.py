import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from tvsight.statistics.intervals import (
    Estimate,
    accuracy,
    difference,
    mean_of,
    mean_over_tasks,
    recovered_gap,
    share_of_icl,
    wilson,
)

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
BOOTSTRAP_TOLERANCE = 0.015
"""Between two bootstraps of the same data with different random numbers."""
COLUMNS = ["baseline", "icl", "task_vector"]
ONCE_EACH = range(40)
ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(st.integers(1, 500), st.data())
def test_wilson_is_that_of_statsmodels_and_scipy(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    found = wilson(successes, n)
    assert found == pytest.approx(proportion_confint(successes, n, method="wilson"), abs=1e-12)
    assert found == pytest.approx(
        tuple(stats.binomtest(successes, n).proportion_ci(method="wilson")), abs=1e-12
    )


@pytest.mark.parametrize("share", [0, 1])
def test_no_rounding_puts_a_share_outside_its_interval(share: int) -> None:
    for n in range(1, 500):
        low, high = wilson(share * n, n)
        assert 0 <= low <= share <= high <= 1, n


def test_accuracy_of_queries_asked_once_has_the_interval_of_wilson() -> None:
    found = accuracy([True] * 31 + [False] * 9, ONCE_EACH)
    low, high = proportion_confint(31, 40, method="wilson")
    assert (found.value, found.n, found.distinct) == (31 / 40, 40, 40)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_repeated_queries_give_a_wider_interval_than_independent_ones() -> None:
    correct = np.repeat([True, False] * 5, 4)
    repeated, independent = accuracy(correct, np.repeat(range(10), 4)), accuracy(correct, ONCE_EACH)
    assert repeated.value == independent.value == 0.5
    assert (repeated.n, repeated.distinct) == (40, 10)
    assert width(repeated) > 1.8 * width(independent)


def test_repeated_queries_are_resampled_whole() -> None:
    correct = [True, True, True, False, True, False, False, True, False, False, True, True]
    queries = ["a", "a", "a", "a", "b", "b", "c", "d", "d", "e", "f", "g"]
    found = accuracy(correct, queries)
    asked = pd.Series(correct).groupby(queries)
    assert_same_interval(found, bootstrap((asked.sum(), asked.size()), ratio_of_sums))
    assert (found.value, found.n, found.distinct) == (7 / 12, 12, 7)


def test_an_interval_is_the_same_whenever_and_in_whatever_order_it_is_computed() -> None:
    rng = np.random.default_rng(1)
    order, correct, queries = rng.permutation(400), rng.random(400) < 0.3, rng.integers(0, 90, 400)
    first = accuracy(correct, queries)
    np.random.seed(5)
    assert accuracy(correct, queries) == first
    assert accuracy(correct[order], queries[order]) == first


@pytest.mark.parametrize("right", [True, False])
def test_few_queries_that_all_agree_are_as_uncertain_as_that_many_observations(right: bool) -> None:
    found = accuracy([right] * 50, [index % 3 for index in range(50)])
    low, high = proportion_confint(3 * right, 3, method="wilson")
    assert found.value == right
    assert (found.low, found.high) == pytest.approx((low, high))
    assert width(found) > 0.5


@pytest.mark.parametrize("queries", [1, 5])
def test_queries_that_are_all_right_half_of_the_time_are_uncertain_too(queries: int) -> None:
    found = accuracy([True, False] * 10, np.arange(20) // 2 % queries)
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx(
        proportion_confint(queries / 2, queries, method="wilson")
    )


@given(ANSWERS, st.integers(1, 10))
def test_an_accuracy_lies_in_its_interval_and_that_between_0_and_1(
    answers: list[tuple[bool, bool]], queries: int
) -> None:
    found = accuracy([first for first, _ in answers], [i % queries for i in range(len(answers))])
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_no_answers_have_no_accuracy() -> None:
    found = accuracy([], [])
    assert (found.n, found.distinct) == (0, 0)
    assert all(math.isnan(number) for number in (found.value, found.low, found.high))


@pytest.mark.parametrize(
    ("statistic", "value"), [(share_of_icl, 0.6 / 0.8), (recovered_gap, 0.5 / 0.7)]
)
def test_tasks_that_agree_leave_no_uncertainty(statistic: Statistic, value: float) -> None:
    found = mean_over_tasks(per_task([0.1, 0.8, 0.6], [0.1, 0.8, 0.6]), statistic)
    assert (found.value, found.low, found.high) == pytest.approx((value, value, value))


def test_a_share_is_the_ratio_of_means_not_the_mean_of_ratios() -> None:
    found = mean_over_tasks(per_task([0.0, 0.2, 0.1], [0.0, 0.8, 0.8]), share_of_icl)
    assert found.value == pytest.approx(0.9)
    assert (found.low, found.high) == pytest.approx((0.5, 1.0))
    assert (found.n, found.distinct) == (2, 2)


def test_the_recovered_gap_is_counted_from_the_baseline() -> None:
    means = np.array([[0.2, 0.6, 0.5], [0.2, 0.6, 0.1]])
    assert recovered_gap(means) == pytest.approx([0.75, -0.25])
    assert share_of_icl(means) == pytest.approx([5 / 6, 1 / 6])


@pytest.mark.parametrize("statistic", [share_of_icl, recovered_gap])
def test_tasks_are_resampled_with_all_their_columns(statistic: Statistic) -> None:
    rng = np.random.default_rng(3)
    icl = rng.uniform(0.5, 1, size=18)
    values = np.stack([0.2 * icl, icl, icl * rng.uniform(0.6, 1, size=18)], axis=1)
    found = mean_over_tasks(pd.DataFrame(values, columns=COLUMNS), statistic)

    def of_tasks(*columns: NDArray[np.float64]) -> float:
        return float(statistic(np.array([column.mean() for column in columns])))

    assert_same_interval(found, bootstrap(values.T, of_tasks))


def test_one_task_has_a_value_but_no_interval() -> None:
    found = mean_over_tasks(per_task([0.1, 0.8, 0.6]), share_of_icl)
    assert found.value == pytest.approx(0.75)
    assert (math.isnan(found.low), math.isnan(found.high), found.n) == (True, True, 1)


def test_a_share_of_nothing_has_no_interval() -> None:
    found = mean_over_tasks(per_task([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]), share_of_icl)
    assert math.isnan(found.value)
    partly = mean_over_tasks(per_task([0.0, 0.0, 0.0], [0.0, 0.8, 0.4]), share_of_icl)
    assert partly.value == pytest.approx(0.5)
    assert math.isnan(partly.low)


def test_no_tasks_have_no_mean() -> None:
    found = mean_over_tasks(pd.DataFrame(columns=COLUMNS), share_of_icl)
    assert math.isnan(found.value)
    assert found.n == 0


def per_task(*rows: list[float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def ratio_of_sums(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    return float(sums.sum() / counts.sum())


def bootstrap(data: Sequence[ArrayLike], statistic: Callable[..., float]) -> tuple[float, float]:
    """SciPy's percentile interval of a statistic of paired samples."""
    found = stats.bootstrap(
        [np.asarray(column) for column in data],
        statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=4000,
        random_state=np.random.default_rng(11),
    )
    return found.confidence_interval


def assert_same_interval(found: Estimate, expected: tuple[float, float]) -> None:
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=BOOTSTRAP_TOLERANCE)


def test_a_difference_is_resampled_by_query() -> None:
    # Two queries of two episodes: one leads by both of them, the other by none. Of the samples a
    # quarter has 0 and a quarter 1, so the ends are these.
    found = difference([1, 1, 1, 0], [0, 0, 1, 0], ["a", "a", "b", "b"])
    assert (found.value, found.low, found.high, found.n, found.distinct) == (0.5, 0, 1, 4, 2)


def test_a_paired_difference_is_surer_than_two_accuracies() -> None:
    first, second = [True] * 30 + [False] * 20, [True] * 25 + [False] * 25
    found = difference(first, second, range(50))
    assert (found.value, found.low > 0) == (pytest.approx(0.1), True)
    assert accuracy(second, range(50)).high > accuracy(first, range(50)).low


def test_a_difference_that_is_the_same_everywhere_has_an_interval_all_the_same() -> None:
    _, margin = wilson(0, 10)
    same = difference([True] * 10, [True] * 10, range(10))
    assert (same.low, same.high) == (-margin, margin)
    most = difference([True] * 10, [False] * 10, range(10))
    assert (most.value, most.low, most.high) == (1, 1 - margin, 1)
    assert np.isnan(difference([], [], []).value)


def test_rows_of_a_group_are_resampled_together() -> None:
    table = pd.DataFrame({"a": [0.0, 0.0, 1.0]})
    apart, together = mean_of(table, "a"), mean_of(table, "a", ["x", "x", "y"])
    assert apart.value == together.value == pytest.approx(1 / 3)
    assert (apart.distinct, together.distinct) == (3, 2)
    assert (together.low, together.high) == (0, 1)
    assert np.isnan(mean_of(table, "a", ["x"] * 3).low)
