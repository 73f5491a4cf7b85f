"""Accuracies of several methods side by side, with intervals and paired differences."""

import pandas as pd

from tvsight.output.procedures import CENTRAL
from tvsight.statistics import summaries
from tvsight.statistics.counts import solved
from tvsight.statistics.summaries import beside, gap, identified, sizes
from tvsight.tasks.overlap import word_lists

REFERENCE = "task_vector"
"""The method that others are compared with."""
WITHOUT_VECTOR = ("baseline", "icl")


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

    def lead(task_rows: pd.DataFrame, run: pd.DataFrame) -> dict[str, object]:
        name = run["procedure"].iloc[0]
        if name in WITHOUT_VECTOR:
            return {**sizes(run), "layer": None, "layer_identified": None}
        dev = task_rows[task_rows["split"] == "dev"]
        swept, unpatched = (dev[dev["procedure"] == of] for of in (name, "baseline"))
        known = identified(swept, unpatched)["layer_identified"]
        return {**sizes(run), "layer": int(run["layer"].iloc[0]), "layer_identified": known}

    def tested(task_rows: pd.DataFrame, name: str) -> pd.DataFrame:
        return task_rows[(task_rows["split"] == "test") & (task_rows["procedure"] == name)]

    contrasts: dict[str, summaries.Contrast] = {
        "over_baseline": lambda task_rows, run: (run, tested(task_rows, "baseline")),
        "behind_vector": lambda task_rows, run: (tested(task_rows, REFERENCE), run),
    }
    table = summaries.by_task(rows, ["procedure"], contrasts, lead)
    table = table.astype({"layer": "Int64", "layer_identified": "boolean"})
    return summaries.adjusted(table, list(contrasts), "procedure")


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the tasks that have every procedure: one row per model and procedure.

    Args:
        table: from `by_task`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: `accuracy`, `recovered_gap`,
        `behind_vector` (the task vector's lead, tasks paired); `layer`, the median of the chosen
        blocks; `beats_baseline`, `beaten_by_vector` (the numbers of tasks where it beats
        the baseline, and the task vector beats it, after Holm's correction) and `identified` (where
        its layer is; none without a vector).
    """
    every = table.groupby("model")["procedure"].transform("nunique")
    complete = table.groupby(["model", "task"])["procedure"].transform("nunique") == every

    def more(run: pd.DataFrame) -> dict[str, object]:
        return {
            "layer": run["layer"].median(),
            "identified": run["layer_identified"].sum(min_count=1),
        }

    means: dict[str, summaries.Mean] = {
        **{"accuracy": "accuracy", "recovered_gap": gap()},
        "behind_vector": (REFERENCE, "accuracy"),
    }
    known = beside(table, {name: (name, "accuracy") for name in (*WITHOUT_VECTOR, REFERENCE)})
    counts = {"beats_baseline": "over_baseline_p_holm", "beaten_by_vector": "behind_vector_p_holm"}
    known = known.assign(solved=solved(known))
    means_table = summaries.over_tasks(
        known[complete], ["procedure"], means, counts, more, word_lists
    )
    return means_table.astype({"identified": "Int64"})
