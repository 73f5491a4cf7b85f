"""The results of an analysis, and the reasons why others are missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tvsight.output.coverage import Coverage
from tvsight.output.labels import cut_note, display_name, shared_note, task_title
from tvsight.prompts.replay import REPLAYED, remarks
from tvsight.storage.manifests import Key
from tvsight.storage.store import Store
from tvsight.tasks import in_order

if TYPE_CHECKING:
    from torch import Tensor


class Measured(NamedTuple):
    """The measurement of one request, as it is stored."""

    rows: pd.DataFrame
    vectors: "dict[str, Tensor] | None" = None
    """None, or empty, where no vectors are stored."""
    notes: dict[str, Any] | None = None
    """Further entries of its manifest."""
    episodes: pd.DataFrame | None = None
    """Its episodes, from `storage.episode_tables`; None where they are not stored."""


@dataclass(frozen=True)
class Stored:
    """One result of the store, with its rows."""

    key: Key
    path: Path
    """The folder of the result, relative to the results folder."""
    rows: pd.DataFrame
    note: str = ""
    """A remark that tables print beneath."""
    method: str = ""
    """The method whose vector was measured; empty for the task vector."""

    @classmethod
    def read(cls, store: Store, path: Path) -> "Stored":
        """The result in a folder of a store, verified.

        Raises:
            DamagedResult: when it is not what its manifest says.
            LaterVersion: when that is so of a result that a later tvsight wrote.
        """
        manifest = store.verified(path, keep_rows=True)
        notes = [
            *remarks(manifest.get(REPLAYED)),
            shared_note(manifest.get("shared_first_token")),
            cut_note(manifest.get("cut_answers")),
        ]
        identity = manifest["identity"]
        key, note = Key(identity["model"], identity["task"]), "; ".join(filter(None, notes))
        return cls(key, path, store.rows(path), note, identity.get("method", ""))

    @property
    def experiment(self) -> str:
        """The experiment that measured it."""
        return self.path.parts[0]


@dataclass
class Outcome:
    """Stored results, and the reasons why others are missing."""

    results: list[Stored] = field(default_factory=list)
    failures: dict[Key, str] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """The rows of all results in one data frame."""
        return pd.concat([result.rows for result in self.results], ignore_index=True)

    @property
    def notes(self) -> dict[Key, str]:
        """The remarks on results that have one."""
        return {result.key: result.note for result in self.results if result.note}

    @property
    def note_cells(self) -> list[pd.DataFrame]:
        """A table of the remarks, to print below the others; none without remarks."""
        rows = [
            {"Model": display_name(key.model), "Task": task_title(key.task), "Note": note}
            for key, note in self.notes.items()
        ]
        return [pd.DataFrame(rows)] if rows else []

    @property
    def whole_models(self) -> set[str]:
        """The models that have results of every experiment here, those of further methods aside.
        An analysis draws these: others lack what it is about."""
        models: dict[str, set[str]] = {}
        for result in self.results:
            if not result.method:
                models.setdefault(result.experiment, set()).add(result.key.model)
        return set.intersection(*models.values()) if models else set()

    @property
    def coverage(self) -> Coverage:
        """How much is drawn of them."""
        drawn = {result.path: (result.experiment, *result.key) for result in self.results}
        whole = self.whole_models
        return Coverage.of(of for of in drawn.values() if not whole or of[1] in whole)

    def stored_coverage(self, store: Store) -> Coverage:
        """How much would be drawn with all that a store holds of the same experiments."""
        experiments = {result.experiment for result in self.results}
        stored = [path.parts for name in experiments for path in store.paths(name)]
        models = [{of[1] for of in stored if of[0] == name} for name in experiments]
        whole = set.intersection(*models)
        return Coverage.of(
            (experiment, model, task.rpartition("-")[0])
            for experiment, model, task in stored
            if model in whole
        )

    @property
    def paths(self) -> dict[Key, Path]:
        """The folder of each result."""
        return {result.key: result.path for result in self.results}

    def add(self, other: "Outcome") -> None:
        """Take in the results and failures of another outcome."""
        self.results += other.results
        self.failures |= other.failures

    def of(self, model: str) -> "Outcome":
        """The results and failures of one model."""
        return Outcome(
            [result for result in self.results if result.key.model == model],
            {key: why for key, why in self.failures.items() if key.model == model},
        )

    def only(self, experiment: str) -> "Outcome":
        """The results that one experiment measured."""
        return Outcome([result for result in self.results if result.experiment == experiment])

    def of_seed(self, seed: int) -> "Outcome":
        """The results that were measured with one of several seeds; all where there was one."""
        return Outcome([one for one in self.results if set(one.rows.get("seed", [seed])) == {seed}])

    def of_method(self, method: str) -> "Outcome":
        """The results of the vector of one method; of the task vector, where it is empty."""
        return Outcome([result for result in self.results if result.method == method])

    def titled(self, title: str) -> "Outcome":
        """The same results; what failed is named by the title of a method too."""
        return Outcome(self.results, self._failures(f", {title}"))

    def renamed(self, labels: Mapping[str, str]) -> "Outcome":
        """The results under other names of models, for those that `labels` has."""
        results = [
            replace(
                result,
                key=result.key._replace(model=labels[result.key.model]),
                rows=result.rows.assign(model=labels[result.key.model]),
            )
            if result.key.model in labels
            else result
            for result in self.results
        ]
        return Outcome(results, self.failures)

    def in_order(self) -> "Outcome":
        """The results model by model, the tasks of each in the order of all tables and figures."""
        models = list(dict.fromkeys(result.key.model for result in self.results))
        categories = {
            result.key.task: str(result.rows["category"].iloc[0]) for result in self.results
        }
        tasks = in_order(categories)
        place = {name: number for number, name in enumerate(tasks)}

        def order(result: Stored) -> tuple[int, int]:
            return models.index(result.key.model), place[result.key.task]

        return Outcome(sorted(self.results, key=order), self.failures)

    def labelled(self, **columns: Any) -> "Outcome":
        """The results with further columns in their rows; failures are named by them too."""
        labels = " / ".join(f"{value} {name}" for name, value in columns.items())
        results = [replace(one, rows=one.rows.assign(**columns)) for one in self.results]
        return Outcome(results, self._failures(f" / {labels}"))

    def _failures(self, ending: str) -> dict[Key, str]:
        """The failures, with an ending after the names of their tasks."""
        return {key._replace(task=key.task + ending): why for key, why in self.failures.items()}
