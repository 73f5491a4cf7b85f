"""Distances between tasks' mean vectors, beside the accuracies with each other's vector."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tvsight.experiments.vector_clusters.numbers import between_tasks
from tvsight.protocol.vector_sets import VectorSet
from tvsight.statistics.geometry import Floats
from tvsight.statistics.matrices import rank_correlation
from tvsight.statistics.summaries import by_group
from tvsight.statistics.tests import SIGNIFICANCE

ALL, WITHIN = "all pairs", "within each task"
"""The two ways to rank pairs. Within the pairs of one asked task, it does not count that some tasks
are answered with many vectors, and others with none."""
PARTS = 5
"""Parts of equal size that pairs are divided into by distance, for means."""
MOST_NEAR, MOST_ACCURATE = 3, 4
"""Pairs that a figure names: the nearest, in both directions, and those with the most right
answers."""


def pairs(transfer: pd.DataFrame, sets: Sequence[VectorSet]) -> pd.DataFrame:
    """The ordered pairs of different tasks with their distance.

    Args:
        transfer: from `controls.numbers.transfer`.
        sets: the vectors of each model after one block.

    Returns:
        The columns of `transfer`, and `layer` (the block of the distance) and `distance`
        (Euclidean, of the mean vectors).
    """
    apart = pd.concat([between_tasks(given) for given in sets], ignore_index=True)
    return transfer.merge(apart.rename(columns={"other": "source"}))


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Correlate distance and accuracy over the pairs of each model, of tasks that are asked.

    Args:
        table: from `pairs`.

    Returns:
        A row per model and way to rank (`ALL`, `WITHIN`): `model`, `layer`, `ranked`, `tasks`,
        `pairs`, `correlation` (Spearman's), `_low` and `_high` from resampling tasks, and
        `correlation_p`, two-sided, from permuting tasks, and `significant`, whether that is below
        `SIGNIFICANCE`. NaN where it cannot be computed.
    """

    def ranks(model_rows: pd.DataFrame) -> dict[str, object]:
        apart, answered = (_matrix(model_rows, name) for name in ("distance", "accuracy"))
        correlation = rank_correlation(
            apart, answered, by_row=model_rows["ranked"].iloc[0] == WITHIN
        )
        return {
            "tasks": correlation.estimate.distinct,
            "pairs": correlation.estimate.n,
            **correlation.estimate.columns("correlation"),
            "correlation_p": correlation.p_value,
            "significant": correlation.p_value < SIGNIFICANCE,
        }

    both = pd.concat([table.assign(ranked=ranked) for ranked in (ALL, WITHIN)])
    return by_group(both, ["model", "layer", "ranked"], ranks, order=["model"])


def by_distance(table: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over the nearest fifth of each model's pairs, the next one, and so on.

    Args:
        table: from `pairs`.

    Returns:
        `model`, `part` (from 0), `pairs` (their number), `distance` and `accuracy` (means).
        Fewer than `PARTS` pairs have a part each.
    """

    def parts(distances: "pd.Series[float]") -> NDArray[np.int64]:
        """The part of each pair, in parts of equal size but for one pair."""
        count, place = min(PARTS, len(distances)), distances.rank(method="first").astype(int) - 1
        sizes = list(map(len, np.array_split(distances, count)))
        return np.repeat(np.arange(count), sizes)[place]

    def summary(part: pd.DataFrame) -> dict[str, object]:
        return {"pairs": len(part), **part[["distance", "accuracy"]].mean()}

    part = table.groupby("model", sort=False)["distance"].transform(parts)
    ordered = table.assign(part=part).sort_values("part", kind="stable")
    return by_group(ordered, ["model", "part"], summary, order=["model"])


def remarkable(model_rows: pd.DataFrame) -> pd.DataFrame:
    """The pairs of one model that a figure names, a selection of the rows of `pairs`."""
    near = model_rows.sort_values("distance", kind="stable").head(2 * MOST_NEAR)
    accurate = model_rows.sort_values("accuracy", ascending=False, kind="stable").head(
        MOST_ACCURATE
    )
    return model_rows.loc[near.index.union(accurate.index, sort=False)]


def _matrix(model_rows: pd.DataFrame, name: str) -> Floats:
    """A number of every ordered pair of tasks that are asked, `[tasks, tasks]`, task by source;
    the diagonal is 0."""
    tasks = list(dict.fromkeys(model_rows["task"]))
    grid = model_rows.pivot(index="task", columns="source", values=name)
    entries: Floats = grid.reindex(index=tasks, columns=tasks).fillna(0.0).to_numpy(dtype=float)
    return entries
