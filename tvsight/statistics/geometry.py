"""The geometry of vectors: distances, separation of groups, classification, and t-SNE.

Functions take and return arrays: vectors `[n, width]`, distances `[n, n]`, labels `[n]`. A
statistic that cannot be computed, such as a distance between groups where there is one group, is
NaN.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tvsight.statistics.intervals import CONFIDENCE, SEED

Metric = Literal["cosine", "euclidean"]
Floats = NDArray[np.float64]
Labels = NDArray[np.str_]
Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Per fold the indices of the vectors to train on, and of those to test."""

FOLDS = 5
LEAST_EMBEDDED = 4
"""The fewest vectors that t-SNE is computed for."""
NEIGHBOURS_PER_PERPLEXITY = 3
"""Neighbours that t-SNE needs per unit of perplexity."""
LEAST_BINS, MOST_BINS = 10, 50
ROUNDING = 1e-9
RESAMPLES = 2_000


def strongest(vectors: Floats) -> tuple[int, float]:
    """The coordinate with the largest share of the squared length of all vectors, and that share.

    Some models have "massive activations" in one or two coordinates, the same for every input.
    """
    squares = (vectors**2).sum(axis=0)
    index = int(squares.argmax())
    total = squares.sum()
    return index, float(squares[index] / total) if total else np.nan


def distances(vectors: Floats, measure: Metric = "cosine") -> Floats:
    """Pairwise distances, `[n, n]`. The diagonal is exactly 0."""
    from sklearn.metrics import pairwise_distances

    found: Floats = pairwise_distances(vectors, metric=measure)
    np.fill_diagonal(found, 0.0)
    return found


def joined(matrix: Floats) -> tuple[list[int], Floats]:
    """Join the nearest groups step by step until one is left (average linkage).

    Args:
        matrix: distances, `[n, n]`, of at least two.

    Returns:
        The order of the leaves, in which joined groups stand together; and for each join its line,
        `[n - 1, 4, 2]`: four corners, each the distance at which it lies and its place among the
        leaves, from 0.
    """
    from scipy.cluster.hierarchy import dendrogram, linkage
    from scipy.spatial.distance import squareform

    links = linkage(squareform(matrix, checks=False), "average", optimal_ordering=True)
    drawn = dendrogram(links, no_plot=True)
    places = (np.array(drawn["icoord"]) - 5) / 10  # scipy draws leaves at 5, 15, 25, ...
    return drawn["leaves"], np.stack([np.array(drawn["dcoord"]), places], axis=-1)


def within(matrix: Floats, members: NDArray[np.bool_]) -> Floats:
    """Distances between different members, each pair once: `[m (m - 1) / 2]`."""
    inside = matrix[np.ix_(members, members)]
    return inside[np.triu_indices(len(inside), k=1)]


def between(matrix: Floats, members: NDArray[np.bool_]) -> Floats:
    """Distances of each member to each of the others, `[m (n - m)]`."""
    return matrix[np.ix_(members, ~members)].ravel()


