"""What `rows.parquet` holds, experiment by experiment; docs/results.md says what each column is."""

from dataclasses import dataclass

from tvsight.experiments.conflicting_tasks import NAME as CONFLICTING_TASKS
from tvsight.experiments.controls import NAME as CONTROLS
from tvsight.experiments.templates import NAME as TEMPLATES
from tvsight.experiments.token_projections import NAME as TOKEN_PROJECTIONS

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
    occur together on a split, every episode has one row. None of them: rows are no predictions."""


SCORED = Schema(COLUMN_TYPES)
"""Scored predictions: the central comparison, and whatever has no schema of its own."""
SCHEMAS = {
    CONTROLS: Schema(
        {**COLUMN_TYPES, "source": "str"},
        NULLABLE | {"source"},
        ("procedure", "layer", "source"),
    ),
    CONFLICTING_TASKS: Schema(
        {**COLUMN_TYPES, "scored_as": "str", "layer_rule": "str"},
        NULLABLE | {"layer_rule"},
        ("procedure", "layer", "scored_as", "layer_rule"),
    ),
    TEMPLATES: Schema(
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
    TOKEN_PROJECTIONS: Schema(
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
    ),
}


def schema(experiment: str) -> Schema:
    """The schema of an experiment's rows."""
    return SCHEMAS.get(experiment, SCORED)
