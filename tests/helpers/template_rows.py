"""Rows of vectors under other templates, written by hand."""

import pandas as pd

from tests.helpers.example_rows import answer
from tvsight.experiments.templates import NAME
from tvsight.experiments.templates.numbers import VARIANT, by_variant
from tvsight.storage.schemas import schema

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
    shared = {"model": model, "task": task, "category": "custom"}
    rows: list[dict[str, object]] = []

    def add(columns: dict[str, object], right: int, layers: list[int | None]) -> None:
        rows.extend(
            shared | columns | answer("test", n, f"query {n}", n < right) | {"layer": layers[-1]}
            for n in range(N)
        )
        rows.extend(
            shared | columns | answer("dev", n, f"dev {n}", (block or 0) > 9) | {"layer": block}
            for block in layers
            for n in range(6)
        )

    for procedure, of in UNPATCHED.items():
        for applied, right in of.items():
            add({"procedure": procedure, "applied_under": applied}, right, [None])
    for variant, right in VECTORS.items():
        columns = dict(zip(VARIANT, variant, strict=True)) | {"procedure": "task_vector"}
        add(columns | {"layer_identified": layer > 9}, right - less, [0, layer])
    types = schema(NAME).columns
    return pd.DataFrame(rows).reindex(columns=list(types)).astype(types)


def two_tasks() -> pd.DataFrame:
    """The accuracies of two tasks, of which the second is worse and has another block."""
    rows = [variant_rows("one"), variant_rows("two", 4, 8)]
    return by_variant(pd.concat(rows, ignore_index=True))
