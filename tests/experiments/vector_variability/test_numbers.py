from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.helpers.vector_examples import FOUR, ONE, vector_set
from tvsight.experiments.vector_variability import numbers
from tvsight.experiments.vector_variability.numbers import (
    MEAN,
    POOLED,
    densities,
    pairs,
    separations,
    treated,
    variants,
)
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet
from tvsight.statistics.geometry import Metric, distances, overlap, pooled, superiority


@pytest.fixture
def given() -> VectorSet:
    return vector_set(FOUR, n=6, spread=1)


def as_they_are(given: VectorSet, measure: Metric = "cosine") -> pd.DataFrame:
    table = separations(given, measure)
    return table[table["vectors"] == AS_THEY_ARE].set_index("task")


def test_distances_are_those_of_each_task_and_of_all(given: VectorSet) -> None:
    matrix = distances(given.vectors)
    found = {group.task: group for group in pairs(given, matrix)}
    assert list(found) == [*FOUR, POOLED]
    for task in FOUR:
        own = np.flatnonzero(given.tasks == task)
        expected = [matrix[i, j] for i in own for j in own if i < j]
        assert sorted(found[task].near) == pytest.approx(sorted(expected))
        assert len(found[task].far) == 6 * 18
    assert sorted(found[POOLED].near) == pytest.approx(
        sorted(np.concatenate([found[task].near for task in FOUR]))
    )
    assert len(found[POOLED].near) + len(found[POOLED].far) == 24 * 23 / 2


def test_every_row_states_the_statistics_of_its_distances(given: VectorSet) -> None:
    table = as_they_are(given)
    assert table.index.tolist() == [*FOUR, POOLED, MEAN]
    for group in pairs(given, distances(given.vectors)):
        row = table.loc[group.task]
        assert row["within_mean"] == pytest.approx(group.near.mean())
        assert row["between_deviation"] == pytest.approx(group.far.std(ddof=1))
        assert (row["within_pairs"], row["between_pairs"]) == (len(group.near), len(group.far))
        assert row["superiority"] == pytest.approx(superiority(group.near, group.far))
        assert row["overlap"] == pytest.approx(overlap(group.near, group.far))
    tasks = table.loc[list(FOUR)]
    assert (tasks["superiority_low"] <= tasks["superiority"]).all()
    assert (tasks["superiority"] <= tasks["superiority_high"]).all()


def test_the_mean_is_over_tasks_and_has_an_interval(given: VectorSet) -> None:
    table = as_they_are(given)
    tasks = table.loc[list(FOUR)]
    for name in ("superiority", "cohens_d", "overlap"):
        assert table.loc[MEAN, name] == pytest.approx(tasks[name].mean())
        assert tasks[name].min() <= table.loc[MEAN, f"{name}_low"] <= table.loc[MEAN, name]
        assert table.loc[MEAN, name] <= table.loc[MEAN, f"{name}_high"] <= tasks[name].max()


def test_tight_tasks_are_apart_and_one_cloud_is_not() -> None:
    tight = as_they_are(vector_set(FOUR, n=10, spread=0.01))
    assert (tight["superiority"] == 1).all()
    assert (tight["overlap"] < 1e-9).all()
    cloud = vector_set(FOUR, n=30)
    cloud = replace(cloud, vectors=np.random.default_rng(0).normal(size=cloud.vectors.shape))
    mixed = as_they_are(cloud).loc[POOLED]
    assert mixed["superiority"] == pytest.approx(0.5, abs=0.03)
    assert mixed["cohens_d"] == pytest.approx(0, abs=0.1)
    assert mixed["overlap"] > 0.9


def test_one_task_has_distances_within_and_nothing_to_compare_with() -> None:
    table = as_they_are(vector_set(ONE, n=5))
    assert table["within_pairs"].tolist() == [10, 10, 10]
    assert table["within_mean"].notna().all()
    assert table[["between_mean", "superiority", "cohens_d", "overlap"]].isna().all(axis=None)
    kinds = densities(vector_set(ONE, n=5), "cosine").groupby("kind")["pairs"].sum()
    assert kinds.to_dict() == {"between": 0, "within": 20}


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
def test_histograms_hold_every_pair_and_have_an_area_of_one(given: VectorSet, measure: str) -> None:
    table = densities(given, measure)
    table = table[table["vectors"] == AS_THEY_ARE]
    *_, every = pairs(given, distances(given.vectors, measure))
    for kind, sample in (("within", every.near), ("between", every.far)):
        drawn = table[table["kind"] == kind]
        assert drawn["pairs"].sum() == len(sample)
        assert ((drawn["high"] - drawn["low"]) * drawn["density"]).sum() == pytest.approx(1)
        assert drawn["low"].iloc[0] <= sample.min()
        assert sample.max() <= drawn["high"].iloc[-1] + 1e-9


def test_both_treatments_are_measured(given: VectorSet) -> None:
    table = separations(given, "cosine").set_index(["vectors", "task"])
    of_centred = as_they_are(given.centred)
    columns = ["within_mean", "between_mean", "superiority", "overlap"]
    pd.testing.assert_frame_equal(table.loc[CENTRED, columns], of_centred[columns])


def test_centring_takes_the_mean_away_and_leaves_euclidean_distances(given: VectorSet) -> None:
    after = given.centred
    assert after.means.mean(axis=0) == pytest.approx(np.zeros(12))
    assert distances(after.vectors, "euclidean") == pytest.approx(
        distances(given.vectors, "euclidean")
    )
    fewer = replace(given, tasks=np.where(given.tasks == "two", "one", given.tasks))
    assert fewer.centred.means.mean(axis=0) == pytest.approx(np.zeros(12))
    assert treated(given, "cosine").keys() == {AS_THEY_ARE, CENTRED}
    assert treated(given, "euclidean") == {AS_THEY_ARE: given}


def test_a_coordinate_that_decides_is_named_and_taken_away(given: VectorSet) -> None:
    massive = given.vectors.copy()
    massive[:, 5] = 1000
    table = variants(replace(given, vectors=massive))
    assert table["variant"].drop_duplicates().tolist() == [
        "as they are",
        "mean subtracted",
        "without coordinate 5",
    ]
    first = table[table["variant"] == "as they are"].iloc[0]
    assert first["coordinate"] == 5
    assert first["share"] > 0.99
    rest = np.delete(given.vectors, 5, axis=1)
    without = table[(table["variant"] == "without coordinate 5") & (table["task"] == POOLED)]
    for _, row in without.iterrows():
        near, far = pooled(distances(rest, row["measure"]), given.tasks)
        assert row["within_mean"] == pytest.approx(near.mean())
        assert row["superiority"] == pytest.approx(superiority(near, far))
    assert set(without["measure"]) == {"cosine", "euclidean"}


def test_a_coordinate_keeps_its_number_when_one_before_it_is_taken_away(given: VectorSet) -> None:
    massive = given.vectors.copy()
    massive[:, 5], massive[:, 8], massive[:, 2] = 1000, 500, 200
    table = variants(replace(given, vectors=massive))
    without = table[table["variant"] == "without coordinate 5"]
    assert set(without["coordinate"]) == {8}
    massive[:, 2] = 700
    table = variants(replace(given, vectors=massive))
    assert set(table[table["variant"] == "without coordinate 5"]["coordinate"]) == {2}


def test_distances_are_computed_once(given: VectorSet, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(vectors: np.ndarray, measure: Metric) -> np.ndarray:
        calls.append(measure)
        return distances(vectors, measure)

    monkeypatch.setattr(numbers, "distances", counted)
    separations(given, "cosine")
    assert calls == ["cosine"] * 2
