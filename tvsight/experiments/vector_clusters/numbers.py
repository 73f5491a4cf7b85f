"""Numbers beside Figure 5: how far task vectors cluster by task, and by category."""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet
from tvsight.statistics.geometry import (
    Floats,
    Folds,
    Labels,
    Metric,
    distances,
    embedded,
    joined,
    left_out_folds,
    nearest_centroid,
    possible_perplexity,
    silhouettes,
    stratified_folds,
)
from tvsight.statistics.intervals import accuracy
from tvsight.statistics.summaries import by_group

TASK, CATEGORY, LEFT_OUT = "task", "category", "category, own task left out"
"""The groupings of vectors. The last one assigns a category without learning from the vector's own
task: this tells whether a category is more than its tasks."""


TSNE_SEED = 0
DRAWN: Metric = "euclidean"
"""The distance that t-SNE sees."""
WAYS: dict[str, tuple[Metric, str]] = {
    DRAWN: (DRAWN, AS_THEY_ARE),
    "cosine": ("cosine", AS_THEY_ARE),
    "centred": ("cosine", CENTRED),
}
"""The ways to compare vectors: distance and treatment. Euclidean distances do not change when the
same is subtracted from all."""


class Grouping(NamedTuple):
    """One way to group the vectors."""

    name: str
    labels: Labels
    clusters: Labels
    """Clusters of vectors that the interval resamples, `[n]`."""
    folds: Folds
    """Empty where cross-validation is impossible."""


class Embedding(NamedTuple):
    """The vectors of a model in two dimensions, and the settings of t-SNE."""

    points: pd.DataFrame
    """A row per vector: `model`, `layer`, `category`, `task`, `episode`, `x`, `y`."""
    perplexity: float
    bounded: bool
    """Whether the number of vectors allows no larger perplexity."""


class Tree(NamedTuple):
    """The mean vectors of a model's tasks, joined step by step where they are nearest."""

    distances: pd.DataFrame
    """Euclidean distances, `[tasks, tasks]`, by task, in the order of the leaves."""
    lines: Floats
    """See `geometry.joined`."""


def groupings(given: VectorSet) -> pd.DataFrame:
    """Measure how far the vectors of a model group, in their own space.

    Returns:
        A row per grouping and way to compare: `model`, `layer`, `grouping`, `measure`, `vectors`
        (`as they are` or `mean subtracted`), `groups`, `n`
        (vectors), `silhouette` (its mean), `accuracy` of the nearest centroid under
        cross-validation with `_low` and `_high`, `chance`, `asked` (vectors that were classified)
        and `units` (clusters that the interval resamples). NaN where a number cannot be computed.
    """
    rows = []
    for measure, treatment in WAYS.values():
        compared = given.centred if treatment == CENTRED else given
        matrix = distances(compared.vectors, measure)
        for grouping in _groupings(compared):
            silhouette = silhouettes(matrix, grouping.labels).mean()
            lead = {"model": given.model, "layer": given.layer, "grouping": grouping.name}
            row = {
                **{"measure": measure, "vectors": treatment},
                **{"groups": len(set(grouping.labels)), "n": len(grouping.labels)},
                "silhouette": np.nan if grouping.name == LEFT_OUT else silhouette,
            }
            rows.append(lead | row | _classified(compared, grouping, measure))
    return pd.DataFrame(rows)


def by_task(given: VectorSet) -> pd.DataFrame:
    """Measure the same for each task, with the distance that is drawn.

    Returns:
        A row per task: `model`, `layer`, `category`, `task`, `n`, `units` (different queries);
        `silhouette` among tasks and `silhouette_category` among categories; `accuracy` of the
        nearest centroid among tasks, `_low`, `_high`; `taken_for`, the task that its vectors are
        most often mistaken for, or empty, and `taken_for_share`; `category_left_out_<way>`,
        for each of `WAYS` the share with the right category when nothing was learnt from the task
        itself.
    """
    matrix = distances(given.vectors, DRAWN)
    task_grouping, _, left_out = _groupings(given)
    columns = {
        **{"model": given.model, "layer": given.layer, "category": given.categories},
        **{"task": given.tasks, "cluster": given.clusters},
        "silhouette": silhouettes(matrix, given.tasks),
        "silhouette_category": silhouettes(matrix, given.categories),
        "named": nearest_centroid(given.vectors, task_grouping.labels, task_grouping.folds, DRAWN)[
            0
        ],
    }
    for way, (measure, treatment) in WAYS.items():
        compared = given.centred if treatment == CENTRED else given
        nearest = nearest_centroid(compared.vectors, left_out.labels, left_out.folds, measure)[0]
        right = np.where(nearest == "", np.nan, nearest == given.categories)
        columns[f"category_left_out_{way}"] = right

    def summary(own: pd.DataFrame) -> dict[str, Any]:
        tested = own[own["named"] != ""]
        nearest = accuracy(tested["named"] == tested["task"], tested["cluster"])
        mistaken = tested["named"][tested["named"] != tested["task"]].value_counts()
        share = mistaken.iloc[0] / len(own) if len(mistaken) else 0.0
        return {
            **{"n": len(own), "units": own["cluster"].nunique()},
            **own[["silhouette", "silhouette_category"]].mean(),
            **nearest.columns("accuracy"),
            "taken_for": str(mistaken.index[0]) if len(mistaken) else "",
            "taken_for_share": share if nearest.n else np.nan,
            **own.filter(like="category_left_out").mean(),
        }

    return by_group(pd.DataFrame(columns), ["model", "layer", "category", "task"], summary)


