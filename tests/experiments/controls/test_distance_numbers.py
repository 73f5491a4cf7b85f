import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tests.helpers.control_rows import CATEGORIES, eighteen_tasks, three_tasks
from tests.helpers.vector_examples import eighteen, vector_set
from tvsight.experiments.controls.distance_numbers import (
    ALL,
    MOST_ACCURATE,
    MOST_NEAR,
    PARTS,
    WITHIN,
    by_distance,
    correlations,
    pairs,
    remarkable,
)
from tvsight.experiments.controls.numbers import transfer
from tvsight.statistics.matrices import rank_correlation


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


def test_rows_of_the_matrices_are_asked_tasks(many: pd.DataFrame) -> None:
    names = list(dict.fromkeys(many["task"]))
    apart, answered = (
        many.pivot(index="task", columns="source", values=name).loc[names, names].to_numpy()
        for name in ("distance", "accuracy")
    )
    found = correlations(many).set_index("ranked")
    for ranked in (ALL, WITHIN):
        expected = rank_correlation(apart, answered, by_row=ranked == WITHIN)
        assert found.loc[ranked, "correlation_p"] == expected.p_value
        assert found.loc[ranked, "significant"] == (expected.p_value < 0.05)


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
    both = [tuple(row) for row in found[["task", "source"]].to_numpy()]
    near = found.head(2 * MOST_NEAR)
    assert near["distance"].max() == many["distance"].nsmallest(2 * MOST_NEAR).max()
    for task, source in near[["task", "source"]].to_numpy():
        assert (source, task) in both
    least = many["accuracy"].nlargest(MOST_ACCURATE).min()
    assert (found["accuracy"] >= least).sum() >= MOST_ACCURATE
    assert len(both) == len(set(both)) <= 2 * MOST_NEAR + MOST_ACCURATE
