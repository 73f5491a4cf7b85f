"""The columns of `rows.parquet` and the check of its rows, experiment by experiment.

docs/results.md describes each column.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tvsight.storage.checks import (
    check_answers,
    check_central,
    check_effects,
    check_induction,
    check_method,
    check_method_answers,
    check_projections,
    nothing_more,
)

if TYPE_CHECKING:
    import pandas as pd

COLUMN_TYPES = {
    "model": "str",
    "task": "str",
    "category": "str",
    "procedure": "str",
    "split": "str",
    "layer": "Int64",
    "layer_identified": "boolean",
    "read_position": "str",
    "write_position": "str",
    "episode": "int64",
    "query": "str",
    "expected": "str",
    "predicted": "str",
    "correct": "bool",
    "log_probability": "float64",
    "margin": "float64",
    "measured_on": "str",
}
"""Columns of scored predictions, in order."""
SCORE_TYPES = {"rank": "int64", "answer_gap": "float64", "icl_divergence": "float64"}
"""Columns that follow where they were measured. Results of schema version 1 lack them."""
NULLABLE = frozenset({"layer", "layer_identified", "read_position", "write_position"})
"""Columns that are empty where no vector was applied."""


@dataclass(frozen=True)
class Schema:
    """Columns of an experiment's rows."""

    columns: dict[str, str]
    """Type by name, in order."""
    nullable: frozenset[str] = NULLABLE
    """Columns that may have empty cells."""
    conditions: tuple[str, ...] = ("procedure", "layer")
    """Columns that tell apart what was measured on the same episodes: for each of their values that
    occur together on a split, every episode has one row. Without them rows are no predictions."""
    asks: tuple[str, ...] = ()
    """Columns that tell apart what one episode asks: for each of their values it has one query and
    one expected answer."""
    version: int = 1
    """Raised where an experiment measures more or otherwise. From 2 on it is a part of the
    identity, so that earlier results are measured again."""
    check: "Callable[[pd.DataFrame, Mapping[str, Any]], int | None]" = nothing_more
    """A further check of rows against the identity of their result. Raises `DamagedResult`; returns
    the number of blocks that were swept, where the rows say it."""

    def columns_with(self, names: Collection[str]) -> dict[str, str]:
        """The columns, and those of `SCORE_TYPES` that are among some names, by type, in order."""
        scores = SCORE_TYPES if self.conditions else {}
        return self.columns | {name: kind for name, kind in scores.items() if name in names}


ANSWER_TYPES = COLUMN_TYPES | {
    "f1": "float64",
    "first_word": "bool",
    "answer_log_probability": "float64",
}
"""Columns of whole answers."""
SCORED = Schema(COLUMN_TYPES)
"""Scored predictions of an experiment that has no schema of its own."""
SCHEMAS = {
    "main_results": Schema(COLUMN_TYPES, check=check_central),
    "methods": Schema(COLUMN_TYPES, check=check_method),
    "answers": Schema(ANSWER_TYPES, check=check_answers),
    "method_answers": Schema(ANSWER_TYPES, check=check_method_answers),
    "head_effects": Schema(
        {
            "model": "str",
            "task": "str",
            "category": "str",
            "episode": "int64",
            "query": "str",
            "expected": "str",
            "layer": "int64",
            "head": "int64",
            "effect": "float64",
            "log_effect": "float64",
            "probability": "float64",
            "log_probability": "float64",
            "measured_on": "str",
        },
        frozenset(),
        (),
        check=check_effects,
    ),
    "function_vectors": Schema(
        {
            **COLUMN_TYPES,
            "context": "str",
            "heads": "Int64",
            "draw": "Int64",
            "layer_rule": "str",
            "cosine": "float64",
            "cosine_centred": "float64",
        },
        NULLABLE | {"heads", "draw", "layer_rule", "cosine", "cosine_centred"},
        ("procedure", "layer", "context", "heads", "draw", "layer_rule"),
        version=2,
    ),
    "induction_scores": Schema(
        {
            "model": "str",
            "task": "str",
            "category": "str",
            "definition": "str",
            "tokens": "int64",
            "copies": "int64",
            "sequences": "int64",
            "layer": "int64",
            "head": "int64",
            "score": "float64",
            "deviation": "float64",
            "measured_on": "str",
        },
        frozenset(),
        (),
        check=check_induction,
    ),
    "heads": Schema(
        {**COLUMN_TYPES, "kind": "str", "share": "float64", "heads": "Int64", "draw": "Int64"},
        NULLABLE | {"kind", "share", "heads", "draw"},
        ("procedure", "layer", "kind", "share", "heads", "draw"),
    ),
    "steering": Schema(
        {
            **COLUMN_TYPES,
            "context": "str",
            "method": "str",
            "mode": "str",
            "alpha": "float64",
            "exact_once": "boolean",
            "exact_every": "boolean",
            "repeated_once": "float64",
            "repeated_every": "float64",
            "divergence": "float64",
        },
        NULLABLE
        | {"method", "mode", "alpha", "exact_once", "exact_every"}
        | {"repeated_once", "repeated_every", "divergence"},
        ("procedure", "layer", "context", "method", "mode", "alpha"),
        version=2,
    ),
    "controls": Schema(
        {**COLUMN_TYPES, "source": "str"},
        NULLABLE | {"source"},
        ("procedure", "layer", "source"),
        version=2,
    ),
    "conflicting_tasks": Schema(
        {**COLUMN_TYPES, "scored_as": "str", "layer_rule": "str"},
        NULLABLE | {"layer_rule"},
        ("procedure", "layer", "scored_as", "layer_rule"),
        ("scored_as",),
    ),
    "templates": Schema(
        {
            **COLUMN_TYPES,
            "extracted_under": "str",
            "applied_under": "str",
            "dummy_queries": "Int64",
            "dummy_choice": "str",
        },
        NULLABLE | {"extracted_under", "dummy_queries", "dummy_choice"},
        ("procedure", "layer", "extracted_under", "applied_under", "dummy_queries", "dummy_choice"),
    ),
    "token_projections": Schema(
        {
            "model": "str",
            "task": "str",
            "category": "str",
            "vector": "str",
            "draw": "int64",
            "layer": "int64",
            "kind": "str",
            "rank": "float64",
            "token": "str",
            "token_id": "Int64",
            "is_answer": "boolean",
            "probability": "float64",
            "tokens": "int64",
            "measured_on": "str",
        },
        frozenset({"token", "token_id", "is_answer"}),
        (),
        check=check_projections,
    ),
}
"""By the name of the experiment."""
TEXTS = ("task_data", "template", "episodes", "weights", "dtype", "division", "method")
NUMBERS = ("shots", "dummy_queries", "episodes_per_split", "seed", "scoring", "version")
"""Fields of an identity, by kind, where it has them."""


def schema(experiment: str) -> Schema:
    """The schema of an experiment's rows."""
    return SCHEMAS.get(experiment, SCORED)
