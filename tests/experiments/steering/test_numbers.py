import pandas as pd
import pytest

from tests.helpers.steering_rows import (
    ADDED,
    BASELINE,
    CONTROL,
    ICL,
    LAYER,
    OVER,
    SENTENCES,
    SHOWN,
    TEXTS,
    N,
    central_rows,
    steering_rows,
)
from tvsight.experiments.steering import CONTROLS, METHODS, VECTOR
from tvsight.experiments.steering.numbers import (
    _held_out,
    by_task,
    in_text,
    over_tasks,
    ranges,
    task_line,
)

ROWS = pd.concat([steering_rows("one"), steering_rows("two", 1)], ignore_index=True)
CENTRAL = pd.concat([central_rows("one"), central_rows("two", 1)], ignore_index=True)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return by_task(CENTRAL, ROWS)


@pytest.fixture(scope="module")
def means(table: pd.DataFrame) -> pd.DataFrame:
    return over_tasks(table)


def only(found: pd.DataFrame, **values: object) -> pd.Series:
    for name, value in values.items():
        found = found[found[name] == value]
    (place,) = found.index
    row = found.loc[place]
    assert isinstance(row, pd.Series)
    return row


def test_a_condition_is_compared_with_no_vector_in_its_context(table: pd.DataFrame) -> None:
    conditions = 1 + len(METHODS) * (1 + len(ADDED)) * 2 + 1 + len(CONTROLS) * 3 * len(ADDED)
    assert len(table) == 2 * conditions
    added = {"task": "one", "context": "zero_shot", "method": "task_vector", "alpha": 0.5}
    row = only(table, procedure=VECTOR, **added)
    assert row["accuracy"] == ADDED[0.5] / N
    assert row["gain"] == (ADDED[0.5] - BASELINE) / N
    assert row["gain_low"] < row["gain"] < row["gain_high"]
    assert row["gain_p"] == 0.5 ** (ADDED[0.5] - BASELINE)
    assert (row["baseline"], row["icl"]) == (BASELINE / N, ICL / N)
    assert (row["n"], row["queries"], row["layer"]) == (N, N, LAYER)
    control = only(table, procedure="negated", **added)
    assert control["accuracy"] == CONTROL / N
    plain = only(table, procedure="baseline", task="two", context="natural")
    assert (plain["accuracy"], plain["gain"]) == ((BASELINE - 1) / N, 0)


def test_means_are_over_tasks_and_factors_help_most_near_the_best(means: pd.DataFrame) -> None:
    vector = {"context": "zero_shot", "procedure": VECTOR, "method": "task_vector"}
    row = only(means, **vector, alpha=0.5)
    assert row["accuracy"] == pytest.approx((ADDED[0.5] - 0.5) / N)
    assert row["gain"] == pytest.approx((ADDED[0.5] - BASELINE) / N)
    gap = (ADDED[0.5] - BASELINE) / (ICL - BASELINE)
    assert row["recovered_gap"] == pytest.approx(gap)
    assert (row["tasks"], row["gain_tasks"]) == (2, 2)
    assert (row["answer_gap"], row["icl_divergence"]) == (ADDED[0.5] / 2, 2.75)
    assert row["answer_gap_low"] == row["answer_gap_high"] == ADDED[0.5] / 2
    helping = means.loc[means["helps"], ["context", "method", "alpha"]]
    expected = [("zero_shot", method, alpha) for method in METHODS for alpha in (0.5, 1.0, 2.0)]
    expected.remove(("zero_shot", "function_vector", 0.5))  # 0.79 of its best
    assert list(helping.itertuples(index=False, name=None)) == expected
    assert pd.isna(only(means, context="natural", procedure="baseline")["recovered_gap"])


def test_ranges_name_the_best_factor_and_those_that_help_most(
    means: pd.DataFrame, table: pd.DataFrame
) -> None:
    found = ranges(means, table)
    assert list(found["context"]) == [name for name in SHOWN for _ in METHODS]
    row = only(found, context="zero_shot", method="averaged_vector")
    assert (row["best_alpha"], row["helping"]) == (1.0, 3)
    assert (row["least_alpha"], row["most_alpha"]) == (0.5, 2.0)
    assert row["best"] == pytest.approx((ADDED[1.0] - 2.5) / N)
    assert row["overwrite"] == pytest.approx((OVER - 2.5) / N)
    assert row["baseline"] == pytest.approx((BASELINE - 0.5) / N)
    assert row["overwrite_low"] < row["overwrite"] < row["overwrite_high"]
    nowhere = only(found, context="natural", method="task_vector")
    assert (nowhere["helping"], nowhere["best_alpha"]) == (0, 0.25)
    assert pd.isna(nowhere["least_alpha"])


def test_a_factor_that_is_held_out_is_chosen_on_the_other_tasks() -> None:
    accuracies = {"a": [0.0, 0.9], "b": [0.5, 0.4], "c": [0.6, 0.2]}  # of two factors
    added = pd.DataFrame(
        [
            {"task": task, "category": "c", "alpha": alpha, "accuracy": accuracy}
            for task, of in accuracies.items()
            for alpha, accuracy in zip((1.0, 2.0), of, strict=True)
        ]
    )
    # Of a: 1.1 against 0.6 on the others, so 0.0; of b 0.6 against 1.1 and of c 0.5 against 1.3.
    assert _held_out(added)["held_out"] == pytest.approx((0.0 + 0.4 + 0.2) / 3)


def test_what_text_says_is_the_mean_of_the_episodes_that_have_it() -> None:
    found = in_text(ROWS)
    assert len(found) == 1 + len(METHODS) * (1 + len(ADDED))
    row = only(found, method="task_vector", alpha=4.0)
    assert row["repeated_once"] == pytest.approx(0.1 * sum(range(TEXTS)) / TEXTS)
    assert (row["repeated_every"], row["tasks"]) == (0.5, 2)
    shifts = [4.0] * TEXTS + [8.0] * (SENTENCES - TEXTS)
    assert row["divergence"] == pytest.approx(sum(shifts) / SENTENCES)
    assert (row["exact_once"], row["exact_every"], row["exact_gain"]) == (0.75, 0.25, -0.5)
    assert row["exact_gain_low"] == row["exact_gain_high"] == -0.5  # the same of both tasks
    plain = only(found, procedure="baseline")
    assert plain["repeated_every"] == pytest.approx(0.05)
    assert pd.isna(plain["divergence"])


def test_the_line_has_each_vector_written_over_and_added() -> None:
    line = task_line(steering_rows("one"))
    assert line == (
        "baseline 0.10  task vector 0.65, added 0.70  averaged vector 0.55, added 0.60  "
        "function vector 0.45, added 0.50"
    )
