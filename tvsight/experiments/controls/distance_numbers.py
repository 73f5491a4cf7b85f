"""Distances between tasks' mean vectors, beside the accuracies with each other's vector."""

from collections.abc import Sequence

import pandas as pd

from tvsight.experiments.vector_clusters.numbers import between_tasks
from tvsight.protocol.vector_sets import VectorSet
from tvsight.statistics.geometry import Floats
from tvsight.statistics.matrices import rank_correlation
from tvsight.statistics.summaries import by_group
from tvsight.tasks.overlap import word_lists

ALL, WITHIN = "all pairs", "within each task"
"""The two ways to rank pairs. Within the pairs of one asked task, it does not count that some tasks
are answered with many vectors, and others with none."""
LEAST_OWN = 0.2
"""A share of less accuracy than that with the own vector is no number."""
KEPT = 0.5
"""Share of the own accuracy with which another task's vector works in its place."""
MOST_NAMED = 3
"""Pairs of tasks without a common word list that a figure names."""


def pairs(transfer: pd.DataFrame, sets: Sequence[VectorSet]) -> pd.DataFrame:
    """The ordered pairs of different tasks with their distance.

    Args:
        transfer: from `controls.numbers.transfer`.
        sets: the vectors of each model after one block.

    Returns:
        The columns of `transfer`, and `layer` (the block of the distance), `distance` (Euclidean,
        of the mean vectors), `share` (the accuracy over that with the own vector, where that is at
        least `LEAST_OWN`), `works` (whether it is at least `KEPT`) and `twins` (whether the tasks
        have a word list in common).
    """
    apart = pd.concat([between_tasks(given) for given in sets], ignore_index=True)
    own = transfer.loc[transfer["task"] == transfer["source"], ["model", "task", "accuracy"]]
    table = transfer.merge(apart.rename(columns={"other": "source"}))
    table = table.merge(own.rename(columns={"accuracy": "own"}))
    names = sorted({*table["task"], *table["source"]})
    lists = dict(zip(names, word_lists(names), strict=True))
    share = (table["accuracy"] / table["own"]).where(table["own"] >= LEAST_OWN)
    twins = table["task"].map(lists) == table["source"].map(lists)
    return table.drop(columns="own").assign(share=share, works=share >= KEPT, twins=twins)


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Correlate distance and accuracy over the pairs of each model, of tasks that are asked.

    Args:
        table: from `pairs`.

    Returns:
        A row per model and way to rank (`ALL`, `WITHIN`): `model`, `layer`, `ranked`, `tasks`,
        `pairs`, `correlation` (Spearman's), `_low` and `_high` from resampling tasks, and
        `correlation_p`, two-sided, from permuting tasks. NaN where it cannot be computed.
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
        }

    both = pd.concat([table.assign(ranked=ranked) for ranked in (ALL, WITHIN)])
    return by_group(both, ["model", "layer", "ranked"], ranks, order=["model"])


def remarkable(model_rows: pd.DataFrame) -> pd.DataFrame:
    """The pairs of one model that a figure names, a selection of the rows of `pairs`: twins whose
    vectors work in each other's place, and the others that keep most."""
    working = model_rows[model_rows["works"]].sort_values("share", ascending=False, kind="stable")
    return pd.concat([working[working["twins"]], working[~working["twins"]].head(MOST_NAMED)])


def _matrix(model_rows: pd.DataFrame, name: str) -> Floats:
    """A number of every ordered pair of tasks that are asked, `[tasks, tasks]`, task by source;
    the diagonal is 0."""
    tasks = list(dict.fromkeys(model_rows["task"]))
    grid = model_rows.pivot(index="task", columns="source", values=name)
    return grid.reindex(index=tasks, columns=tasks).fillna(0.0).to_numpy(dtype=float)
