import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tests.helpers.control_rows import CATEGORIES, eighteen_tasks, three_tasks
from tests.helpers.vector_examples import eighteen, vector_set
from tvsight.experiments.controls.distance_numbers import (
    ALL,
    MOST_NEAR,
    PARTS,
    WITHIN,
    by_distance,
    correlations,
    pairs,
    remarkable,
)
from tvsight.experiments.controls.numbers import transfer


@pytest.fixture(scope="module")
def three() -> pd.DataFrame:
    return pairs(transfer(*three_tasks()), [vector_set(CATEGORIES)])


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    return pairs(transfer(*eighteen_tasks()), [eighteen()])


def test_each_pair_has_its_distance_and_the_accuracy_with_the_others_vector(
    three: pd.DataFrame,
) -> None:
    given = vector_set(CATEGORIES)
    means = {task: given.vectors[given.tasks == task].mean(axis=0) for task in CATEGORIES}
    answered = {("one", "two"): 0.5, ("two", "one"): 0.6, ("two", "three"): 0.1}
    assert len(three) == 6
    for _, row in three.iterrows():
        task, source = row["task"], row["source"]
        assert row["distance"] == pytest.approx(np.linalg.norm(means[task] - means[source]))
        assert row["accuracy"] == pytest.approx(answered.get((task, source), 0))
        assert (row["category"], row["source_category"]) == (CATEGORIES[task], CATEGORIES[source])
        assert (row["layer"], row["n"]) == (3, 20)


def test_a_task_without_controls_is_asked_nothing_and_correlated_with_none() -> None:
    central, rows = three_tasks()
    table = pairs(transfer(central, rows[rows["task"] != "three"]), [vector_set(CATEGORIES)])
    assert set(table["task"]) == {"one", "two"}
    assert set(table["source"]) == set(CATEGORIES)
    found = correlations(table)
    assert found["tasks"].tolist() == [2, 2]
    assert found[["correlation", "correlation_p"]].isna().all(axis=None)
    assert not found["significant"].any()


def test_correlations_are_over_all_pairs_and_within_each_asked_task(many: pd.DataFrame) -> None:
    found = correlations(many).set_index("ranked")
    assert found["pairs"].tolist() == [306, 306]
    whole = spearmanr(many["distance"], many["accuracy"]).statistic
    assert found.loc[ALL, "correlation"] == pytest.approx(whole)
    within = [spearmanr(g["distance"], g["accuracy"]).statistic for _, g in many.groupby("task")]
    assert found.loc[WITHIN, "correlation"] == pytest.approx(np.mean(within))
    assert found.loc[ALL, "correlation_low"] < whole < found.loc[ALL, "correlation_high"]
    assert found["significant"].tolist() == (found["correlation_p"] < 0.05).tolist()


def test_means_are_over_parts_of_equal_size_by_distance(many: pd.DataFrame) -> None:
    table = by_distance(many)
    assert table["pairs"].tolist() == [62, 61, 61, 61, 61]
    ordered = many.sort_values("distance")
    assert table["distance"].iloc[0] == pytest.approx(ordered["distance"].iloc[:62].mean())
    assert table["accuracy"].iloc[-1] == pytest.approx(ordered["accuracy"].iloc[-61:].mean())
    assert table["distance"].is_monotonic_increasing
    few = by_distance(many.head(3))
    assert few["pairs"].tolist() == [1, 1, 1]
    assert len(few) < PARTS


def test_the_nearest_pairs_and_the_most_accurate_are_remarkable(many: pd.DataFrame) -> None:
    found = remarkable(many)
    near, accurate = many["distance"].nsmallest(2 * MOST_NEAR), many["accuracy"].nlargest(4)
    assert found.head(2 * MOST_NEAR).index.tolist() == near.index.tolist()
    assert {*found.index} == {*near.index, *accurate.index}
