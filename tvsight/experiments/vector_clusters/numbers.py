"""Numbers beside Figure 5: how far task vectors cluster by task, and by category."""

from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.statistics.geometry import (
    Floats,
    Folds,
    Labels,
    Metric,
    distances,
    embedded,
    left_out_folds,
    nearest_centroid,
    possible_perplexity,
    silhouettes,
    stratified_folds,
)
from tvsight.statistics.intervals import accuracy

TASK, CATEGORY, LEFT_OUT = "task", "category", "category, own task left out"
"""The groupings of vectors. The last one assigns a category without learning from the vector's own
task: this tells whether a category is more than its tasks."""


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
    seed: int


def groupings(given: VectorSet) -> pd.DataFrame:
    """Measure how far the vectors of a model group, in their own space.

    Returns:
        A row per grouping and measure: `model`, `layer`, `grouping`, `measure`, `groups`, `n`
        (vectors), `silhouette` (its mean), `accuracy` of the nearest centroid under
        cross-validation with `_low` and `_high`, `chance`, `asked` (vectors that were classified)
        and `units` (clusters that the interval resamples). NaN where a number cannot be computed.
    """
    rows = []
    for measure in get_args(Metric):
        matrix = distances(given.vectors, measure)
        for grouping in _groupings(given):
            silhouette = _silhouettes(matrix, grouping.labels).mean()
            row = {
                "model": given.model,
                "layer": given.layer,
                "grouping": grouping.name,
                "measure": measure,
                "groups": len(set(grouping.labels)),
                "n": len(grouping.labels),
                "silhouette": np.nan if grouping.name == LEFT_OUT else silhouette,
            }
            rows.append(row | _classified(given, grouping, measure))
    return pd.DataFrame(rows)


def by_task(given: VectorSet) -> pd.DataFrame:
    """Measure the same for each task, with cosine distances.

    Returns:
        A row per task: `model`, `layer`, `category`, `task`, `n`, `units` (different queries);
        `silhouette` among tasks and `silhouette_category` among categories; `accuracy` of the
        nearest centroid among tasks, `_low`, `_high`; `taken_for`, the task that its vectors are
        most often mistaken for, or empty, and `taken_for_share`; `category_left_out`, the share
        with the right category when nothing was learnt from the task itself.
    """
    matrix = distances(given.vectors)
    among_tasks = _silhouettes(matrix, given.tasks)
    among_categories = _silhouettes(matrix, given.categories)
    predicted = {
        grouping.name: nearest_centroid(given.vectors, grouping.labels, grouping.folds)[0]
        for grouping in _groupings(given)
    }
    rows = []
    for task in given.names:
        own = given.tasks == task
        categories = predicted[LEFT_OUT][own]
        right = categories == given.category[task]
        rows.append(
            {
                "model": given.model,
                "layer": given.layer,
                "category": given.category[task],
                "task": task,
                "n": int(own.sum()),
                "units": len(set(given.clusters[own])),
                "silhouette": among_tasks[own].mean(),
                "silhouette_category": among_categories[own].mean(),
                **_recognised(predicted[TASK][own], given.clusters[own], task),
                "category_left_out": right.mean() if (categories != "").all() else np.nan,
            }
        )
    return pd.DataFrame(rows)


def embedding(given: VectorSet, perplexity: float, seed: int) -> Embedding | None:
    """Place the vectors in two dimensions by t-SNE.

    Args:
        perplexity: the largest that is used; few vectors allow only a smaller one.

    Returns:
        None when there are too few vectors.
    """
    possible = possible_perplexity(perplexity, len(given.vectors))
    places = embedded(given.vectors, possible, seed)
    if places is None:
        return None
    points = pd.DataFrame(
        {
            "model": given.model,
            "layer": given.layer,
            "category": given.categories,
            "task": given.tasks,
            "episode": pd.Series(given.tasks).groupby(given.tasks).cumcount(),
            "x": places[:, 0],
            "y": places[:, 1],
        }
    )
    return Embedding(points, possible, possible != perplexity, seed)


def not_computed(numbers: pd.DataFrame) -> list[str]:
    """The reasons for numbers that are missing from `groupings`, in sentences."""
    reasons = []
    for _, row in numbers[numbers["measure"] == numbers["measure"].iloc[0]].iterrows():
        if pd.notna(row["accuracy"]):
            continue
        if row["groups"] < 2:
            reason = f"one {row['grouping'].split(',')[0]} is all there is"
        elif row["grouping"] == LEFT_OUT:
            reason = "no category has two tasks"
        else:
            reason = "a task has fewer than two different queries, too few for cross-validation"
        reasons.append(f"By {row['grouping']}: {reason}.")
    return reasons


def _groupings(given: VectorSet) -> list[Grouping]:
    tasks, categories = given.tasks, given.categories
    folds = stratified_folds(tasks, given.clusters) or []
    left_out = left_out_folds(categories, tasks) or []
    return [
        Grouping(TASK, tasks, given.clusters, folds if len(set(tasks)) > 1 else []),
        Grouping(CATEGORY, categories, given.clusters, folds if len(set(categories)) > 1 else []),
        Grouping(LEFT_OUT, categories, tasks, left_out),
    ]


def _silhouettes(matrix: Floats, labels: Labels) -> Floats:
    """The silhouette of each vector, `[n]`; NaN where there are none."""
    found = silhouettes(matrix, labels)
    return np.full(len(labels), np.nan) if found is None else found


def _classified(given: VectorSet, grouping: Grouping, measure: Metric) -> dict[str, float]:
    """The nearest centroid's accuracy over the vectors that are in a fold."""
    labels = grouping.labels
    predicted, chance = nearest_centroid(given.vectors, labels, grouping.folds, measure)
    tested = predicted != ""
    found = accuracy(predicted[tested] == labels[tested], grouping.clusters[tested])
    return {
        **found.columns("accuracy"),
        "chance": float(chance[tested].mean()) if found.n else np.nan,
        "asked": found.n,
        "units": found.distinct,
    }


def _recognised(predicted: Labels, clusters: Labels, task: str) -> dict[str, object]:
    """The share of a task's vectors that are assigned to it, and the task they are mistaken for."""
    tested = predicted != ""
    found = accuracy(predicted[tested] == task, clusters[tested])
    mistaken = pd.Series(predicted[tested & (predicted != task)]).value_counts()
    share = mistaken.iloc[0] / len(predicted) if len(mistaken) else 0.0
    return {
        **found.columns("accuracy"),
        "taken_for": str(mistaken.index[0]) if len(mistaken) else "",
        "taken_for_share": share if found.n else np.nan,
    }
