"""Rows of learned vectors written by hand."""

from typing import Any

import pandas as pd

from tests.helpers.example_rows import run, typed
from tvsight.experiments.learned_vectors import NAME

N = 20
BLOCKS = 4
UNPATCHED = {"baseline": 2, "icl": 18}
EXTRACTED = {"overwrite": (4, 10, 6, 0), "add": (0, 6, 4, 0)}
"""Numbers of right answers of `N`, after each block. The second is chosen."""
LEARNED = {
    ("overwrite", "answer"): {1: 16, 3: 4},
    ("add", "answer"): {1: 12, 2: 14},
    ("overwrite", "icl"): {1: 15, 3: 3},
    ("add", "icl"): {1: 11, 2: 13},
    ("overwrite", "permuted"): {1: 2},
    ("add", "permuted"): {2: 1},
}
"""The same after the blocks where vectors are learned. The best is chosen."""
OF_TRAINING = {"steps": 40, "fitted": 0.75, "cosine": 0.5, "norm_ratio": 1.5}


def learned_rows(task: str, less: int = 0, category: str = "custom") -> pd.DataFrame:
    """Extracted and learned vectors of one task. The first answer of test is one of dev.

    Args:
        less: fewer right answers of learned vectors.
    """
    rows: list[dict[str, Any]] = []

    def add(count: int, **labels: Any) -> None:
        own = run("test", N, max(0, count), **labels)
        rows.extend(row | {"expected": f" {number}"} for number, row in enumerate(own))

    for procedure, count in UNPATCHED.items():
        add(count, procedure=procedure)
    rows += [row | {"expected": " 0"} for row in run("dev", 6, 0, procedure="baseline")]
    for use, counts in EXTRACTED.items():
        vector = {"procedure": "own_mean", "operation": use, "layer_identified": True}
        for layer, count in enumerate(counts):
            add(count, **vector, layer=layer, chosen=layer == 1)
            rows += run("dev", 6, 5 if layer == 1 else 0, **vector, layer=layer)
    for (use, loss), known in LEARNED.items():
        vector = {"procedure": "learned_vector", "operation": use, "loss": loss, **OF_TRAINING}
        for layer, count in known.items():
            add(count - less, **vector, layer=layer, chosen=count == max(known.values()))
    return typed(rows, NAME, model="a-model", task=task, category=category)