def embedding(given: VectorSet, perplexity: float) -> Embedding | None:
    """Place the vectors in two dimensions by t-SNE.

    Args:
        perplexity: the largest that is used; few vectors allow only a smaller one.

    Returns:
        None when there are too few vectors.
    """
    possible = possible_perplexity(perplexity, len(given.vectors))
    places = embedded(given.vectors, possible, TSNE_SEED)
    if places is None:
        return None
    lead = {"model": given.model, "layer": given.layer, "category": given.categories}
    points = pd.DataFrame({**lead, "task": given.tasks})
    points["episode"] = points.groupby("task").cumcount()
    points[["x", "y"]] = places
    return Embedding(points, possible, possible != perplexity)


def tree(given: VectorSet) -> Tree | None:
    """Join the mean vectors of tasks by Euclidean distance; None where there is one task."""
    names = given.names
    if len(names) < 2:
        return None
    matrix = distances(given.means, DRAWN)
    order, lines = joined(matrix)
    return Tree(pd.DataFrame(matrix, names, names).iloc[order, order], lines)


def between_tasks(given: VectorSet) -> pd.DataFrame:
    """Euclidean distances between the mean vectors of tasks.

    Returns:
        A row per pair of different tasks: `model`, `layer`, `task`, `other`, `distance`.
    """
    names, matrix = given.names, distances(given.means, DRAWN)
    pairs = [
        (given.model, given.layer, task, other, distance)
        for (task, other), distance in zip(product(names, names), matrix.flat, strict=True)
        if task != other
    ]
    return pd.DataFrame(pairs, columns=["model", "layer", "task", "other", "distance"])


def not_computed(numbers: pd.DataFrame) -> list[str]:
    """The reasons for numbers that are missing from `groupings`, in sentences."""
    reasons = []
    missing = numbers[(numbers["measure"] == DRAWN) & numbers["accuracy"].isna()]
    for _, row in missing.iterrows():
        reason = "a task has fewer than two different queries, too few for cross-validation"
        if row["groups"] < 2:
            reason = f"one {row['grouping'].split(',')[0]} is all there is"
        elif row["grouping"] == LEFT_OUT:
            reason = "no category has two tasks"
        reasons.append(f"By {row['grouping']}: {reason}.")
    return reasons


def _groupings(given: VectorSet) -> list[Grouping]:
    tasks, categories = given.tasks, given.categories
    folds = stratified_folds(tasks, given.clusters)
    return [
        Grouping(TASK, tasks, given.clusters, folds if len(set(tasks)) > 1 else []),
        Grouping(CATEGORY, categories, given.clusters, folds if len(set(categories)) > 1 else []),
        Grouping(LEFT_OUT, categories, tasks, left_out_folds(categories, tasks)),
    ]


def _classified(given: VectorSet, grouping: Grouping, measure: Metric) -> dict[str, float]:
    """The nearest centroid's accuracy over the vectors that are in a fold."""
    labels = grouping.labels
    predicted, chance = nearest_centroid(given.vectors, labels, grouping.folds, measure)
    tested = predicted != ""
    estimate = accuracy(predicted[tested] == labels[tested], grouping.clusters[tested])
    return {
        **estimate.columns("accuracy"),
        "chance": float(chance[tested].mean()) if estimate.n else np.nan,
        "asked": estimate.n,
        "units": estimate.distinct,
    }
