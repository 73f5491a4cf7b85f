"""Numbers behind Figure 6: distances between task vectors, within tasks and between them."""

import re
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet
from tvsight.statistics.geometry import (
    Floats,
    Metric,
    between,
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
from tvsight.statistics.summaries import averaged

POOLED, MEAN = "pooled", "mean of tasks"
"""The names of two rows over all tasks: all distances together, each pair once; and the mean over
tasks of each task's statistic."""
BIN = ("low", "high", "pairs", "density")
STATISTICS = ("superiority", "cohens_d", "overlap")


class Pairs(NamedTuple):
    """Distances of one task, or of all."""

    task: str
    near: Floats
    """Within the task, each pair once, none of a vector to itself."""
    far: Floats
    """To the vectors of other tasks."""


def treated(given: VectorSet, measure: Metric) -> dict[str, VectorSet]:
    """The vectors as they are, and with the mean over tasks subtracted, which does not change
    Euclidean distances."""
    return {AS_THEY_ARE: given} | ({CENTRED: given.centred} if measure == "cosine" else {})


def pairs(given: VectorSet, matrix: Floats) -> list[Pairs]:
    """The distances of each task, in order, and then of all together (`POOLED`).

    Args:
        matrix: the distance of every vector to every other, `[n, n]`.
    """
    by_task = [
        Pairs(task, within(matrix, given.tasks == task), between(matrix, given.tasks == task))
        for task in given.names
    ]
    return [*by_task, Pairs(POOLED, *pooled(matrix, given.tasks))]


def separations(given: VectorSet, measure: Metric) -> pd.DataFrame:
    """Measure how far distances between tasks are above those within, by treatment of the vectors.

    Returns:
        Per treatment (`vectors`: `as they are`, `mean subtracted`) a row per task, `POOLED`, and
        `MEAN`: `model`, `layer`, `measure`, `vectors`, `category`, `task`,
        `n` (vectors), `units` (different queries); `within_pairs`, `within_mean`,
        `within_deviation`, the same `between_`; `superiority` (the probability that a distance
        between is above one within, the area under the ROC curve) with `_low` and `_high`;
        `cohens_d`; `overlap`. The
        row of the mean has intervals over tasks. NaN where a number cannot be computed.
    """
    parts = [
        _separations(compared, measure, treatment)
        for treatment, compared in treated(given, measure).items()
    ]
    return pd.concat(parts, ignore_index=True)


def _separations(given: VectorSet, measure: Metric, treatment: str) -> pd.DataFrame:
    matrix = distances(given.vectors, measure)
    lead = {"model": given.model, "layer": given.layer, "measure": measure, "vectors": treatment}
    rows = []
    for task, near, far in pairs(given, matrix):
        own = (task == POOLED) | (given.tasks == task)
        low, high = superiority_interval(matrix, own, given.clusters)
        rows.append(
            {
                **{**lead, "category": given.category.get(task, ""), "task": task},
                **{"n": int(own.sum()), "units": len(set(given.clusters[own]))},
                **_spread("within", near),
                **_spread("between", far),
                "superiority": superiority(near, far),
                **{"superiority_low": low, "superiority_high": high},
                **{"cohens_d": cohens_d(near, far), "overlap": overlap(near, far)},
            }
        )
    table = pd.DataFrame(rows)
    tasks, whole = table[table["task"] != POOLED], table[table["task"] == POOLED]
    mean = whole.assign(task=MEAN)
    for name in filter(re.compile("_(mean|deviation)$").search, map(str, table)):
        mean[name] = tasks[name].mean()
    for name in STATISTICS:
        mean = mean.assign(**averaged(tasks.dropna(subset=name), [name]))
    return pd.concat([table, mean], ignore_index=True)


def densities(given: VectorSet, measure: Metric) -> pd.DataFrame:
    """The histograms that are drawn.

    Returns:
        A row per treatment, kind of distance and bin, all tasks together: `model`, `layer`,
        `measure`, `vectors`, `kind` (`within` or `between`), `low` and `high` edge, `pairs`,
        `density` (whose area over the bins of a kind is 1).
    """
    rows: list[dict[str, Any]] = []
    for treatment, compared in treated(given, measure).items():
        near, far = pooled(distances(compared.vectors, measure), given.tasks)
        edges = shared_edges(near, far) if len(near) + len(far) else np.empty(0)
        for kind, sample in (("within", near), ("between", far)):
            counts: Any = np.histogram(sample, edges)[0] if len(edges) else []
            density = counts / (np.diff(edges) * max(1, len(sample)))
            lead = {"model": given.model, "layer": given.layer, "measure": measure}
            lead |= {"vectors": treatment, "kind": kind}
            bins = zip(edges[:-1], edges[1:], counts, density, strict=True)
            rows += [lead | dict(zip(BIN, values, strict=True)) for values in bins]
    return pd.DataFrame(rows)


def variants(given: VectorSet) -> pd.DataFrame:
    """The statistics over all tasks of the vectors as they are, without their mean, and without the
    coordinate that holds most of their squared length: they tell whether few coordinates decide.

    Returns:
        The columns of `separations`, and before them `variant`, `coordinate` (the strongest one of
        the vectors that are compared) and `share` (of the squared length that it holds).
    """
    strong, share = strongest(given.vectors)
    centre = given.centred
    rest = replace(given, vectors=np.delete(given.vectors, strong, axis=1))
    next_strong, next_share = strongest(rest.vectors)
    next_strong += next_strong >= strong  # its number among all coordinates
    without = f"without coordinate {strong}"
    # Euclidean distances do not change when the same is subtracted from all.
    tables = [
        _variant(AS_THEY_ARE, strong, share, given, "cosine"),
        _variant(AS_THEY_ARE, strong, share, given, "euclidean"),
        _variant(CENTRED, *strongest(centre.vectors), centre, "cosine"),
        _variant(without, next_strong, next_share, rest, "cosine"),
        _variant(without, next_strong, next_share, rest, "euclidean"),
    ]
    return pd.concat(tables, ignore_index=True)


def _variant(
    name: str, coordinate: int, share: float, given: VectorSet, measure: Metric
) -> pd.DataFrame:
    table = _separations(given, measure, name).drop(columns="vectors")
    table = table[table["task"].isin((POOLED, MEAN))]
    lead = {"variant": name, "coordinate": coordinate, "share": share}
    return pd.concat([pd.DataFrame(lead, table.index), table], axis=1)


def _spread(kind: str, found: Floats) -> dict[str, float]:
    return {
        f"{kind}_pairs": len(found),
        f"{kind}_mean": found.mean() if len(found) else np.nan,
        f"{kind}_deviation": found.std(ddof=1) if len(found) > 1 else np.nan,
    }
