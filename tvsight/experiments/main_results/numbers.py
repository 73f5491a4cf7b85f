"""Accuracies by task and means over tasks, with intervals."""

from collections.abc import Callable, Sequence

import pandas as pd

from tvsight.output.labels import NOT_IDENTIFIED, interval
from tvsight.output.procedures import CENTRAL, COMPARED, title
from tvsight.statistics.intervals import (
    accuracy,
    mean_of,
    mean_over_tasks,
    recovered_gap,
    share_of_icl,
)
from tvsight.statistics.tests import better_than

SIGNIFICANCE = 0.05
"""Level of the test by which a layer counts as identified; see `layer_is_identified`."""
MIN_ICL_GAIN = 0.20
"""The paper's rule: a task whose ICL accuracy gains less than this over the baseline shows
nothing to recover, and is dropped from Figure 4."""


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each procedure with its interval: one row per model and task."""
    test = rows[rows["split"] == "test"]
    summaries = [
        _task_summary(group)
        for _, group in test.groupby(["model", "task"], sort=False, observed=True)
    ]
    return pd.DataFrame(summaries)


def over_tasks(table: pd.DataFrame, subset: str = "all") -> pd.DataFrame:
    """Means over tasks and recovered shares, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`, or the paper's numbers from `paper_by_task`.
        subset: one of `SUBSETS`.

    Returns:
        One row per model: `tasks` (their number) and, for each procedure, `share_of_icl` and
        `recovered_gap`, the value and its `_low` and `_high`.
    """
    chosen = table[SUBSETS[subset](table)]
    return pd.DataFrame(
        [
            {"model": model, "subset": subset, "tasks": len(group), **_means(group)}
            for model, group in chosen.groupby("model", sort=False, observed=True)
        ]
    )


def gains_from_icl(table: pd.DataFrame) -> pd.Series:
    """Which rows of a task table pass the paper's rule on ICL's gain over the baseline."""
    return (table["icl"] - table["baseline"]).round(9) >= MIN_ICL_GAIN


def layer_is_identified(patched: Sequence[bool], baseline: Sequence[bool]) -> bool:
    """Whether the best dev layer answers better than no patch at all, on the same dev queries.

    Where the zero-shot baseline is as good, an early block wins although nothing was transferred
    there, and the accuracy at that block says nothing about task vectors.
    """
    return better_than(patched, baseline) < SIGNIFICANCE


def models_without_icl(table: pd.DataFrame) -> list[str]:
    """Models of a task table whose demonstrations help on no task: something is likely wrong."""
    helped = (table["icl"] > table["baseline"]).groupby(table["model"], sort=False).any()
    return [str(model) for model, any_task in helped.items() if not any_task]


SUBSETS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "all": lambda table: pd.Series(True, index=table.index),
    "layer identified": lambda table: table["layer_identified"].astype(bool),
    "ICL gains": gains_from_icl,
}
"""Which tasks a mean is over."""


def _task_summary(group: pd.DataFrame) -> dict[str, object]:
    first = group.iloc[0]
    vector = group[group["procedure"] == "task_vector"]
    averaged = group[group["procedure"] == "averaged_vector"]
    summary: dict[str, object] = {
        "model": first["model"],
        "task": first["task"],
        "category": first["category"],
        "n": len(vector),
        "queries": vector["query"].nunique(),
        "layer": int(vector["layer"].iloc[0]),
        "averaged_layer": int(averaged["layer"].iloc[0]),
        "layer_identified": bool(vector["layer_identified"].iloc[0]),
    }
    for procedure in CENTRAL:
        asked = group[group["procedure"] == procedure]
        summary |= accuracy(asked["correct"], asked["query"]).columns(procedure)
    return summary


def _means(group: pd.DataFrame) -> dict[str, float]:
    columns: dict[str, float] = {}
    for procedure in CENTRAL:
        if procedure in group:
            columns |= mean_of(group, procedure).columns(procedure)
    compared = group[list(COMPARED)]
    columns |= mean_over_tasks(compared, share_of_icl).columns("share_of_icl")
    columns |= mean_over_tasks(compared, recovered_gap).columns("recovered_gap")
    return columns


def means(table: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks and recovered shares: ours by subset of tasks, then the paper's models.

    Args:
        table, paper: from `by_task` and `paper_by_task`.

    Returns:
        The columns of `over_tasks`, and `source`: `tvsight` or `paper`.
    """
    pooled = paper.assign(model="All seven")
    theirs = [over_tasks(numbers, "all").assign(source="paper") for numbers in (paper, pooled)]
    ours = [over_tasks(table, subset).assign(source="tvsight") for subset in SUBSETS]
    known = [of_subset for of_subset in (*ours, *theirs) if "tasks" in of_subset]
    return pd.concat(known, ignore_index=True)


def bars(table: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """The means of Figure 4, over the tasks where ICL gains: our models, then the paper's.

    Returns:
        The columns of `over_tasks`, and `paper`: whether the paper reports the model.
    """
    ours = over_tasks(table, "ICL gains").assign(paper=False)
    theirs = over_tasks(paper, "ICL gains").assign(paper=True)
    return pd.concat([ours, theirs], ignore_index=True)


def task_line(rows: pd.DataFrame) -> str:
    """The central comparison of one task in a line."""
    summary = by_task(rows).iloc[0]
    parts = [f"{title(name)} {interval(summary, name)}" for name in COMPARED]
    mark = "" if summary["layer_identified"] else f" ({NOT_IDENTIFIED})"
    return (
        f"{'  '.join(parts)}  block {summary['layer']}{mark}  n {summary['n']} "
        f"({summary['queries']} queries)"
    )
