"""Choice of results by model, task and experiment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tvsight.errors import UsageError, nearest
from tvsight.storage.inspection import Entry
from tvsight.tasks import CATEGORIES, PAPER_TASKS, packaged_tasks


@dataclass(frozen=True)
class Choice:
    """Results of a folder, chosen by name. A field that is empty does not restrict."""

    models: Sequence[str] = ()
    tasks: str = "all"
    """Names and categories, separated by commas; `paper`; or `all`."""
    experiments: Sequence[str] = ()

    def of(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries that are chosen.

        Raises:
            UsageError: for a name that no entry has, with the nearest ones.
        """
        chosen = _named(list(entries), "model", self.models, "--model")
        chosen = _named(chosen, "experiment", self.experiments, "--experiment")
        words = [word.strip() for word in self.tasks.split(",") if word.strip()]
        if "all" in words:
            return chosen
        stored = {entry.identity["task"] for entry in chosen}
        names = {name for word in words for name in _names(word, stored)}
        return [entry for entry in chosen if entry.identity["task"] in names]


def _named(entries: list[Entry], field: str, names: Sequence[str], option: str) -> list[Entry]:
    stored = {entry.identity[field] for entry in entries}
    for name in names:
        if name not in stored:
            raise _unknown(option, name, stored)
    return [entry for entry in entries if not names or entry.identity[field] in names]


def _names(word: str, stored: set[str]) -> set[str]:
    if word == "paper":
        return set(PAPER_TASKS)
    if word in CATEGORIES:
        return {name for name, task in packaged_tasks().items() if task.category == word}
    if word not in stored:
        raise _unknown("--tasks", word, stored)
    return {word}


def _unknown(option: str, name: str, stored: set[str]) -> UsageError:
    return UsageError(
        f"{option} {name!r}: no result of it here.{nearest(name, stored)} "
        "`python -m analyses.results list` says what there is."
    )
