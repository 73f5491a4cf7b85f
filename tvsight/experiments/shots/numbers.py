"""Accuracy against the number of demonstrations, with intervals."""

import pandas as pd

from tvsight.experiments.main_results.numbers import by_task
from tvsight.output.procedures import CENTRAL
from tvsight.statistics.intervals import mean_of

LAYERS = {"task_vector": "layer", "averaged_vector": "averaged_layer"}
"""Where a task table has the chosen block of each vector procedure."""


def by_shots(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each procedure: `main_results.numbers.by_task`, with `shots` in front.

    Args:
        rows: of the central comparison, with a column `shots`.
    """
    tables = [by_task(of_count).assign(shots=count) for count, of_count in rows.groupby("shots")]
    table = pd.concat(tables, ignore_index=True)
    return table[["shots", *(name for name in table if name != "shots")]]


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, with 95 % bootstrap intervals over tasks.

    Only tasks that were measured with every number of demonstrations count, so that a line
    compares the same tasks along its whole length.

    Args:
        table: from `by_shots`.

    Returns:
        `model`, `shots`, `procedure`, `tasks` (their number), `accuracy`, `accuracy_low`,
        `accuracy_high`, and `layer`, the median of the chosen blocks (none without a vector).
    """
    means = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        counts = of_model.groupby("task", observed=True)["shots"].nunique()
        complete = of_model["task"].map(counts) == of_model["shots"].nunique()
        for shots, group in of_model[complete].groupby("shots"):
            for procedure in CENTRAL:
                layer = group[LAYERS[procedure]].median() if procedure in LAYERS else None
                means.append(
                    {
                        "model": model,
                        "shots": shots,
                        "procedure": procedure,
                        "tasks": len(group),
                        **mean_of(group, procedure).columns("accuracy"),
                        "layer": layer,
                    }
                )
    return pd.DataFrame(means)
