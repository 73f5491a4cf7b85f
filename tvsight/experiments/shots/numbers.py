"""Accuracy against the number of demonstrations, with intervals."""

from collections.abc import Sequence

import pandas as pd

from tvsight.experiments.main_results.numbers import by_task
from tvsight.output.procedures import CENTRAL
from tvsight.statistics.intervals import mean_difference, mean_of
from tvsight.statistics.tests import SIGNIFICANCE, holm

LAYERS = {"task_vector": "layer", "averaged_vector": "averaged_layer"}
"""The column of a task table with the chosen block of each vector procedure."""
TESTED = {"gains": "task_vector_minus_baseline", "lags": "icl_minus_task_vector"}
"""Differences of the task vector that are tested on every task."""


def by_shots(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each procedure: `main_results.numbers.by_task`, with `shots` in front.

    Args:
        rows: of the central comparison, with a column `shots`.
    """
    tables = [by_task(of_count).assign(shots=count) for count, of_count in rows.groupby("shots")]
    table = pd.concat(tables, ignore_index=True)
    return table[["shots", *(name for name in table if name != "shots")]]


def over_tasks(table: pd.DataFrame, methods: Sequence[str] = ()) -> pd.DataFrame:
    """Means over tasks, with 95 % bootstrap intervals over tasks.

    Only tasks that were measured with every number of demonstrations count, so that a line
    compares the same tasks along its whole length.

    Args:
        table: from `by_shots`.
        methods: those beside the central comparison.

    Returns:
        `model`, `shots`, `procedure`, `tasks` (their number); `accuracy` and `behind_icl` (how much
        more accurate ICL is, tasks paired; none for ICL), each with `_low` and `_high`; `layer`,
        the median of the chosen blocks (none without a vector); for the task vector `gains` and
        `lags`, the numbers of tasks where it beats the baseline, and ICL beats it, after Holm's
        correction for that many tests.
    """
    means = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        counts = of_model.groupby("task", observed=True)["shots"].nunique()
        complete = of_model["task"].map(counts) == of_model["shots"].nunique()
        for shots, group in of_model[complete].groupby("shots"):
            for procedure in (*CENTRAL, *methods):
                layer = group[LAYERS[procedure]].median() if procedure in LAYERS else None
                row = {
                    "model": model,
                    "shots": shots,
                    "procedure": procedure,
                    "tasks": len(group),
                    **mean_of(group, procedure).columns("accuracy"),
                    "layer": layer,
                }
                if procedure != "icl":
                    row |= mean_difference(group, "icl", procedure).columns("behind_icl")
                if procedure == "task_vector":
                    row |= {name: _significant(group, of) for name, of in TESTED.items()}
                means.append(row)
    table = pd.DataFrame(means)
    return table if table.empty else table.astype(dict.fromkeys(TESTED, "Int64"))


def _significant(group: pd.DataFrame, difference: str) -> int:
    return int((holm(group[f"{difference}_p"]) < SIGNIFICANCE).sum())
