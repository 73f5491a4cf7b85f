"""What one measurement gives, and what a run, or the store, has to show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from torch import Tensor


class Measured(NamedTuple):
    """What is stored of one request."""

    rows: pd.DataFrame
    vectors: "dict[str, Tensor] | None" = None
    """None, or empty, where none were wanted."""
    notes: dict[str, Any] | None = None
    """What its manifest says besides."""


@dataclass
class Outcome:
    """Rows, where they are stored, and what is missing."""

    rows: list[pd.DataFrame] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Message by `model / task`."""
    paths: dict[tuple[str, str], Path] = field(default_factory=dict)
    """Folder in the store, by model and task."""
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    """What tables say beneath, by model and task."""

    @property
    def table(self) -> pd.DataFrame:
        """All rows in one data frame."""
        return pd.concat(self.rows, ignore_index=True)

    def of(self, model: str) -> "Outcome":
        """The part of it that is of one model."""
        return Outcome(
            [rows for rows in self.rows if rows["model"].iloc[0] == model],
            {name: why for name, why in self.failures.items() if name.startswith(f"{model} / ")},
            {key: path for key, path in self.paths.items() if key[0] == model},
            {key: note for key, note in self.notes.items() if key[0] == model},
        )

    def renamed(self, labels: Mapping[str, str]) -> "Outcome":
        """The same with other names of models, where `labels` has them."""
        if not labels:
            return self
        rows = [of_one.assign(model=of_one["model"].replace(dict(labels))) for of_one in self.rows]
        paths = {(labels.get(model, model), task): p for (model, task), p in self.paths.items()}
        return Outcome(rows, self.failures, paths)


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """Several outcomes as one."""
    whole = Outcome()
    for outcome in outcomes:
        whole.rows += outcome.rows
        whole.failures |= outcome.failures
        whole.paths |= outcome.paths
        whole.notes |= outcome.notes
    return whole
