"""Choice of results by model, task and experiment."""

from collections.abc import Iterable, Mapping, Sequence
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
        words = [word.strip() for word in self.tasks.split(",") if word.strip()]
        chosen = list(entries)
        chosen = _restricted(chosen, "model", self.models or None, "--model", {})
        chosen = _restricted(chosen, "experiment", self.experiments or None, "--experiment", {})
        groups: dict[str, Sequence[str]] = {"paper": PAPER_TASKS}
        for category in CATEGORIES:
            named = [n for n, task in packaged_tasks().items() if task.category == category]
            groups.setdefault(category, named)
        return _restricted(chosen, "task", None if "all" in words else words, "--tasks", groups)


def _restricted(
    entries: list[Entry],
    field: str,
    names: Sequence[str] | None,
    option: str,
    groups: Mapping[str, Sequence[str]],
) -> list[Entry]:
    """The entries that have one of some names, or of the names of a group; None means all."""
    if names is None:
        return entries
    stored = {entry.identity[field] for entry in entries}
    for name in names:
        if name not in stored and name not in groups:
            raise UsageError(
                f"{option} {name!r}: no result of it here.{nearest(name, stored)} "
                "`python -m analyses.results list` says what there is."
            )
    meant = {task_name for name in names for task_name in groups.get(name, (name,))}
    return [entry for entry in entries if entry.identity[field] in meant]
