"""The columns of `rows.parquet` and the check of its rows, experiment by experiment.

docs/results.md describes each column.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tvsight.storage.checks import (
    check_central,
    check_effects,
    check_induction,
    check_method,
    check_projections,
)

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "str: model task category procedure split",
    "Int64?: layer",
    "boolean?: layer_identified",
    "str?: read_position write_position",
    "int64: episode",
    "str: query expected predicted",
    "bool: correct",
    "float64: log_probability margin",
    "str: measured_on",
)
"""Columns of scored predictions, in order."""
CONDITIONS = ("procedure", "layer")
SPELLINGS = "spellings"
"""The number of tokens that scores take for the right answer. Results whose rows lack it have
scores of one, the usual answer's first."""
EARLIER_SCORES = {"rank": "int64", "answer_gap": "float64", "icl_divergence": "float64"}
SCORE_TYPES = EARLIER_SCORES | {SPELLINGS: "int64"}
"""Columns that follow where they were measured. Results of schema version 1 lack them."""


@dataclass(frozen=True)
class Schema:
    """Columns of an experiment's rows."""

    declared: tuple[str, ...]
    """Types with the names of their columns, in order, such as `int64: layer head`. Columns of a
    type with a question mark may have empty cells."""
    conditions: tuple[str, ...] = CONDITIONS
    """Columns that tell apart what was measured on the same episodes: for each of their values that
    occur together on a split, every episode has one row. Without them rows are no predictions."""
    asks: tuple[str, ...] = ()
    """Columns that tell apart what one episode asks: for each of their values it has one query and
    one expected answer."""
    version: int = 1
    """Raised where an experiment measures more or otherwise. From 2 on it is a part of the
    identity, so that earlier results are measured again."""
    check: "Callable[[pd.DataFrame, Mapping[str, Any]], int | None] | None" = None
    """A further check of rows against the identity of their result. Raises `DamagedResult`; returns
    the number of blocks that were swept, where the rows say it."""

    @cached_property
    def columns(self) -> dict[str, str]:
        """Type by name, in order."""
        return {name: kind.rstrip("?") for kind, name in self._named()}

    @cached_property
    def nullable(self) -> frozenset[str]:
        """Columns that may have empty cells."""
        return frozenset(name for kind, name in self._named() if kind.endswith("?"))

    def _named(self) -> list[tuple[str, str]]:
        kinds = (text.split(": ") for text in self.declared)
        return [(kind, name) for kind, names in kinds for name in names.split()]

    def columns_with(self, names: Collection[str]) -> dict[str, str]:
        """The columns, and those of `SCORE_TYPES` that are among some names, by type, in order."""
        scores = SCORE_TYPES if self.conditions else {}
        return self.columns | {name: kind for name, kind in scores.items() if name in names}

    @property
    def widest(self) -> dict[str, str]:
        """All columns that a file may have, by type, in order."""
        return self.columns_with(SCORE_TYPES)


SCORED = Schema(COLUMNS)
"""Scored predictions of an experiment that has no schema of its own."""
COLUMN_TYPES = SCORED.columns
ANSWERS = (*COLUMNS, "float64: f1", "bool: first_word", "float64: answer_log_probability")
"""Columns of whole answers."""
SCHEMAS = {
    "main_results": Schema(COLUMNS, check=check_central),
    "methods": Schema(COLUMNS, check=check_method),
    "answers": Schema(ANSWERS, check=check_central),
    "method_answers": Schema(ANSWERS, check=check_method),
    "head_effects": Schema(
        (
            "str: model task category",
            "int64: episode",
            "str: query expected",
            "int64: layer head",
            "float64: effect log_effect probability log_probability",
            "str: measured_on",
        ),
        conditions=(),
        check=check_effects,
    ),
    "function_vectors": Schema(
        (
            *COLUMNS,
            "str: context",
            "Int64?: heads draw",
            "str?: layer_rule",
            "float64?: cosine cosine_centred",
        ),
        (*CONDITIONS, "context", "heads", "draw", "layer_rule"),
        version=2,
    ),
    "vector_settings": Schema(
        (*COLUMNS, "str?: setting operation heads_of", "Int64?: heads", "float64?: factor"),
        (*CONDITIONS, "setting", "operation", "heads_of", "heads", "factor"),
    ),
    "learned_vectors": Schema(
        (
            *COLUMNS,
            "str?: operation loss",
            "boolean?: chosen",
            "Int64?: steps",
            "float64?: fitted cosine norm_ratio",
        ),
        (*CONDITIONS, "operation", "loss"),
    ),
    "induction_scores": Schema(
        (
            "str: model task category definition",
            "int64: tokens copies sequences layer head",
            "float64: score deviation",
            "str: measured_on",
        ),
        conditions=(),
        check=check_induction,
    ),
    "heads": Schema(
        (*COLUMNS, "str?: replaced_by kind", "float64?: share", "Int64?: heads draw"),
        (*CONDITIONS, "replaced_by", "kind", "share", "heads", "draw"),
        version=2,
    ),
    "steering": Schema(
        (
            *COLUMNS,
            "str: context",
            "str?: method mode",
            "float64?: alpha",
            "boolean?: exact_once exact_every",
            "float64?: repeated_once repeated_every divergence",
        ),
        (*CONDITIONS, "context", "method", "mode", "alpha"),
        version=2,
    ),
    "controls": Schema((*COLUMNS, "str?: source"), (*CONDITIONS, "source"), version=2),
    "renamed_labels": Schema(
        (*COLUMNS, "str?: demonstrations layer_rule", "float64?: share", "str: scored_as"),
        (*CONDITIONS, "demonstrations", "layer_rule", "scored_as"),
        asks=("scored_as",),
    ),
    "conflicting_tasks": Schema(
        (*COLUMNS, "str: scored_as", "str?: layer_rule"),
        (*CONDITIONS, "scored_as", "layer_rule"),
        asks=("scored_as",),
    ),
    "templates": Schema(
        (
            *COLUMNS,
            "str?: extracted_under",
            "str: applied_under",
            "Int64?: dummy_queries",
            "str?: dummy_choice",
        ),
        (*CONDITIONS, "extracted_under", "applied_under", "dummy_queries", "dummy_choice"),
    ),
    "token_projections": Schema(
        (
            "str: model task category vector",
            "int64: draw layer",
            "str: kind",
            "float64: rank",
            "str?: token",
            "Int64?: token_id",
            "boolean?: is_answer",
            "float64: probability",
            "int64: tokens",
            "str: measured_on",
        ),
        conditions=(),
        check=check_projections,
    ),
}
"""By the name of the experiment."""
EPISODES = Schema(
    ("str: split", "int64: episode", "str: query", "words: accepted inputs answers dummies prompt")
)
"""Columns of `episodes.parquet`."""
TEXTS = ("task_data", "template", "episodes", "weights", "dtype", "division", "method")
NUMBERS = ("shots", "dummy_queries", "episodes_per_split", "seed", "scoring", "version")
MAPPINGS = ("sources", "source_episodes")
"""Fields of an identity, by kind, where it has them."""


def schema(experiment: str) -> Schema:
    """The schema of an experiment's rows."""
    return SCHEMAS.get(experiment, SCORED)
