"""Rows of results written by hand, for tests of what is made from rows."""

from collections.abc import Sequence

import pandas as pd

from tvsight.storage.schemas import COLUMN_TYPES

PROCEDURES = ("baseline", "icl", "task_vector", "averaged_vector")


def task_rows(
    task: str,
    right: tuple[int, int, int, int],
    *,
    model: str = "a-model",
    category: str = "custom",
    n: int = 20,
    queries: Sequence[str] | None = None,
    layers: tuple[int, int] = (3, 4),
    identified: bool = True,
) -> pd.DataFrame:
    """`n` test episodes per procedure, the first `right[procedure]` of them right.

    Two dev episodes per procedure and layer are all right, so that whoever counts them is found.

    Args:
        right: correct answers of each of `PROCEDURES`.
        queries: of each test episode; all different unless given.
        layers: chosen for the task vector and the averaged vector.
    """
    asked = queries or [f"query {number}" for number in range(n)]
    shared = {"model": model, "task": task, "category": category}
    rows = []
    for procedure, count in zip(PROCEDURES, right, strict=True):
        vector = procedure.endswith("vector")
        of_procedure = shared | {
            "procedure": procedure,
            "layer_identified": identified if vector else None,
            "read_position": "last" if vector else None,
            "write_position": "last" if vector else None,
        }
        layer = layers[PROCEDURES.index(procedure) - 2] if vector else None
        rows += [
            of_procedure | answer("test", number, query, number < count) | {"layer": layer}
            for number, query in enumerate(asked)
        ]
        rows += [
            of_procedure | answer("dev", number, "dev query", True) | {"layer": block}
            for block in (range(6) if vector else [None])
            for number in range(2)
        ]
    return pd.DataFrame(rows)[list(COLUMN_TYPES)].astype(COLUMN_TYPES)


def answer(split: str, episode: int, query: str, correct: bool) -> dict[str, object]:
    """The columns of one scored prediction."""
    return {
        "split": split,
        "episode": episode,
        "query": query,
        "expected": " yes",
        "predicted": " yes" if correct else " no",
        "correct": correct,
        "log_probability": -0.5,
        "margin": 1.0,
        "measured_on": "cpu",
    }
