from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tvsight.statistics import matrices
from tvsight.statistics.intervals import times_drawn
from tvsight.statistics.matrices import rank_correlation
from tvsight.statistics.tests import FLIPS

Floats = NDArray[np.float64]


def off(matrix: Floats) -> Floats:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def of_rows(first: Floats, second: Floats) -> list[float]:
    """The correlation within each row, NaN where a row is constant."""
    n = len(first)
    rows = [(np.delete(first[i], i), np.delete(second[i], i)) for i in range(n)]
    return [
        np.nan if np.ptp(a) == 0 or np.ptp(b) == 0 else spearmanr(a, b).statistic for a, b in rows
    ]


def example(n: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Distances of points, and numbers with ties that fall with them; two rows of zeros."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 3))
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    noise = rng.normal(size=(n, n))
    values = np.clip(np.round(3 - apart + noise), 0, None)
    values[:2] = 0
    return apart, values


def test_over_all_pairs_it_is_spearmans_correlation_off_the_diagonal() -> None:
    apart, values = example(8)
    found = rank_correlation(apart, values)
    assert found.estimate.value == pytest.approx(spearmanr(off(apart), off(values)).statistic)
    assert (found.estimate.n, found.estimate.distinct) == (56, 8)
    assert found.estimate.low < found.estimate.value < found.estimate.high


def test_the_diagonal_does_not_count() -> None:
    apart, values = example(6)
    changed = values + np.diag([9.0] * 6)
    assert rank_correlation(apart, changed) == rank_correlation(apart, values)


def test_by_row_it_is_the_mean_over_rows_that_have_a_correlation() -> None:
    apart, values = example(8)
    expected = of_rows(apart, values)
    assert np.isnan(expected).sum() == 2
    found = rank_correlation(apart, values, by_row=True).estimate
    assert found.value == pytest.approx(np.nanmean(expected))


def test_what_makes_a_whole_row_high_counts_over_all_pairs_alone() -> None:
    apart, values = example(7)
    raised = values + 100 * np.arange(7)[:, None]
    same, other = (rank_correlation(apart, raised, by_row).estimate for by_row in (True, False))
    assert same.value == pytest.approx(rank_correlation(apart, values, by_row=True).estimate.value)
    assert other.value != pytest.approx(rank_correlation(apart, values).estimate.value)


@pytest.mark.parametrize("by_row", [False, True])
def test_few_objects_are_permuted_in_all_ways(by_row: bool) -> None:
    apart, values = example(5, seed=2)
    values[:2] = np.random.default_rng(5).normal(size=(2, 5))
    orders = [list(order) for order in permutations(range(5))]

    def statistic(order: list[int]) -> float:
        moved = apart[np.ix_(order, order)]
        if by_row:
            return float(np.mean(of_rows(moved, values)))
        return float(spearmanr(off(moved), off(values)).statistic)

    observed = abs(statistic(list(range(5))))
    expected = np.mean([abs(statistic(order)) >= observed - 1e-9 for order in orders])
    assert rank_correlation(apart, values, by_row).p_value == pytest.approx(expected)


def test_of_many_objects_some_permutations_are_drawn_the_given_order_with_them() -> None:
    apart = example(12)[0]
    assert rank_correlation(apart, -apart).p_value == 1 / (FLIPS + 1)
    assert rank_correlation(apart, -apart).estimate.value == pytest.approx(-1)


@pytest.mark.parametrize("by_row", [False, True])
def test_the_interval_resamples_objects_whose_copies_form_no_pair(
    by_row: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = times_drawn(7)[:60]
    monkeypatch.setattr(matrices, "times_drawn", lambda n: drawn)
    apart, values = example(7)
    expected = []
    for counts in drawn.astype(int):
        members = np.repeat(np.arange(7), counts)
        kept = members[:, None] != members
        pairs = (apart[np.ix_(members, members)], values[np.ix_(members, members)])
        if not by_row:
            expected.append(spearmanr(pairs[0][kept], pairs[1][kept]).statistic)
            continue
        rows = [
            spearmanr(pairs[0][row][of_row], pairs[1][row][of_row]).statistic
            for row, of_row in enumerate(kept)
            if np.ptp(pairs[1][row][of_row]) > 0
        ]
        expected.append(np.mean(rows) if rows else np.nan)
    found = rank_correlation(apart, values, by_row).estimate
    assert [found.low, found.high] == pytest.approx(np.nanquantile(expected, [0.025, 0.975]))


def test_unrelated_matrices_are_seldom_significant_although_pairs_share_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Objects that are far from all, and objects that answer to anything: 5 % of tests on single
    pairs would not hold."""
    monkeypatch.setattr(matrices, "times_drawn", lambda n: times_drawn(n)[:20])
    rng = np.random.default_rng(0)
    by_object, by_pair = 0, 0
    for _ in range(100):
        far, open_ = rng.normal(size=(2, 6))
        apart = np.abs(far[:, None] - far) + 0.1 * rng.normal(size=(6, 6))
        values = open_[:, None] + open_ + 0.3 * rng.normal(size=(6, 6))
        by_object += rank_correlation(apart, values).p_value < 0.05
        by_pair += spearmanr(off(apart), off(values)).pvalue < 0.05
    assert by_object <= 11 < by_pair


@pytest.mark.parametrize("by_row", [False, True])
def test_there_is_no_correlation_of_few_objects_or_of_equal_values(by_row: bool) -> None:
    apart, values = example(5)
    for pair in ((apart[:2, :2], values[:2, :2]), (apart, np.zeros((5, 5)))):
        found = rank_correlation(*pair, by_row=by_row)
        numbers = (found.estimate.value, found.estimate.low, found.estimate.high, found.p_value)
        assert np.isnan(numbers).all()
