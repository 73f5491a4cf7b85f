"""Progress, notes and tables of a run: live on a terminal, plain lines elsewhere."""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from tvsight.texts import one_line, printable

PLAIN_WIDTH = 170
"""Columns of output that goes to a file or a pipe, where COLUMNS does not say how many."""
MOST_WIDE = 10_000
"""Columns that every table has room in."""
INTERVAL = re.compile(r" \[[^]]*\]")


JobLine = tuple[str, str, str]
"""A job on a server: task, state, the server's name for the job."""


class RateColumn(ProgressColumn):
    """Tasks per minute."""

    def render(self, task: Task) -> Text:
        """The mean speed since the start; empty until something is done."""
        if not task.completed or not task.elapsed:
            return Text("")
        return Text(f"{60 * task.completed / task.elapsed:.1f} tasks/min")


class _Bars(Progress):
    """The progress bar, and below it a table of the jobs on a server."""

    jobs: Mapping[JobLine, float] = MappingProxyType({})

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn anew several times a second."""
        yield from super().get_renderables()
        if not self.jobs:
            return
        table = Table("Task", "State", "For", "Job", box=None, header_style="bold")
        for (task, state, job_id), since in self.jobs.items():
            cells = (task, state, _since(since), job_id)
            table.add_row(*(Text(one_line(cell)) for cell in cells))
        yield table


class Display:
    """Progress and results of a run, as text."""

    verbose = True
    """Whether reports show all tables, with all columns and lines between them."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        asked = os.environ.get("COLUMNS", "")
        if not self.console.is_terminal:
            is_number = asked.isascii() and asked.isdigit()
            self.console.width = (int(asked) if is_number else 0) or PLAIN_WIDTH
        self._progress: _Bars | None = None
        self._jobs: dict[JobLine, float] = {}
        """Jobs on a server, and since when they are what they are."""
        self._bar = TaskID(0)
        self._ended = 0
        """Tasks that ended under the bar."""
        self._cell: Any = None
        """The bar in a notebook, where rich would need ipywidgets."""

    @property
    def is_live(self) -> bool:
        """Whether a bar is seen: on a terminal and in a notebook."""
        console = self.console
        return (console.is_terminal or console.is_jupyter) and not console.quiet

    def note(self, text: str) -> None:
        """A line of text; nothing in it is read as markup, or reaches the terminal raw."""
        self.console.print(Text(printable(text)), soft_wrap=not self.console.is_terminal)

    def stored(self, model: str, stored: int, total: int, experiment: str) -> None:
        """How much of a model's part of an experiment the store holds already."""
        self.note(
            f"{model}, {experiment}: {stored} of {total} are in the store, {total - stored} to do"
        )

    @contextmanager
    def tasks(self, model: str, total: int) -> Iterator[None]:
        """While the tasks of a model are measured."""
        if not total:
            yield
            return
        with _Bars(
            SpinnerColumn(),
            TextColumn("{task.fields[task_name]} · {task.fields[phase]}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            speed_estimate_period=3600,
            disable=not self.console.is_terminal,
        ) as progress:
            self._progress, self._ended = progress, 0
            name = one_line(model)
            self._bar = progress.add_task(name, total=total, task_name=name, phase="starting")
            if self.is_live and self.console.is_jupyter:
                self._cell = import_module("IPython.display").display(progress, display_id=True)
            try:
                yield
            finally:
                self._progress = None
                if self._cell is not None:
                    self._cell.update({"text/plain": ""}, raw=True)
                    self._cell = None

    def task(self, name: str) -> None:
        """A task begins."""
        self._update(task_name=one_line(name), phase="prompts")

    def phase(self, name: str) -> None:
        """A phase of the current task begins."""
        self._update(phase=one_line(name))

    def moved(self, share: float) -> None:
        """A share of the current task is done."""
        done = self._ended + min(share, 0.99)
        if self._progress is not None and done >= self._progress.tasks[0].completed + 0.01:
            self._update(completed=done)

    def jobs(self, jobs: Sequence[JobLine]) -> None:
        """What jobs on a server do.

        A table that is kept up to date on a terminal; elsewhere a line for each change, with how
        long the job was what it was before.
        """
        now = time.monotonic()
        before = self._jobs
        self._jobs = {
            (task, state, job_id): before.get((task, state, job_id), now)
            for task, state, job_id in jobs
        }
        if self._progress is not None and self.console.is_terminal:
            self._progress.jobs = self._jobs
            return
        known = {(task, job_id): (state, since) for (task, state, job_id), since in before.items()}
        for task, state, job_id in self._jobs:
            if (task, state, job_id) in before:
                continue
            was, since = known.get((task, job_id), ("", now))
            earlier = f", {was} for {_since(since)}" if was else ""
            self.note(f"{task}: {state} (job {job_id}{earlier})")

    def measured(self, name: str, line: str) -> None:
        """A task is done: its line."""
        self._advance()
        self.note(f"{name}: {line}")

    def failed(self, name: str, reason: str) -> None:
        """A task could not be measured."""
        self._advance()
        self._alarm(f"{name}: failed.", reason)

    def failures(self, failures: Mapping[Any, str]) -> None:
        """What is missing from the result, and why."""
        for name, reason in failures.items():
            self._alarm(f"Missing: {name}.", reason)

    def wait(self, table: str) -> None:
        """A table that waits for --verbose."""

    def title(self, text: str) -> None:
        """A heading over what follows."""
        self.console.print()
        self.console.print(Text(one_line(text), style="bold"))

    def written(self, paths: list[Path]) -> None:
        """Files that were made."""
        for path in paths:
            self.note(f"Wrote {path}")

    def table(
        self,
        table: pd.DataFrame,
        title: str,
        secondary: Sequence[str] = (),
        whole: Sequence[str] = (),
    ) -> None:
        """A data frame whose cells are texts.

        A terminal that is too narrow gets it without intervals and without the columns in
        `secondary`, and is told so. Cells of the columns in `whole` are never broken.
        """
        table = table.map(lambda cell: one_line(str(cell))).rename(columns=one_line)
        shown, room = _drawn(table, title, self.verbose, whole), self.console.width
        options = self.console.options.update(width=MOST_WIDE)
        left_out: list[str] = []
        may_leave_out = self.console.is_terminal or (whole and room < PLAIN_WIDTH)
        if may_leave_out and self.console.measure(shown, options=options).maximum > room:
            left_out = [name for name in map(str, table) if name in secondary]
            short = table.drop(columns=left_out).map(lambda cell: INTERVAL.sub("", cell))
            if not short.equals(table[list(short)]):
                left_out.insert(0, "intervals")
            shown = _drawn(short, title, self.verbose, whole)
        if not self.verbose:
            self.console.print(Text(one_line(title), style="bold"))
        self.console.print(shown)
        if left_out:
            self.note(f"Left out at {room} columns: {', '.join(left_out)}.")

    def _alarm(self, what: str, reason: str) -> None:
        told = Text.assemble((printable(what), "red"), " ", printable(reason))
        self.console.print(told, soft_wrap=not self.console.is_terminal)

    def _update(self, **fields: Any) -> None:
        if self._progress is not None:
            self._progress.update(self._bar, **fields)
        if self._cell is not None:
            self._cell.update(self._progress)

    def _advance(self) -> None:
        self._ended += 1
        self._update(completed=self._ended)


def _since(moment: float) -> str:
    """How long ago a moment (`time.monotonic`) was, to the second."""
    return str(timedelta(seconds=int(time.monotonic() - moment)))


def _drawn(table: pd.DataFrame, title: str, ruled: bool, whole: Sequence[str]) -> Table:
    shown = Table(title_justify="left", header_style="bold" if ruled else "")
    if ruled:
        shown.title = Text(one_line(title))
    else:
        shown.box, shown.show_edge, shown.pad_edge = SIMPLE_HEAD, False, False
        shown.collapse_padding = True
    for name in table:
        shown.add_column(Text(str(name)), overflow="fold", no_wrap=name in whole)
    for row in table.itertuples(index=False):
        shown.add_row(*map(Text, row))
    return shown
