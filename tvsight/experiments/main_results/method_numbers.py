"""Accuracies of several methods side by side, with intervals and paired differences."""

import pandas as pd

from tvsight.experiments.main_results.layers import layer_p
from tvsight.experiments.rows import difference_columns
from tvsight.output.procedures import CENTRAL
from tvsight.statistics.intervals import accuracy, mean_difference, mean_of, mean_over_tasks
from tvsight.statistics.intervals import recovered_gap as gap
from tvsight.statistics.tests import SIGNIFICANCE, with_holm

VECTOR = "task_vector"
"""The method that others are compared with."""
UNPATCHED = ("baseline", "icl")
KEYS = ["model", "task"]


def further(rows: pd.DataFrame) -> list[str]:
    """The methods in some rows beside those of the central comparison."""
    return [str(name) for name in rows["procedure"].unique() if name not in CENTRAL]


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of every procedure: one row per model, task and procedure.

    Args:
        rows: of the central comparison with those of further methods.

    Returns:
        `model`, `category`, `task`, `procedure`, `n` (episodes), `queries`, `layer`,
        `layer_identified` (see `layers.layer_p`; both none without a vector), `accuracy`,
        `over_baseline` and `behind_vector` (by how much it is better than the baseline, and the
        task vector than it, paired), each with `_low` and `_high`; and `over_baseline_p`,
        `behind_vector_p`, one-sided, by permuting queries, with `_holm`, adjusted for the tasks of
        the model and procedure.
    """
    found = []
    for _, of_task in rows.groupby(KEYS, sort=False, observed=True):
        dev, test = (of_task[of_task["split"] == split] for split in ("dev", "test"))
        by_procedure = dict(list(test.groupby("procedure", sort=False, observed=True)))
        baseline, vector = by_procedure["baseline"], by_procedure[VECTOR]
        for name, run in by_procedure.items():
            row = {column: run[column].iloc[0] for column in ("model", "category", "task")}
            row |= {"procedure": name, "n": len(run), "queries": run["query"].nunique()}
            row |= {"layer": None, "layer_identified": None}
            if name not in UNPATCHED:
                swept = dev[dev["procedure"] == name]
                p_value = layer_p(swept, dev[dev["procedure"] == "baseline"])
                row["layer"] = int(run["layer"].iloc[0])
                row["layer_identified"] = p_value < SIGNIFICANCE
            row |= accuracy(run["correct"], run["query"]).columns("accuracy")
            row |= difference_columns(run, baseline, "over_baseline")
            row |= difference_columns(vector, run, "behind_vector")
            found.append(row)
    table = pd.DataFrame(found).astype({"layer": "Int64", "layer_identified": "boolean"})
    return with_holm(table, ["over_baseline_p", "behind_vector_p"], ["model", "procedure"])


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the tasks that have every procedure: one row per model and procedure.

    Args:
        table: from `by_task`.

    Returns:
        `model`, `procedure`, `tasks` (their number); `accuracy`, `recovered_gap`, `behind_vector`
        (the task vector's lead, tasks paired), each with `_low` and `_high`; `layer`, the median of
        the chosen blocks; `beats_baseline`, `beaten_by_vector` (the numbers of tasks where it beats
        the baseline, and the task vector beats it, after Holm's correction) and `identified` (where
        its layer is; none without a vector).
    """
    found = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        wide = of_model.pivot(index="task", columns="procedure", values="accuracy")
        # In the order of all tables, so that the bootstrap draws the same tasks as there.
        wide = wide.loc[of_model["task"].unique()].dropna()
        for name in of_model["procedure"].unique():
            of_name = of_model[(of_model["procedure"] == name) & of_model["task"].isin(wide.index)]
            row = {"model": model, "procedure": name, "tasks": len(wide)}
            row |= mean_of(wide, name).columns("accuracy")
            ends = wide[["baseline", "icl", name]]
            row |= mean_over_tasks(ends, gap).columns("recovered_gap")
            row |= mean_difference(wide, VECTOR, name).columns("behind_vector")
            row |= {
                "layer": of_name["layer"].median(),
                "beats_baseline": int((of_name["over_baseline_p_holm"] < SIGNIFICANCE).sum()),
                "beaten_by_vector": int((of_name["behind_vector_p_holm"] < SIGNIFICANCE).sum()),
                "identified": of_name["layer_identified"].sum(min_count=1),
            }
            found.append(row)
    return pd.DataFrame(found).astype({"identified": "Int64"})
