"""Rows of conflicting tasks written by hand, for tests of what is made from rows."""

from collections.abc import Sequence

import pandas as pd

from tvsight.experiments.conflicting_tasks import NAME
from tvsight.storage.schemas import schema

COLUMNS = schema(NAME).columns
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
    asked = queries or [f"query {number}" for number in range(n)]
    rows = []
    for procedure, rule, layer, (on_a, on_b) in (
        ("icl", None, None, icl),
        ("task_vector", "zero_shot", 2, zero_shot),
        ("task_vector", "conflict", 1, conflict),
    ):
        for number, query in enumerate(asked):
            for scored_as, space, right in (
                ("demonstrations", " ", number < on_a),
                ("patched", "", number >= n - on_b),
            ):
                rows.append(_row("test", procedure, rule, layer, scored_as, number, right))
                rows[-1]["query"] = space + query
    for number in range(DEV):
        rows.append(_row("dev", "baseline", None, None, "patched", number, True))
        rows.append(_row("dev", "icl", None, None, "demonstrations", number, number < 6))
        rows.append(_row("dev", "icl", None, None, "patched", number, number > 5))
        for (rule, scored_as), right in SWEPT.items():
            for layer, count in enumerate(right):
                is_right = number < count
                row = _row("dev", "task_vector", rule, layer, scored_as, number, is_right)
                rows.append(row)
    data = pd.DataFrame(rows).assign(model=model, task=pair, category="custom")
    return data[list(COLUMNS)].astype(COLUMNS)


def _row(
    split: str,
    procedure: str,
    rule: str | None,
    layer: int | None,
    scored_as: str,
    episode: int,
    correct: bool,
) -> dict[str, object]:
    position = None if layer is None else "last"
    return {
        "procedure": procedure,
        "split": split,
        "layer": layer,
        "layer_identified": None if rule is None else rule == "conflict",
        "read_position": position,
        "write_position": position,
        "episode": episode,
        "query": f"dev {episode}",
        "expected": " yes",
        "predicted": " yes",
        "correct": correct,
        "log_probability": -0.5,
        "margin": 1.0,
        "measured_on": "cpu",
        "scored_as": scored_as,
        "layer_rule": rule,
    }
