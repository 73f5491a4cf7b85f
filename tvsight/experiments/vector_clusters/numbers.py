"""From task vectors to the numbers beside Figure 5: do they cluster by task, and by category?"""

from typing import get_args

import numpy as np
import pandas as pd

from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.statistics.geometry import (
    Folds,
    Labels,
    Measure,
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
"""What vectors are grouped by. The last asks for a vector's category when no vector of its own task
was learnt from: whether a category is more than the tasks in it."""


def groupings(given: VectorSet) -> pd.DataFrame:
    """How far the vectors of a model group, in their own space: a row per grouping and measure.

    Returns:
        `model`, `layer`, `grouping`, `measure`, `groups`, `n` (vectors), `silhouette` (its mean),
        `accuracy` of the nearest centroid under cross-validation with `_low` and `_high`, `asked`
        (vectors that were classified), `units` (what the interval resamples, their number) and
        `chance`. What cannot be computed is NaN.
    """
    rows = []
    for measure in get_args(Measure):
        matrix = distances(given.vectors, measure)
        for grouping, labels, units, folds in _questions(given):
            found = None if grouping == LEFT_OUT else silhouettes(matrix, labels)
            rows.append(
                {
                    "model": given.model,
                    "layer": given.layer,
                    "grouping": grouping,
                    "measure": measure,
                    "groups": len(set(labels)),
                    "n": len(labels),
                    "silhouette": np.nan if found is None else found.mean(),
                    **_classified(given, labels, units, folds, measure),
                }
            )
    return pd.DataFrame(rows)


def by_task(given: VectorSet) -> pd.DataFrame:
    """The same for each task, with cosine distances: a row per task.

    Returns:
        `model`, `layer`, `category`, `task`, `n`, `units` (different queries); `silhouette` among
        tasks and `silhouette_category` among categories; `accuracy` of the nearest centroid among
        tasks, `_low`, `_high`; `taken_for`, the task that its vectors are most often mistaken for,
        empty where none is, and `taken_for_share`; `category_left_out`, the share that is assigned
        the right category when the task itself was not learnt from.
    """
    matrix = distances(given.vectors)
    among_tasks = silhouettes(matrix, given.tasks)
    among_categories = silhouettes(matrix, given.categories)
    answers = {
        grouping: None if folds is None else nearest_centroid(given.vectors, labels, folds)[0]
        for grouping, labels, _, folds in _questions(given)
    }
    rows = []
    for task in given.names:
        own = given.tasks == task
        row = {
            "model": given.model,
            "layer": given.layer,
            "category": given.category[task],
            "task": task,
            "n": int(own.sum()),
            "units": len(set(given.units[own])),
            "silhouette": np.nan if among_tasks is None else among_tasks[own].mean(),
            "silhouette_category": (
                np.nan if among_categories is None else among_categories[own].mean()
            ),
            **_answered(answers[TASK], own, given, task),
        }
        told = answers[LEFT_OUT]
        asked = told is not None and bool((told[own] != "").all())
        right = told[own] == given.category[task] if told is not None and asked else None
        rows.append(row | {"category_left_out": np.nan if right is None else right.mean()})
    return pd.DataFrame(rows)


def points(given: VectorSet, perplexity: float, seed: int) -> pd.DataFrame | None:
    """Where t-SNE puts each vector: `model`, `layer`, `category`, `task`, `episode`, `x`, `y`.

    Args:
        perplexity: as asked for; fewer vectors may allow only a smaller one.

    Returns:
        None when there are too few vectors.
    """
    places = embedded(given.vectors, possible_perplexity(perplexity, len(given.vectors)), seed)
    if places is None:
        return None
    table = pd.DataFrame(
        {
            "model": given.model,
            "layer": given.layer,
            "category": given.categories,
            "task": given.tasks,
            "x": places[:, 0],
            "y": places[:, 1],
        }
    )
    table.insert(4, "episode", table.groupby("task").cumcount())
    return table


def not_computed(numbers: pd.DataFrame) -> list[str]:
    """Why numbers are missing from `groupings`, in sentences."""
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


def _questions(given: VectorSet) -> list[tuple[str, Labels, Labels, Folds | None]]:
    """Each grouping: labels, what is resampled for the interval, folds."""
    folds = stratified_folds(given.tasks, given.units)
    return [
        (TASK, given.tasks, given.units, _of_several(given.tasks, folds)),
        (CATEGORY, given.categories, given.units, _of_several(given.categories, folds)),
        (LEFT_OUT, given.categories, given.tasks, left_out_folds(given.categories, given.tasks)),
    ]


def _of_several(labels: Labels, folds: Folds | None) -> Folds | None:
    return folds if len(set(labels)) > 1 else None


def _classified(
    given: VectorSet, labels: Labels, units: Labels, folds: Folds | None, measure: Measure
) -> dict[str, float]:
    if folds is None:
        names = ("accuracy", "accuracy_low", "accuracy_high", "chance")
        return {**dict.fromkeys(names, np.nan), "asked": 0, "units": 0}
    told, chance = nearest_centroid(given.vectors, labels, folds, measure)
    asked = told != ""
    found = accuracy(told[asked] == labels[asked], units[asked])
    return {
        "accuracy": found.value,
        "accuracy_low": found.low,
        "accuracy_high": found.high,
        "chance": float(chance[asked].mean()),
        "asked": found.n,
        "units": found.distinct,
    }


def _answered(
    told: Labels | None, own: "np.ndarray", given: VectorSet, task: str
) -> dict[str, object]:
    if told is None:
        names = ("accuracy", "accuracy_low", "accuracy_high", "taken_for_share")
        return {**dict.fromkeys(names, np.nan), "taken_for": ""}
    found = accuracy(told[own] == task, given.units[own])
    wrong = pd.Series(told[own][told[own] != task]).value_counts()
    return {
        "accuracy": found.value,
        "accuracy_low": found.low,
        "accuracy_high": found.high,
        "taken_for": str(wrong.index[0]) if len(wrong) else "",
        "taken_for_share": wrong.iloc[0] / own.sum() if len(wrong) else 0.0,
    }
