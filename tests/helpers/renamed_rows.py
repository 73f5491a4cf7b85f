"""Rows of renamed labels written by hand."""

from typing import Any

import pandas as pd

from tests.helpers.example_rows import run, typed
from tvsight.experiments.controls import RENAMED

N = 20
RIGHT = {
    ("icl", None): {"right": (16, 1), "renamed": (5, 10), "absent": (8, 2)},
    ("task_vector", "right"): {"right": (14, 1), "renamed": (9, 6), "absent": (9, 3)},
    ("task_vector", "renamed"): {"right": (6, 3), "renamed": (4, 9), "absent": (4, 4)},
}
"""Numbers of right and of renamed answers of `N`, by demonstrations."""
SHARE = 0.4
"""Of the demonstrations that show the query's answer. Those of the last episode do not."""


def renamed_rows(task: str, less: int = 0, category: str = "custom") -> pd.DataFrame:
    """Renamed labels of one task.

    Args:
        less: fewer renamed answers after renamed demonstrations, with every reader.
    """
    rows: list[dict[str, Any]] = []

    for kind, place in (("right", 0), ("renamed", 1)):
        rows += run("test", N, 0, procedure="baseline", scored_as=kind)
        for (procedure, rule), of in RIGHT.items():
            for demonstrations, counts in of.items():
                labels = {"procedure": procedure, "layer_rule": rule, "scored_as": kind}
                labels |= {"demonstrations": demonstrations, "layer": 3 if rule else None}
                count = counts[place] - less * (place == 1 and demonstrations == "renamed")
                for number, row in enumerate(run("test", N, count, **labels)):
                    seen = demonstrations != "absent" and number < N - 1
                    rows.append(row | {"share": SHARE if seen else 0.0})
    return typed(rows, RENAMED, model="a-model", task=task, category=category)
