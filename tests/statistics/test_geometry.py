from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestCentroid

from tests.helpers.vector_examples import FOUR, vector_set
from tvsight.statistics import geometry
from tvsight.statistics.geometry import (
    between,
    cohens_d,
    distances,
    embedded,
    joined,
    left_out_folds,
    nearest_centroid,
    overlap,
    pooled,
    possible_perplexity,
    shared_edges,
    silhouettes,
    stratified_folds,
    strongest,
    superiority,
    superiority_interval,
    within,
)

CROSS = np.array([[2.0, 0], [0, 1], [-1, 0], [3, 0]])
LABELS = np.array(["a", "b", "b", "a"])


def test_cosine_distances_are_those_of_directions() -> None:
    expected = [[0, 1, 2, 0], [1, 0, 1, 1], [2, 1, 0, 2], [0, 1, 2, 0]]
    assert distances(CROSS) == pytest.approx(np.array(expected, dtype=float))
    assert distances(CROSS, "euclidean")[0] == pytest.approx([0, 5**0.5, 3, 1])


def test_a_vectors_distance_to_itself_is_zero_and_is_not_counted() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3)) * 1e4
    matrix = distances(vectors)
    assert np.diag(matrix).tolist() == [0] * 5
    found = within(matrix, np.full(5, True))
    assert len(found) == 10
    assert found.min() > 0


def test_each_pair_is_counted_once() -> None:
    matrix = np.array([[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0]], dtype=float)
    members = LABELS == "a"
    assert within(matrix, members).tolist() == [3]
    assert sorted(between(matrix, members)) == [1, 2, 5, 6]
    near, far = pooled(matrix, LABELS)
    assert sorted(near) == [3, 4]
    assert sorted(far) == [1, 2, 5, 6]


def test_cohens_d_of_known_groups() -> None:
    # Means 2 and 6; variances 1 and 4, of 3 values each: the pooled variance is 2.5.
    assert cohens_d(np.array([1.0, 2, 3]), np.array([4.0, 6, 8])) == pytest.approx(4 / 2.5**0.5)
    assert cohens_d(np.array([4.0, 6, 8]), np.array([1.0, 2, 3])) == pytest.approx(-4 / 2.5**0.5)
    assert np.isnan(cohens_d(np.array([1.0, 2]), np.array([])))


def test_superiority_counts_pairs_and_half_of_ties() -> None:
    assert superiority(np.array([1.0, 2]), np.array([2.0, 3])) == 3.5 / 4
    assert superiority(np.array([1.0, 2]), np.array([3.0])) == 1
    assert superiority(np.array([3.0]), np.array([1.0, 2])) == 0
    assert np.isnan(superiority(np.array([1.0]), np.array([])))


def test_superiority_is_the_area_under_the_roc_curve() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=40).round(1), rng.normal(0.5, size=70).round(1)
    truth = np.repeat([0, 1], [40, 70])
    expected = roc_auc_score(truth, np.concatenate([near, far]))
    assert superiority(near, far) == pytest.approx(expected)


def test_overlap_of_the_same_is_one_and_of_the_disjoint_is_zero() -> None:
    values = np.random.default_rng(0).normal(size=200)
    assert overlap(values, values) == pytest.approx(1)
    assert overlap(values, np.tile(values, 3)) == pytest.approx(1)
    assert overlap(values, values + 100) == 0
    assert np.isnan(overlap(values, np.array([])))


def test_overlap_of_two_normal_distributions_is_the_known_one() -> None:
    rng = np.random.default_rng(0)
    found = overlap(rng.normal(0, 1, 20_000), rng.normal(1.5, 1, 20_000))
    assert found == pytest.approx(2 * norm.cdf(-0.75), abs=0.02)


def test_overlap_does_not_depend_on_the_scale() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 1, 300), rng.normal(1, 2, 3000)
    assert overlap(np.exp(5 * near), np.exp(5 * far)) == pytest.approx(overlap(near, far))
    # Apart, but nearer than a bin of equal width would tell.
    assert overlap(near * 1e-6, np.linspace(1, 1e6, 3000)) == 0


def test_edges_cover_both_samples_and_follow_the_smaller() -> None:
    edges = shared_edges(np.linspace(0, 1, 400), np.linspace(3, 5, 10_000))
    assert (edges[0], edges[-1], len(edges)) == (0, 5, 21)
    assert len(shared_edges(np.array([1.0]), np.array([]))) == 11


def test_the_interval_holds_the_value_and_follows_a_plain_bootstrap() -> None:
    given = vector_set(FOUR, n=10, spread=1.5, queries=5)
    matrix, own = distances(given.vectors), given.tasks == "one"
    low, high = superiority_interval(matrix, own, given.clusters)
    assert low < superiority(within(matrix, own), between(matrix, own)) < high
    rng = np.random.default_rng(1)
    queries, others = [np.arange(q, 10, 5) for q in range(5)], np.flatnonzero(~own)
    values = []
    for _ in range(300):
        drawn = np.concatenate([queries[q] for q in rng.integers(0, 5, 5)])
        near = [matrix[i, j] for i, j in combinations(drawn, 2) if i != j]
        values.append(superiority(np.array(near), matrix[np.ix_(drawn, others)].ravel()))
    assert (low, high) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.03)


def test_there_is_no_interval_for_one_query_or_without_others() -> None:
    matrix = distances(CROSS)
    one = np.array(["q", "q", "q", "q"])
    assert np.isnan(superiority_interval(matrix, LABELS == "a", one)).all()
    assert np.isnan(superiority_interval(matrix, np.full(4, True), np.array(list("qrst")))).all()


