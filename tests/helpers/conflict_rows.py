"""Rows of conflicting tasks written by hand, for tests of what is made from rows."""

from collections.abc import Sequence

import pandas as pd

from tests.helpers.example_rows import answer, typed
from tvsight.experiments.conflicting_tasks import NAME

DEV = 8
SWEPT = {
    ("zero_shot", "patched"): (0, 6, 8),
    ("conflict", "demonstrations"): (8, 4, 2),
    ("conflict", "patched"): (0, 8, 4),
}
"""Right answers of `DEV` on dev, after each block."""


def pair_rows(
    pair: str = "one→two",
    icl: tuple[int, int] = (16, 1),
    zero_shot: tuple[int, int] = (8, 7),
    conflict: tuple[int, int] = (1, 15),
    *,
    model: str = "a-model",
    n: int = 20,
    queries: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rows of a pair: of `n` test episodes the first ones answer A, the last ones B.

    Args:
        icl, zero_shot, conflict: how many answer A and how many B, without a vector and with it
            after the block of each rule (2 and 1).
        queries: of each test episode; all different unless given.
    """
    rows: list[dict[str, object]] = []

    def add(split: str, right: Sequence[bool], scored_as: str, **columns: object) -> None:
        asked = [f"query {k}" for k in range(len(right))]
        if queries and split == "test":
            asked = list(queries)
        space = " " if scored_as == "demonstrations" else ""
        for number, is_right in enumerate(right):
            row = answer(split, number, space + asked[number], is_right)
            rows.append(row | {"scored_as": scored_as, **columns})

    for (on_a, on_b), columns in (
        (icl, {"procedure": "icl"}),
        (zero_shot, {"procedure": "task_vector", "layer_rule": "zero_shot", "layer": 2}),
        (conflict, {"procedure": "task_vector", "layer_rule": "conflict", "layer": 1}),
    ):
        add("test", [k < on_a for k in range(n)], "demonstrations", **columns)
        add("test", [k >= n - on_b for k in range(n)], "patched", **columns)
    add("dev", [True] * DEV, "patched", procedure="baseline")
    add("dev", [k < 6 for k in range(DEV)], "demonstrations", procedure="icl")
    add("dev", [k > 5 for k in range(DEV)], "patched", procedure="icl")
    for (rule, scored_as), counts in SWEPT.items():
        for layer, count in enumerate(counts):
            swept = {"procedure": "task_vector", "layer_rule": rule, "layer": layer}
            add("dev", [k < count for k in range(DEV)], scored_as, **swept)
    return typed(rows, NAME, model=model, task=pair, category="custom")
