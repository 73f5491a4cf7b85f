"""From task vectors to the numbers behind Figure 6: distances within tasks and between them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.statistics.geometry import (
    Floats,
    Measure,
    between,
    centred,
    cohens_d,
    distances,
    overlap,
    pooled,
    shared_edges,
    strongest,
    superiority,
    superiority_interval,
    within,
)
from tvsight.statistics.intervals import mean_over_tasks

POOLED, MEAN = "pooled", "mean of tasks"
"""What stands for a task in the rows over all of them: all distances together, each pair once; and
the mean over tasks of each task's statistic."""
STATISTICS = ("superiority", "cohens_d", "overlap")


class Pairs(NamedTuple):
    """Distances of one task, or of all."""

    task: str
    near: Floats
    """Within the task, each pair once, none of a vector to itself."""
    far: Floats
    """To the vectors of other tasks."""


def prepared(given: VectorSet, centre: bool) -> VectorSet:
    """The vectors as they are, or without the mean of all."""
    return replace(given, vectors=centred(given.vectors)) if centre else given


def pairs(given: VectorSet, measure: Measure) -> list[Pairs]:
    """The distances of each task, in order, and then of all together (`POOLED`)."""
    matrix = distances(given.vectors, measure)
    found = [
        Pairs(task, within(matrix, given.tasks == task), between(matrix, given.tasks == task))
        for task in given.names
    ]
    return [*found, Pairs(POOLED, *pooled(matrix, given.tasks))]


def separations(given: VectorSet, measure: Measure) -> pd.DataFrame:
    """How far distances between tasks are above those within: a row per task, `POOLED`, `MEAN`.

    Returns:
        `model`, `layer`, `measure`, `category`, `task`, `vectors`, `units` (different queries);
        `within_pairs`, `within_mean`, `within_deviation`, the same `between_`; `superiority` (the
        probability that a distance between is above one within, the area under the ROC curve) with
        `_low` and `_high`; `cohens_d`; `overlap`. The row of the mean has intervals over tasks.
        What cannot be computed is NaN.
    """
    matrix = distances(given.vectors, measure)
    rows = []
    for group in pairs(given, measure):
        own = np.full(len(given.tasks), True) if group.task == POOLED else given.tasks == group.task
        interval = superiority_interval(matrix, own, given.units)
        rows.append(
            {
                "model": given.model,
                "layer": given.layer,
                "measure": measure,
                "category": given.category.get(group.task, ""),
                "task": group.task,
                "vectors": int(own.sum()),
                "units": len(set(given.units[own])),
                **_spread("within", group.near),
                **_spread("between", group.far),
                "superiority": superiority(group.near, group.far),
                "superiority_low": interval[0],
                "superiority_high": interval[1],
                "cohens_d": cohens_d(group.near, group.far),
                "overlap": overlap(group.near, group.far),
            }
        )
    table = pd.DataFrame(rows)
    return pd.concat([table, _mean(table)], ignore_index=True)


def densities(given: VectorSet, measure: Measure) -> pd.DataFrame:
    """The histograms that are drawn: a row per task (and `POOLED`), kind of distance and bin.

    Returns:
        `model`, `layer`, `measure`, `category`, `task`, `kind` (`within` or `between`), `low` and
        `high` edge, `pairs`, `density` (whose area over the bins of a kind is 1).
    """
    return pd.DataFrame(
        [
            {
                "model": given.model,
                "layer": given.layer,
                "measure": measure,
                "category": given.category.get(group.task, ""),
                "task": group.task,
            }
            | line
            for group in pairs(given, measure)
            for line in _histograms(group)
        ]
    )


def variants(given: VectorSet) -> pd.DataFrame:
    """Whether a few coordinates decide: the pooled statistics of the vectors as they are, without
    their mean, and without the coordinate that holds most of their squared length.

    Returns:
        The columns of `separations`, and before them `variant`, `coordinate` (the strongest one of
        what is compared) and `share` (of the squared length, that it holds).
    """
    place, _ = strongest(given.vectors)
    sets: dict[str, tuple[VectorSet, tuple[Measure, ...]]] = {
        "as they are": (given, ("cosine", "euclidean")),
        # Euclidean distances do not change when the same is subtracted from all.
        "mean subtracted": (prepared(given, centre=True), ("cosine",)),
        f"without coordinate {place}": (
            replace(given, vectors=np.delete(given.vectors, place, axis=1)),
            ("cosine", "euclidean"),
        ),
    }
    found = []
    for variant, (of_variant, measures) in sets.items():
        coordinate, share = strongest(of_variant.vectors)
        if coordinate >= place and variant.startswith("without"):
            coordinate += 1
        for measure in measures:
            table = separations(of_variant, measure)
            table = table[table["task"].isin((POOLED, MEAN))]
            lead = pd.DataFrame(
                {"variant": variant, "coordinate": coordinate, "share": share}, table.index
            )
            found.append(pd.concat([lead, table], axis=1))
    return pd.concat(found, ignore_index=True)


def _spread(kind: str, found: Floats) -> dict[str, float]:
    return {
        f"{kind}_pairs": len(found),
        f"{kind}_mean": found.mean() if len(found) else np.nan,
        f"{kind}_deviation": found.std(ddof=1) if len(found) > 1 else np.nan,
    }


def _mean(table: pd.DataFrame) -> pd.DataFrame:
    tasks, whole = table[table["task"] != POOLED], table[table["task"] == POOLED].iloc[0]
    row = whole.to_dict() | {"task": MEAN}
    spread = [name for name in table if str(name).endswith(("_mean", "_deviation"))]
    row |= {name: tasks[name].mean() for name in spread}
    for name in STATISTICS:
        found = mean_over_tasks(tasks[[name]].dropna(), lambda means: means[..., 0])
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return pd.DataFrame([row])


def _histograms(group: Pairs) -> Iterator[dict[str, object]]:
    if not len(group.near) + len(group.far):
        return
    edges = shared_edges(group.near, group.far)
    for kind, sample in (("within", group.near), ("between", group.far)):
        counts = np.histogram(sample, edges)[0]
        widths = np.diff(edges) * max(1, len(sample))
        for low, high, count, width in zip(edges[:-1], edges[1:], counts, widths, strict=True):
            yield {
                "kind": kind,
                "low": low,
                "high": high,
                "pairs": int(count),
                "density": count / width,
            }