def test_silhouettes_of_two_tight_pairs() -> None:
    matrix = np.array([[0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]], dtype=float)
    found = silhouettes(matrix, np.array(list("aabb")))
    assert found.tolist() == [0.75, 0.75, 0.5, 0.5]
    for labels in ("aaaa", "abcd"):
        assert np.isnan(silhouettes(matrix, np.array(list(labels)))).all()


def test_folds_keep_a_query_together_and_ask_for_every_vector_once() -> None:
    given = vector_set(FOUR, n=12, queries=6)
    folds = stratified_folds(given.tasks, given.clusters)
    assert len(folds) == geometry.FOLDS
    assert sorted(np.concatenate([asked for _, asked in folds])) == list(range(48))
    for learnt, asked in folds:
        assert not set(given.clusters[learnt]) & set(given.clusters[asked])
        assert set(given.tasks[learnt]) == set(FOUR)


def test_folds_are_as_many_as_the_poorest_task_has_queries() -> None:
    given = vector_set(FOUR, n=12, queries=3)
    folds = stratified_folds(given.tasks, given.clusters)
    assert len(folds) == 3
    assert stratified_folds(given.tasks, given.tasks) == []


def test_nearest_centroids_tell_apart_what_is_apart() -> None:
    given = vector_set(FOUR, n=12, spread=0.01)
    folds = stratified_folds(given.tasks, given.clusters)
    told, chance = nearest_centroid(given.vectors, given.tasks, folds)
    assert told.tolist() == given.tasks.tolist()
    assert chance == pytest.approx(np.full(48, 0.25), abs=0.03)


def test_nearest_centroids_are_means_under_the_chosen_distance() -> None:
    vectors = np.array([[1.0, 0], [1, 0.2], [0, 1], [0, 9], [6, 8]])
    labels = np.array(list("aabb?"))
    folds = [(np.arange(4), np.array([4]))]
    assert nearest_centroid(vectors, labels, folds, "euclidean")[0][4] == "b"
    turned = vectors * [[1], [1], [1], [1], [0.01]]
    assert nearest_centroid(turned, labels, folds, "euclidean")[0][4] == "a"
    assert nearest_centroid(turned, labels, folds, "cosine")[0][4] == "b"
    assert nearest_centroid(vectors, labels, folds, "cosine")[0].tolist() == ["", "", "", "", "b"]


def test_euclidean_centroids_are_those_of_sklearn() -> None:
    given = vector_set(FOUR, n=10, spread=3)
    folds = stratified_folds(given.tasks, given.clusters)
    told, _ = nearest_centroid(given.vectors, given.tasks, folds, "euclidean")
    expected = cross_val_predict(NearestCentroid(), given.vectors, given.tasks, cv=folds)
    assert told.tolist() == expected.tolist()
    assert 0.3 < (told == given.tasks).mean() < 1


def test_labels_that_mean_nothing_are_found_by_chance() -> None:
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(400, 5)), np.repeat(["a", "b"], 200)
    folds = stratified_folds(labels, np.arange(400).astype(str))
    told, _ = nearest_centroid(vectors, labels, folds)
    assert (told == labels).mean() == pytest.approx(0.5, abs=0.07)


def test_a_part_that_is_left_out_is_not_learnt_from() -> None:
    given = vector_set(FOUR, n=3)
    folds = left_out_folds(given.categories, given.tasks)
    assert [set(given.tasks[asked]) for _, asked in folds] == [{task} for task in FOUR]
    assert [set(given.tasks[learnt]) for learnt, _ in folds] == [set(FOUR) - {t} for t in FOUR]


def test_a_part_whose_label_no_other_has_is_passed_over() -> None:
    given = vector_set({**FOUR, "alone": "translation"}, n=2)
    folds = left_out_folds(given.categories, given.tasks)
    assert {task for _, asked in folds for task in given.tasks[asked]} == set(FOUR)
    assert left_out_folds(np.array(["x", "x"]), np.array(["a", "b"])) == []
    assert left_out_folds(np.array(["x", "y"]), np.array(["a", "b"])) == []


def test_the_strongest_coordinate_holds_most_of_the_squared_length() -> None:
    vectors = np.array([[10.0, 1, 0], [10, -1, 0], [10, 0, 2]])
    assert strongest(vectors) == (0, pytest.approx(300 / 306))
    assert np.isnan(strongest(np.zeros((2, 3)))[1])


def test_the_nearest_are_joined_first() -> None:
    matrix = np.abs(np.subtract.outer(np.array([0.0, 10, 1, 14]), np.array([0.0, 10, 1, 14])))
    order, lines = joined(matrix)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    # Corners of a line: along one branch, across, and back along the other.
    assert lines.shape == (3, 4, 2)
    assert sorted(line[1, 0] for line in lines) == pytest.approx([1, 4, (10 + 14 + 9 + 13) / 4])
    assert {place for line in lines[:, [0, 3]] for _, place in line} >= {0, 1, 2, 3}


def test_a_picture_is_the_same_every_time_and_keeps_neighbours() -> None:
    given = vector_set(FOUR, n=10, spread=0.05)
    places = embedded(given.vectors, 5, seed=3)
    assert places is not None
    assert places.shape == (40, 2)
    assert np.array_equal(places, embedded(given.vectors, 5, seed=3))
    found = silhouettes(distances(places, "euclidean"), given.tasks)
    assert found.mean() > 0.6


def test_few_vectors_bound_the_perplexity_or_have_no_picture() -> None:
    assert possible_perplexity(30, 900) == 30
    assert possible_perplexity(30, 10) == 3
    given = vector_set({"one": "custom"}, n=4)
    places = embedded(given.vectors, possible_perplexity(30, 4), seed=0)
    assert places is not None
    assert np.isfinite(places).all()
    assert embedded(given.vectors[:3], 1, seed=0) is None