def pooled(matrix: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """Distances between vectors of one label, and of different labels, each pair once."""
    upper = np.triu_indices(len(matrix), k=1)
    same = (labels[:, None] == labels)[upper]
    return matrix[upper][same], matrix[upper][~same]


def cohens_d(near: Floats, far: Floats) -> float:
    """The mean of `far` minus that of `near`, in pooled standard deviations."""
    freedom = len(near) + len(far) - 2
    if min(len(near), len(far)) < 2:
        return np.nan
    squares = (len(near) - 1) * near.var(ddof=1) + (len(far) - 1) * far.var(ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((far.mean() - near.mean()) / np.sqrt(squares / freedom))


def superiority(near: Floats, far: Floats) -> float:
    """The probability that a value from `far` exceeds a value from `near`; ties count half.

    This is the area under the ROC curve: 0.5 for equal samples, 1 for separate ones.
    """
    if not (len(near) and len(far)):
        return np.nan
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([far, near]))[: len(far)].sum()
    return float((ranks / len(far) - (len(far) + 1) / 2) / len(near))


def superiority_interval(
    matrix: Floats, members: NDArray[np.bool_], clusters: Labels
) -> tuple[float, float]:
    """95 % interval of the superiority of a group's distances to others over those within it.

    Distances that share a vector are not independent. The bootstrap therefore resamples clusters
    of the group's vectors, and all distances follow (a bootstrap of a U-statistic; a vector drawn
    twice is not compared with itself). The vectors of other groups are fixed.

    Args:
        clusters: the cluster of each vector, such as the query of its episode, `[n]`.
    """
    chosen = np.flatnonzero(members)
    _, cluster = np.unique(clusters[chosen], return_inverse=True)
    distinct = int(cluster.max(initial=-1)) + 1
    if distinct < 2 or members.all():
        return np.nan, np.nan
    first, second = np.triu_indices(len(chosen), k=1)
    pairs = matrix[chosen[first], chosen[second]]
    others = np.sort(matrix[np.ix_(chosen, np.flatnonzero(~members))], axis=1)
    # Number of a member's distances to others that exceed each distance within: [pairs, members].
    above = np.stack(
        [
            len(row) - (np.searchsorted(row, pairs) + np.searchsorted(row, pairs, "right")) / 2
            for row in others
        ],
        axis=1,
    )
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(distinct, np.full(distinct, 1 / distinct), size=RESAMPLES)
    weights = drawn[:, cluster].astype(float)
    pair_weights = weights[:, first] * weights[:, second]
    sums = ((pair_weights @ above) * weights).sum(axis=1)
    counts = pair_weights.sum(axis=1) * weights.sum(axis=1) * others.shape[1]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile((sums / np.where(counts, counts, np.nan))[counts > 0], [tail, 1 - tail])
    return float(low), float(high)


def overlap(near: Floats, far: Floats) -> float:
    """The overlap coefficient: the area that the densities of two samples share, from 0 to 1.

    It does not change under an increasing transformation of the values. It is estimated in bins
    that hold equal shares of an even mixture of both samples, because bins of equal width would be
    too wide for the narrower sample.
    """
    if not (len(near) and len(far)):
        return np.nan
    # The number is even, so that one edge lies between samples that do not overlap.
    bins = 2 * (_bins(near, far) // 2)
    values = np.concatenate([near, far])
    order = values.argsort(kind="stable")
    mass = np.repeat([0.5 / len(near), 0.5 / len(far)], [len(near), len(far)])[order].cumsum()
    edges = values[order][np.searchsorted(mass, np.arange(1, bins) / bins - ROUNDING)]
    counts = [
        np.bincount(np.searchsorted(edges, sample), minlength=bins) / len(sample)
        for sample in (near, far)
    ]
    return float(np.minimum(*counts).sum())


def shared_edges(near: Floats, far: Floats) -> Floats:
    """Edges of bins of equal width over both samples, for a histogram."""
    return np.histogram_bin_edges(np.concatenate([near, far]), bins=_bins(near, far))


def silhouettes(matrix: Floats, labels: Labels) -> Floats:
    """Silhouettes, `[n]`, -1 to 1: how much nearer a vector's own group is than the next one. NaN
    when there is only one group, or every group has one vector."""
    if not 2 <= len(set(labels)) < len(labels):
        return np.full(len(labels), np.nan)
    from sklearn.metrics import silhouette_samples

    return silhouette_samples(matrix, labels, metric="precomputed")


def stratified_folds(labels: Labels, clusters: Labels) -> Folds:
    """Folds with every label in proportion, and no cluster in two folds.

    There are `FOLDS` folds, or as many as the label with the fewest clusters has clusters; none
    when that is fewer than two.
    """
    folds = min(FOLDS, *(len(set(clusters[labels == label])) for label in set(labels)))
    if folds < 2:
        return []
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=SEED)
    return list(splitter.split(labels, labels, clusters))


def left_out_folds(labels: Labels, parts: Labels) -> Folds:
    """One fold per part: test on the part, train on all others.

    Parts with a label that no other part has are left out. There is no fold when there is only one
    label.
    """
    tests = [parts == part for part in dict.fromkeys(parts) if len(set(labels)) > 1]
    known = [test for test in tests if set(labels[test]) <= set(labels[~test])]
    return [(np.flatnonzero(~test), np.flatnonzero(test)) for test in known]


def nearest_centroid(
    vectors: Floats, labels: Labels, folds: Folds, measure: Metric = "cosine"
) -> tuple[Labels, Floats]:
    """Predict each vector's label from the nearest mean of the training vectors.

    Args:
        measure: for `cosine`, vectors are scaled to length 1 before means are taken.

    Returns:
        The predicted label, `[n]`, empty for a vector in no fold; and the probability that a guess
        in proportion to the training labels is right, `[n]`, NaN for a vector in no fold.
    """
    from sklearn.metrics import pairwise_distances
    from sklearn.preprocessing import normalize

    ready = normalize(vectors) if measure == "cosine" else vectors
    predicted = np.full(len(labels), "", dtype=labels.dtype)
    chance = np.full(len(labels), np.nan)
    for train, test in folds:
        # sklearn's NearestCentroid has no cosine distance.
        known = np.unique(labels[train])
        centroids = [ready[train][labels[train] == label].mean(axis=0) for label in known]
        apart = pairwise_distances(ready[test], centroids, metric=measure)
        predicted[test] = known[apart.argmin(axis=1)]
        chance[test] = (labels[test][:, None] == labels[train]).mean(axis=1)
    return predicted, chance


def possible_perplexity(perplexity: float, n: int) -> float:
    """The perplexity, or the largest that `n` vectors allow."""
    return min(perplexity, (n - 1) / NEIGHBOURS_PER_PERPLEXITY)


def embedded(vectors: Floats, perplexity: float, seed: int) -> Floats | None:
    """t-SNE in two dimensions, `[n, 2]`: Euclidean distances, from the first principal components.

    It runs on one thread, so that sums are taken in one order and the result is reproducible.

    Args:
        perplexity: from `possible_perplexity`.

    Returns:
        None when there are fewer than `LEAST_EMBEDDED` vectors.
    """
    if len(vectors) < LEAST_EMBEDDED:
        return None
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        reduction = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
        return np.asarray(reduction.fit_transform(vectors), dtype=float)


def _bins(near: Floats, far: Floats) -> int:
    """The square root of the smaller sample's size, within limits."""
    smaller = min(size for size in (len(near), len(far)) if size)
    return int(np.clip(np.sqrt(smaller), LEAST_BINS, MOST_BINS))
