"""The coverage of tables and figures: a file that covers more than a run draws is kept."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tvsight.errors import UsageError
from tvsight.foreign import read_json
from tvsight.output.labels import counted
from tvsight.writing import reason, whole_file

FOLDER = ".drawn"
"""Beside tables and figures: what they cover, a file per analysis."""


class Coverage(NamedTuple):
    """How much is drawn."""

    tasks: int
    models: int
    results: int
    """Of the store: with two seeds, two of a task and model."""

    @classmethod
    def of(cls, results: Iterable[tuple[str, str, str]]) -> "Coverage":
        """That of results, by experiment, model and task. Tasks are those of one experiment, the
        one that has most."""
        known, tasks = list(results), dict[str, set[str]]()
        for experiment, _, task in known:
            tasks.setdefault(experiment, set()).add(task)
        models = {model for _, model, _ in known}
        return cls(max(map(len, tasks.values()), default=0), len(models), len(known))

    def is_narrower(self, other: "Coverage") -> bool:
        """Whether it has fewer tasks, models or results."""
        return any(own < others for own, others in zip(self, other, strict=True))

    def __str__(self) -> str:
        shape = f"{counted(self.tasks, 'task')} × {counted(self.models, 'model')}"
        return f"{shape} ({counted(self.results, 'result')})"


class Covered:
    """What the files of one analysis cover, and which of them a run keeps.

    Args:
        results: the results folder.
        name: the analysis.
        own: the coverage of the run.
        unrecorded: that of files of which none is recorded.
        overwrite: keep nothing.

    Attributes:
        kept: the files that cover more, with what they cover, in order.
    """

    def __init__(
        self, results: Path, name: str, own: Coverage, unrecorded: Coverage, overwrite: bool
    ) -> None:
        self._file, self._own, self._overwrite = results / FOLDER / f"{name}.json", own, overwrite
        self._unrecorded, self._known = unrecorded, _read(self._file)
        self.kept: dict[Path, Coverage] = {}

    def keeps(self, path: Path) -> bool:
        """Whether a file is there that covers more. One that is not kept is recorded as drawn."""
        name = f"{path.parent.name}/{path.name}"
        known = self._known.get(name, self._unrecorded)
        is_narrower = self._own.is_narrower(known) and not self._overwrite
        if is_narrower and path.is_file() and path.stat().st_size:
            self.kept[path] = known
            return True
        self._known[name] = self._own
        return False

    def record(self) -> None:
        """Write what is covered.

        Raises:
            UsageError: when the folder cannot be written.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self._file) as new:
                new.write_text(json.dumps(self._known, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{self._file} cannot be written: {reason(error)}") from error

    def __str__(self) -> str:
        """A line on the files that are kept; empty without any."""
        if not self.kept:
            return ""
        first, widest = next(iter(self.kept)), max(self.kept.values())
        others = len(self.kept) - 1
        which = f"{first} and {counted(others, 'other')} have" if others else f"{first} has"
        them = "them" if others else "it"
        return f"{which} {widest}; kept. --overwrite replaces {them}."


def _read(file: Path) -> dict[str, Coverage]:
    """What a file says; a damaged one says nothing."""
    with suppress(ValueError, TypeError, AttributeError):
        return {name: Coverage(*map(int, of)) for name, of in read_json(file).items()}
    return {}
