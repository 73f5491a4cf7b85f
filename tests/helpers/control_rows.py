"""Rows of controls written by hand, and the central comparison of the same tasks."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import pandas as pd

from tests.helpers.example_rows import PAPER, run, stored, task_rows, typed
from tvsight.experiments.controls import NAME as CONTROLS
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.run.outcome import Outcome

N, LAYER, DEPTH = 20, 3, 6
RIGHT = {
    "no_op": 2,
    "random_vector": 0,
    "random_deviation": 1,
    "any_other_task": 4,
    "other_tasks_mean": 3,
    "shuffled_labels": 12,
    "icl_shuffled": 9,
}
ALONE = ("no_op", "random_vector", "shuffled_labels", "icl_shuffled")
"""Procedures that need no other task."""
CATEGORIES = {"one": "algorithmic", "two": "algorithmic", "three": "knowledge"}

Tables = tuple[pd.DataFrame, pd.DataFrame]
"""Rows of the central comparison, and rows of the controls."""


def control_rows(
    task: str,
    right: dict[str, int],
    sources: dict[str, int],
    category: str = "custom",
    dev: Mapping[str, int] = MappingProxyType({}),
) -> pd.DataFrame:
    """Rows of the controls of one task.

    On test `N` episodes per procedure, the first `right[procedure]` of them right, and for each
    source with its vector. On dev two episodes: of the controls after each of `DEPTH` blocks, both
    right after block `LAYER` alone; of each source `dev[source]` right, by default none.
    """
    shared = {"model": "a-model", "task": task, "category": category, "layer": LAYER}
    shared |= {"read_position": "last", "write_position": "last"}
    conditions: list[tuple[dict[str, Any], int]] = [
        *(({"procedure": name}, count) for name, count in right.items()),
        *(({"procedure": "mean_vector", "source": s}, count) for s, count in sources.items()),
    ]
    rows = [row for labels, count in conditions for row in run("test", N, count, **shared | labels)]
    asked = ["dev query"] * 2
    for name in right:
        for block in range(DEPTH) if name != "icl_shuffled" else ():
            swept = shared | {"procedure": name, "layer": block}
            rows += run("dev", 2, 2 * (block == LAYER), asked, **swept)
    for source in sources:
        labels = {"procedure": "mean_vector", "source": source}
        rows += run("dev", 2, dev.get(source, 0), asked, **shared | labels)
    for row in rows:
        if row["procedure"] == "icl_shuffled":
            row |= {"layer": None, "read_position": None, "write_position": None}
    return typed(rows, CONTROLS)


def central_rows(right: dict[str, int]) -> pd.DataFrame:
    """The central comparison of some tasks, by right answers of the task vector."""
    return pd.concat(
        [
            task_rows(task, (2, 18, count, 9), category=CATEGORIES[task], layers=(LAYER, 4))
            for task, count in right.items()
        ],
        ignore_index=True,
    )


@cache
def eighteen_tasks() -> Tables:
    central, rows = [], []
    for n, (task, category) in enumerate(PAPER.items()):
        right = (2, 18, 10 + n % 9, 9)
        central.append(task_rows(task, right, category=category, layers=(LAYER, 4)))
        sources = {other: (3 * n + m) % 14 for m, other in enumerate(PAPER)}
        rows.append(control_rows(task, RIGHT, sources, category))
    return pd.concat(central, ignore_index=True), pd.concat(rows, ignore_index=True)


def three_tasks() -> Tables:
    """Of the sources of `one`, `three` is best on dev and `two` on test."""
    vector = {"one": 16, "two": 12, "three": 5}
    sources = {
        "one": {"one": 15, "two": 10, "three": 0},
        "two": {"one": 12, "two": 11, "three": 2},
        "three": {"one": 0, "two": 0, "three": 6},
    }
    dev = {"one": {"one": 2, "three": 1}, "two": {"one": 1}, "three": {}}
    rows = [
        control_rows(task, RIGHT, sources[task], CATEGORIES[task], dev[task]) for task in vector
    ]
    return central_rows(vector), pd.concat(rows, ignore_index=True)


@cache
def one_task() -> Tables:
    right = {name: RIGHT[name] for name in ALONE}
    return central_rows({"one": 16}), control_rows("one", right, {"one": 15})


def outcome(central: pd.DataFrame, rows: pd.DataFrame | None = None) -> Outcome:
    """Rows as a run returns them: a result per task of each experiment."""
    return stored((MAIN_RESULTS, central), *([] if rows is None else [(CONTROLS, rows)]))
