"""Accuracy against the number of demonstrations, with intervals."""

from collections.abc import Sequence

import pandas as pd

from tvsight.experiments.main_results.numbers import by_task
from tvsight.output.procedures import CENTRAL
from tvsight.statistics import summaries
from tvsight.statistics.counts import counted, solved
from tvsight.statistics.tests import with_holm
from tvsight.tasks.overlap import word_lists

LAYERS = {"task_vector": "layer", "averaged_vector": "averaged_layer"}
"""The column of a task table with the chosen block of each vector procedure."""
TESTED = {"gains": "task_vector_minus_baseline", "lags": "icl_minus_task_vector"}
"""Differences of the task vector that are tested on every task."""


def by_shots(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each procedure: `main_results.numbers.by_task`, with `shots` in front.

    Args:
        rows: of the central comparison, with a column `shots`.
    """
    tables = {count: by_task(count_rows) for count, count_rows in rows.groupby("shots")}
    return pd.concat(tables, names=["shots"]).reset_index("shots").reset_index(drop=True)


def over_tasks(table: pd.DataFrame, methods: Sequence[str] = ()) -> pd.DataFrame:
    """Means over tasks, with 95 % bootstrap intervals over tasks.

    Only tasks that were measured with every number of demonstrations count, so that a line
    compares the same tasks along its whole length.

    Args:
        table: from `by_shots`.
        methods: those beside the central comparison.

    Returns:
        The columns of `summaries.over_tasks` with word lists, by `shots` and `procedure`:
        `accuracy`, `behind_icl` (how much more accurate ICL is, tasks paired; none for ICL) and
        `growth` (its accuracy with the most demonstrations minus this); `layer`, the median of the
        chosen blocks (none without a vector); for the task vector `gains` and `lags`, the numbers
        of tasks where it beats the baseline, and ICL beats it, after Holm's correction for that
        many tests.
    """
    task_counts = table.groupby(["model", "task"], observed=True)["shots"].transform("nunique")
    every = table.groupby("model", observed=True)["shots"].transform("nunique")
    procedures = (*CENTRAL, *methods)
    complete = table[task_counts == every]
    complete = with_holm(
        complete.assign(solved=solved(complete)),
        [f"{of}_p" for of in TESTED.values()],
        ["model", "shots"],
    )
    by_procedure = summaries.long(
        complete,
        procedures,
        behind_icl={name: "icl" for name in procedures if name != "icl"},
        block=LAYERS,
    ).sort_values("shots", kind="stable")
    same = by_procedure.groupby(["model", "task", "procedure"], observed=True)["accuracy"]
    by_procedure["most"] = same.transform("last")

    def more(run: pd.DataFrame) -> dict[str, object]:
        is_vector = run["procedure"].iloc[0] == "task_vector"
        counts = {name: f"{of}_p_holm" for name, of in TESTED.items() if is_vector}
        layer = {"layer": run["block"].median()}
        return {**layer, **dict.fromkeys(TESTED), **counted(run, counts)}

    quantities: dict[str, summaries.Mean] = {
        **{"accuracy": "accuracy", "behind_icl": ("behind_icl", "accuracy")},
        "growth": ("most", "accuracy"),
    }
    means = summaries.over_tasks(
        by_procedure, ["shots", "procedure"], quantities, more=more, lists=word_lists
    )
    return means if means.empty else means.astype(dict.fromkeys(TESTED, "Int64"))
