import math
from itertools import product
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from tvsight.statistics import tests
from tvsight.statistics.tests import best_better_than, better_than, holm, power

ANSWERS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 7)), min_size=1, max_size=40
)


def test_six_wins_of_two_queries_are_two_wins() -> None:
    first, second = [True] * 6 + [False] * 4, [False] * 10
    assert better_than(first, second, list("yyyyggabcd")) == 0.25
    assert better_than(first, second, range(10)) == 2**-6


def test_a_query_weighs_as_much_as_its_episodes() -> None:
    # Differences 3, 1, -1: of the eight sums 5, 3, 3, 1, -1, -3, -3, -5 three are at least 3.
    first, second = [1, 1, 1, 1, 0], [0, 0, 0, 0, 1]
    assert better_than(first, second, list("aaabc")) == 3 / 8
    assert better_than(second, first, list("aaabc")) == 7 / 8


@given(ANSWERS)
def test_without_repetition_it_is_the_sign_test(answers: list[tuple[bool, bool, int]]) -> None:
    gained = sum(first and not second for first, second, _ in answers)
    lost = sum(second and not first for first, second, _ in answers)
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(gained, n + 1)) / 2**n
    first, second, _ = zip(*answers, strict=True)
    found = better_than(first, second, range(len(answers)))
    assert found == pytest.approx(tail)
    if gained > lost:
        two_sided = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
        assert found == pytest.approx(two_sided / 2)


@given(ANSWERS)
def test_every_pattern_of_signs_counts_once(answers: list[tuple[bool, bool, int]]) -> None:
    first, second, queries = map(np.array, zip(*answers, strict=True))
    differences = first.astype(int) - second
    leads = [differences[queries == query].sum() for query in set(queries.tolist())]
    sums = [np.dot(signs, leads) for signs in product((1, -1), repeat=len(leads))]
    expected = np.mean(np.array(sums) >= sum(leads))
    assert better_than(first, second, queries) == pytest.approx(expected)
    one_block = best_better_than(first[:, None], second, queries)
    assert one_block == pytest.approx(expected)


def test_answers_that_never_differ_are_not_better() -> None:
    assert better_than([True, False], [True, False], ["a", "b"]) == 1.0
    assert best_better_than([[True], [False]], [True, False], ["a", "b"]) == 1.0


def test_the_best_block_is_compared_with_the_best_of_each_permutation() -> None:
    # Block 0 wins on a and b, block 1 on c. The maxima of the four sign patterns of (a, b) are 2,
    # 0, 0, -2 for block 0 and those of c are 1, -1: two of eight reach 2.
    swept = [[1, 0], [1, 0], [0, 1]]
    assert best_better_than(swept, [0, 0, 0], list("abc")) == 2 / 8
    # Both blocks win on the same queries: more blocks cost nothing then.
    assert best_better_than([[1, 1]] * 5, [0] * 5, list("abcde")) == 2**-5


def test_drawn_permutations_come_near_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    swept, baseline = rng.random((12, 6)) < 0.6, rng.random(12) < 0.3
    exact = best_better_than(swept, baseline, range(12))
    monkeypatch.setattr(tests, "MOST_ENUMERATED", 0)
    assert best_better_than(swept, baseline, range(12)) == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("chance", [0.05, 0.3, 0.7])
def test_a_best_block_without_effect_is_rarely_significant(
    chance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where neighbouring blocks answer alike: half of the blocks repeat the one before."""
    monkeypatch.setattr(tests, "FLIPS", 499)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        answers = rng.random((26, 19)) < chance
        answers[:, 2::2] = answers[:, 1:-1:2]
        found.append(best_better_than(answers[:, 1:], answers[:, 0], np.arange(26) % 13) < 0.05)
    assert np.mean(found) <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 400)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    with patch("gc.collect"):  # statsmodels calls it, and it looks through all that tests imported
        expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected)


def test_what_was_not_tested_is_no_test() -> None:
    assert holm([0.02, np.nan, 0.01]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)


def test_power_is_the_chance_that_the_test_finds_a_difference() -> None:
    # Of five queries all must be gained, 1/32 each way, and each is with 0.20 + 0.05.
    assert power(5, tests=1) == pytest.approx(0.25**5)
    assert power(5, tests=2) == 0
    assert power(50, tests=18) == pytest.approx(0.34, abs=0.005)
    assert power(50, tests=18, difference=0.30) == pytest.approx(0.74, abs=0.005)
