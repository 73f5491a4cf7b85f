"""Progress, notes and tables of a run: live on a terminal, plain lines elsewhere."""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby, islice
from operator import gt
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from rich.cells import cell_len
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
TOGETHER = 100
"""Most rows of a table that are drawn as one."""
LEAST_NAME = 16
"""Columns that a long name keeps before it is broken into lines."""
INTERVAL = re.compile(r" \[[^]]*\]")


JobLine = tuple[str, str, str]
"""A job on a server: task, state, the server's name for the job."""


class RateColumn(ProgressColumn):
    """Tasks per minute."""

    def render(self, task: Task) -> Text:
        """The mean speed since the start; empty until a task is done."""
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
            disable=not self.console.is_terminal,
        ) as progress:
            self._progress = progress
            name = one_line(model)
            self._bar = progress.add_task(name, total=total, task_name=name, phase="starting")
            try:
                yield
            finally:
                self._progress = None

    def task(self, name: str) -> None:
        """A task begins."""
        self._update(task_name=one_line(name), phase="prompts")

    def phase(self, name: str) -> None:
        """A phase of the current task begins."""
        self._update(phase=one_line(name))

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

    def title(self, text: str) -> None:
        """A heading over what follows."""
        self.console.print()
        self.console.print(Text(one_line(text), style="bold"))

    def written(self, paths: list[Path]) -> None:
        """Files that were made."""
        for path in paths:
            self.note(f"Wrote {path}")

    def table(self, table: pd.DataFrame, title: str, secondary: Sequence[str] = ()) -> None:
        """A data frame whose cells are texts.

        A terminal that is too narrow gets it without intervals and without the columns in
        `secondary`, and is told so. Where even that does not fit, every cell has a line.
        """
        table = table.map(lambda cell: one_line(str(cell))).rename(columns=one_line)
        whole = columns = [[name, *table[name]] for name in table.columns]
        room, left_out = self.console.width, list[str]()
        if self.console.is_terminal and sum(_natural(whole)) + _rules(whole) > room:
            kept = [column for column in whole if column[0] not in secondary]
            columns = [[INTERVAL.sub("", cell) for cell in column] for column in kept]
            left_out = ["intervals"] if columns != kept else []
            left_out += [column[0] for column in whole if column[0] in secondary]
        widths = _widths(columns, room - _rules(columns))
        if widths is None:
            self._records(whole, title)
            return
        shown = Table(title=Text(one_line(title)), title_justify="left", header_style="bold")
        for column, width in zip(columns, widths, strict=True):
            shown.add_column(Text(column[0]), overflow="fold", width=width)
        for rows in _together(zip(*(column[1:] for column in columns), strict=True), widths):
            fits = len(rows) > 1
            cells = map("\n".join, zip(*rows, strict=True))
            shown.add_row(*(Text(cell, no_wrap=fits) for cell in cells))
        self.console.print(shown)
        if left_out:
            self.note(f"Left out at {room} columns: {', '.join(left_out)}.")

    def _records(self, columns: list[list[str]], title: str) -> None:
        self.title(title)
        for row in zip(*(column[1:] for column in columns), strict=True):
            lines = (f"{column[0]}: {cell}" for column, cell in zip(columns, row, strict=True))
            self.console.print(Text("\n".join(["", *lines])))

    def _alarm(self, what: str, reason: str) -> None:
        told = Text.assemble((printable(what), "red"), " ", printable(reason))
        self.console.print(told, soft_wrap=not self.console.is_terminal)

    def _update(self, **fields: Any) -> None:
        if self._progress is not None:
            self._progress.update(self._bar, **fields)

    def _advance(self) -> None:
        if self._progress is not None:
            self._progress.advance(self._bar)


def _since(moment: float) -> str:
    """How long ago a moment (`time.monotonic`) was, to the second."""
    return str(timedelta(seconds=int(time.monotonic() - moment)))


def _natural(columns: list[list[str]]) -> list[int]:
    """The widths of columns whose cells are one line each."""
    return [max(map(cell_len, column)) for column in columns]


def _rules(columns: list[list[str]]) -> int:
    """The width of the lines between columns, with the spaces beside them."""
    return 3 * len(columns) + 1


def _together(
    rows: Iterable[tuple[str, ...]], widths: Sequence[int]
) -> Iterator[list[tuple[str, ...]]]:
    """Rows whose cells are one line each as one row of many lines, which looks the same and takes a
    quarter of the time; a row with a cell that is folded alone."""
    for is_folded, group in groupby(rows, lambda row: any(map(gt, map(cell_len, row), widths))):
        while alike := list(islice(group, 1 if is_folded else TOGETHER)):
            yield alike


def _widths(columns: list[list[str]], room: int) -> list[int] | None:
    """The widths of columns that share some room; None where words, and so numbers, would break.

    The widest columns give way first, so that few are folded. Words longer than `LEAST_NAME` may
    break.
    """
    widths = _natural(columns)
    least = [
        min(LEAST_NAME, max(map(cell_len, " ".join(column).split()), default=0))
        for column in columns
    ]
    excess = max(0, sum(widths) - room)
    for number in sorted(range(len(widths)), key=widths.__getitem__, reverse=True):
        cut = min(excess, widths[number] - least[number])
        widths[number] -= cut
        excess -= cut
    return None if excess else widths
