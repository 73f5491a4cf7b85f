"""The end of a report on the terminal: the finding, then tables and notes, then the files."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from tvsight.output.console import Display
from tvsight.output.labels import counted


class Findings(Display):
    """What a report shows, held back until its finding is known.

    Args:
        display: where it is shown.
        verbose: show all tables, and name every file.
    """

    def __init__(self, display: Display, verbose: bool) -> None:
        super().__init__(display.console)
        self.verbose = verbose
        self._held: list[Callable[[], None]] | None = []
        """None once it is shown."""
        self._tables = 0
        self._waiting = 0

    def note(self, text: str) -> None:
        """Hold back a line of text."""
        if self._held is None:
            super().note(text)
        else:
            self._held.append(partial(super().note, text))

    def table(
        self,
        table: pd.DataFrame,
        title: str,
        secondary: Sequence[str] = (),
        whole: Sequence[str] = (),
    ) -> None:
        """Hold back a table."""
        if self._held is not None:
            self._tables += 1
            self._held.append(partial(super().table, table, title, secondary, whole))

    def wait(self, table: str) -> None:
        """A table that waits for --verbose."""
        self._waiting += 1

    def show(self, findings: Sequence[str], files: Sequence[Path], kept: str) -> None:
        """Show the findings, what was held back, and what was written.

        Args:
            findings: the titles of figures.
            kept: what is said of files that were not written; may be empty.
        """
        for finding in findings:
            self.title(finding)
        held, self._held = self._held or [], None
        for show in held:
            show()
        if not self.verbose and self._tables:
            more = f" and {counted(self._waiting, 'more table')}" if self._waiting else ""
            self.note(f"--verbose shows intervals, all columns{more}.")
        if self.verbose:
            self.written(list(files))
        elif files:
            self.note(f"Wrote {_counted_files(files)}.")
        if kept:
            self.note(kept)


def _counted_files(files: Sequence[Path]) -> str:
    """`12 tables in results/tables, 3 figures in results/figures`: files alike but for their form
    are one."""
    stems: dict[Path, set[str]] = {}
    for file in files:
        stem = file.stem.removesuffix(".caption").removesuffix("_full")
        stems.setdefault(file.parent, set()).add(stem)
    return ", ".join(
        f"{counted(len(names), folder.name.removesuffix('s'))} in {folder}"
        for folder, names in stems.items()
    )
