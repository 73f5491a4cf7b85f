from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.helpers.vector_examples import FOUR, ONE, eighteen, vector_set
from tvsight.experiments.vector_clusters.numbers import (
    CATEGORY,
    LEFT_OUT,
    TASK,
    WAYS,
    between_tasks,
    by_task,
    embedding,
    groupings,
    not_computed,
    tree,
)
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet
from tvsight.statistics.geometry import distances, embedded, silhouettes
from tvsight.statistics.intervals import wilson


def row(
    given: VectorSet, grouping: str, measure: str = "euclidean", vectors: str = AS_THEY_ARE
) -> pd.Series:
    table = groupings(given)
    (found,) = [
        found
        for _, found in table.iterrows()
        if tuple(found[["grouping", "measure", "vectors"]]) == (grouping, measure, vectors)
    ]
    return found


def test_tight_clusters_are_found_whatever_they_are_grouped_by() -> None:
    given = vector_set(FOUR, n=10, spread=0.01)
    table = groupings(given)
    assert table["accuracy"].tolist() == [1] * 9
    assert row(given, TASK)["silhouette"] > 0.9
    assert row(given, TASK)["groups"] == 4
    assert row(given, TASK)["chance"] == pytest.approx(0.25, abs=0.02)
    assert row(given, CATEGORY)["chance"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
def test_a_silhouette_is_the_mean_over_vectors(measure: str) -> None:
    given = vector_set(FOUR, n=6, spread=1)
    for grouping, labels in ((TASK, given.tasks), (CATEGORY, given.categories)):
        found = silhouettes(distances(given.vectors, measure), labels)
        assert row(given, grouping, measure)["silhouette"] == pytest.approx(found.mean())


def test_a_category_may_be_no_more_than_its_tasks() -> None:
    """Tasks far from each other, in categories that were drawn by lot."""
    given = vector_set(FOUR, n=10, spread=0.01)
    swapped = {"one": "a", "two": "b", "three": "a", "four": "b"}
    mixed = replace(given, categories=np.array([swapped[task] for task in given.tasks]))
    assert row(mixed, CATEGORY, "cosine")["silhouette"] < 0.1
    assert row(mixed, LEFT_OUT)["accuracy"] < 0.5
    assert row(given, LEFT_OUT)["accuracy"] == 1


def test_intervals_count_queries_and_tasks_not_vectors() -> None:
    given = vector_set(FOUR, n=12, spread=0.01, queries=3)
    by_query, by_left_out_task = row(given, TASK), row(given, LEFT_OUT)
    assert (by_query["asked"], by_query["units"]) == (48, 12)
    assert by_query["accuracy_low"] == pytest.approx(wilson(12, 12)[0])
    assert (by_left_out_task["asked"], by_left_out_task["units"]) == (48, 4)
    assert by_left_out_task["accuracy_low"] == pytest.approx(wilson(4, 4)[0])


def test_a_task_alone_in_its_category_is_not_asked_for_without_itself() -> None:
    given = vector_set({**FOUR, "alone": "translation"}, n=5)
    assert row(given, LEFT_OUT)["asked"] == 20
    for way in WAYS:
        table = by_task(given).set_index("task")[f"category_left_out_{way}"]
        assert table.isna().to_dict() == {**dict.fromkeys(FOUR, False), "alone": True}


def test_each_task_has_its_own_numbers() -> None:
    given = vector_set(FOUR, n=10, spread=0.01)
    # A fifth task that lies where another one does: its vectors cannot be told from those.
    twin = given.tasks == "one"
    rng = np.random.default_rng(0)
    given = replace(
        given,
        vectors=np.concatenate([given.vectors, given.vectors[twin] + 1e-3 * rng.normal(size=12)]),
        tasks=np.concatenate([given.tasks, np.repeat("twin", 10)]),
        categories=np.concatenate([given.categories, np.repeat("algorithmic", 10)]),
        clusters=np.concatenate([given.clusters, [f"twin\n{number}" for number in range(10)]]),
    )
    table = by_task(given).set_index("task")
    assert table.index.tolist() == [*FOUR, "twin"]
    assert table["n"].tolist() == [10] * 5
    assert table.index[table["silhouette"] < 0.1].tolist() == ["one", "twin"]
    assert set(table.loc[["one", "twin"], "taken_for"]) <= {"one", "twin", ""}
    for task in ("two", "three", "four"):
        assert (table.loc[task, "accuracy"], table.loc[task, "taken_for"]) == (1, "")
    whole = row(given, TASK)
    assert whole["accuracy"] == pytest.approx(table["accuracy"].mean())
    assert whole["silhouette"] == pytest.approx(table["silhouette"].mean())
    assert table["taken_for_share"].sum() == pytest.approx(5 * (1 - whole["accuracy"]))


def test_one_task_has_no_numbers_and_it_is_said_why() -> None:
    given = vector_set(ONE, n=6)
    numbers = groupings(given)
    assert numbers[["silhouette", "accuracy", "accuracy_low", "chance"]].isna().all(axis=None)
    reasons = not_computed(numbers)
    assert reasons[0] == "By task: one task is all there is."
    assert len(reasons) == 3
    assert by_task(given)["accuracy"].isna().all()


def test_few_queries_have_no_cross_validation_and_it_is_said_why() -> None:
    given = vector_set(FOUR, n=4, queries=1)
    numbers = groupings(given)
    assert row(given, TASK)["silhouette"] > 0
    assert pd.isna(row(given, TASK)["accuracy"])
    assert row(given, LEFT_OUT)["asked"] == 16
    assert ["fewer than two" in reason for reason in not_computed(numbers)] == [True, True]


def test_categories_of_one_task_each_cannot_be_asked_for_without_it() -> None:
    given = vector_set({"one": "algorithmic", "two": "knowledge"}, n=4)
    reasons = not_computed(groupings(given))
    assert reasons == ["By category, own task left out: no category has two tasks."]


def test_the_mean_over_tasks_is_subtracted_before_angles_are_taken() -> None:
    given = vector_set(FOUR, n=6, spread=1)
    shared = replace(given, vectors=given.vectors + 1000)
    for name in (TASK, LEFT_OUT):
        before, after = (row(one, name, "cosine", CENTRED) for one in (given, shared))
        assert after["accuracy"] == before["accuracy"]
        assert after["silhouette"] == pytest.approx(before["silhouette"], nan_ok=True)
    kept = silhouettes(distances(shared.vectors), given.tasks)
    assert row(shared, TASK, "cosine")["silhouette"] == pytest.approx(kept.mean())
    assert row(shared, TASK, "cosine", CENTRED)["silhouette"] != pytest.approx(kept.mean())


def test_the_tree_and_the_pairs_hold_the_distances_of_mean_vectors() -> None:
    given = vector_set(FOUR, n=6, spread=1)
    found = tree(given)
    assert found is not None
    means = {task: given.vectors[given.tasks == task].mean(axis=0) for task in FOUR}
    pairs = between_tasks(given).set_index(["task", "other"])["distance"]
    assert len(pairs) == 12
    for (task, other), distance in pairs.items():
        assert distance == pytest.approx(np.linalg.norm(means[task] - means[other]))
        assert found.distances.loc[task, other] == pytest.approx(distance)
    halves = {frozenset(found.distances.index[:2]), frozenset(found.distances.index[2:])}
    assert halves == {frozenset({"one", "two"}), frozenset({"three", "four"})}
    assert tree(vector_set(ONE, n=3)) is None


def test_points_are_those_of_the_vectors_in_order() -> None:
    given = eighteen(3)
    found = embedding(given, perplexity=5)
    places = embedded(given.vectors, 5, seed=0)
    assert found is not None
    assert places is not None
    table = found.points
    assert np.array_equal(table[["x", "y"]].to_numpy(), places)
    assert table["task"].tolist() == given.tasks.tolist()
    assert table["episode"].tolist() == [0, 1, 2] * 18
    assert (found.perplexity, found.bounded) == (5, False)
    few = embedding(vector_set(ONE, n=7), perplexity=5)
    assert few is not None
    assert (few.perplexity, few.bounded) == (2, True)
    assert embedding(vector_set(ONE, n=3), 5) is None
