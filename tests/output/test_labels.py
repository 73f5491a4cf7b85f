import math

import pandas as pd
import pytest

from tvsight.output.labels import (
    MAX_EXAMPLE,
    block,
    counted,
    example,
    interval,
    number,
    sizes,
    small,
    spread,
    task_title,
)
from tvsight.tasks import Pair

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("en_fr", "en → fr"),
        ("present_simple_past_simple", "present → past"),
        ("country_capital", "country → capital"),
        ("list_first", "first of list"),
        ("en_es→en_fr", "en → es / en → fr"),
        ("mine", "mine"),
        ("mine→en_fr", "mine / en → fr"),
        ("m" * 40, "m" * 27 + "…"),
        ("two\nlines", "two lines"),
    ],
)
def test_tasks_have_titles_and_own_ones_their_name(name: str, title: str) -> None:
    assert task_title(name) == title


def test_a_block_is_named_with_its_range() -> None:
    assert block(11, 18) == "block 11 of 0–17"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.625, "0.62"), (-0.004, "0.00"), (-0.006, "-0.01"), (-0.0, "0.00"), (1, "1.00"), (NAN, "–")],
)
def test_numbers_have_two_places_and_zero_no_sign(value: float, text: str) -> None:
    assert number(value) == text


def test_intervals_have_no_negative_zero_and_one_dash() -> None:
    values = pd.Series({"a": 0.004, "a_low": -0.001, "a_high": 0.02, "b": NAN, "c": 0.5})
    values = pd.concat([values, pd.Series(NAN, ["b_low", "b_high", "c_low", "c_high"])])
    assert interval(values, "a") == "0.00 [0.00, 0.02]"
    assert interval(values, "b") == "–"
    assert interval(values, "c") == "0.50"


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (0.01517, 0.009693, "0.0152 ± 0.0097"),
        (0.07, 0.0232, "0.070 ± 0.023"),
        (12.34, 1.26, "12.3 ± 1.3"),
        (1234.5, 78.4, "1,234 ± 78"),
        (99.96, 7.8, "100.0 ± 7.8"),
        (0.5, NAN, "0.500"),
        (2345.6, NAN, "2,346"),
        (0.0, 0.0, "0.00"),
        (NAN, NAN, "–"),
    ],
)
def test_a_deviation_decides_how_many_places_count(
    mean: float, deviation: float, text: str
) -> None:
    assert spread(mean, deviation) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.32, "0.3"),
        (0.02, "0.02"),
        (2.4e-5, "2e-5"),
        (1e-9, "1e-9"),
        (1e-10, "<1e-9"),
        (0, "<1e-9"),
    ],
)
def test_probabilities_have_one_digit(value: float, text: str) -> None:
    assert small(value) == text


def test_counts_have_separators() -> None:
    assert counted(1, "task") == "1 task"
    assert counted(12345, "pair") == "12,345 pairs"
    assert sizes(pd.Series([50, 50])) == "50"
    assert sizes(pd.Series([13, 1300])) == "13 to 1,300"
    assert not math.isnan(float(number(0.5)))


def test_an_example_is_one_short_line() -> None:
    assert example(Pair("France", ("Paris", "Lyon"))) == "France → Paris"
    long = example(Pair("A piece\nof news. " * 300, ("x" * 4000,)))
    assert long.startswith("A piece of news. A piece of news. A pie… → x")
    assert [len(part) for part in long.split(" → ")] == [MAX_EXAMPLE, MAX_EXAMPLE]
    assert long.count("…") == 2
    assert "\n" not in long
