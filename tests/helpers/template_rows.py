"""Rows of vectors under other templates, written by hand."""

import pandas as pd

from tests.helpers.example_rows import run, typed
from tvsight.experiments.templates import NAME
from tvsight.experiments.templates.numbers import VARIANT, by_variant

N = 20
UNPATCHED = {"baseline": {"arrow": 1, "example": 2}, "icl": {"arrow": 17, "example": 18}}
"""Correct answers of `N`, by template applied under."""
VECTORS = {
    ("arrow", "arrow", 2, "task"): 13,
    ("arrow", "example", 2, "task"): 10,
    ("example", "arrow", 2, "task"): 9,
    ("example", "example", 2, "task"): 14,
    ("example", "example", 8, "task"): 16,
    ("example", "example", 1, "task"): 12,
    ("example", "example", 1, "query"): 18,
    ("example", "example", 2, "foreign"): 6,
}


def variant_rows(task: str, less: int = 0, layer: int = 10, model: str = "a-model") -> pd.DataFrame:
    """Test rows with the numbers above less `less`, and dev rows by which a block above the ninth
    is identified."""
    rows: list[dict[str, object]] = []
    for procedure, of in UNPATCHED.items():
        for applied, right in of.items():
            columns: dict[str, object] = {"procedure": procedure, "applied_under": applied}
            rows += run("test", N, right, **columns) + run("dev", 6, 0, **columns)
    for variant, right in VECTORS.items():
        columns = dict(zip(VARIANT, variant, strict=True)) | {"procedure": "task_vector"}
        columns["layer_identified"] = layer > 9
        rows += run("test", N, right - less, layer=layer, **columns)
        for block in (0, layer):
            rows += run("dev", 6, 6 if block > 9 else 0, layer=block, **columns)
    return typed(rows, NAME, model=model, task=task, category="custom")


def two_tasks() -> pd.DataFrame:
    """The accuracies of two tasks, of which the second is worse and has another block."""
    rows = [variant_rows("one"), variant_rows("two", 4, 8)]
    return by_variant(pd.concat(rows, ignore_index=True))
