"""Tables and figures of an analysis, kept in memory, and a display that prints into a text."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from rich.console import Console

from tests.helpers.example_rows import outcome_of
from tvsight.config import RunConfig
from tvsight.experiments.main_results import NAME, report
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.plots import Plot
from tvsight.output.tables import Wording


class Table(NamedTuple):
    """One table, as numbers and as texts."""

    numbers: pd.DataFrame
    cells: list[pd.DataFrame]
    names: list[str]
    """The columns of texts that are escaped."""
    wording: Wording


class Recorded(Drawn):
    """Keeps what an analysis would write.

    Attributes:
        tables: the numbers of each table by the name of its file.
        cells: the texts of each table that has them.
        escaped: the columns of texts that are escaped.
        wordings: what is said above each table that has texts.
        figures: each plot by the name of its file.
    """

    def __init__(self, name: str) -> None:
        super().__init__(RunConfig(), name)
        self.tables: dict[str, pd.DataFrame] = {}
        self.cells: dict[str, list[pd.DataFrame]] = {}
        self.escaped: dict[str, set[str]] = {}
        self.wordings: dict[str, Wording] = {}
        self.figures: dict[str, Plot] = {}

    def table(
        self,
        numbers: pd.DataFrame,
        cells: Sequence[pd.DataFrame],
        *parts: str,
        names: Sequence[str],
        wording: Wording,
        aside: Sequence[str] = (),
    ) -> None:
        name = self._named(parts)
        self.wordings[name] = wording
        self.tables[name], self.cells[name], self.escaped[name] = numbers, list(cells), set(names)

    def numbers(self, numbers: pd.DataFrame, *parts: str) -> None:
        self.tables[self._named(parts)] = numbers

    def figure(self, plot: Plot, *parts: str) -> None:
        self.figures[self._named(parts)] = plot


class Told(Display):
    """A display 80 columns wide; `text` is what it has printed."""

    def __init__(self) -> None:
        self._printed = io.StringIO()
        super().__init__(Console(file=self._printed, width=80))

    @property
    def text(self) -> str:
        return self._printed.getvalue()


def central(*tasks: pd.DataFrame) -> Recorded:
    """The central comparison of some tasks, drawn.

    Args:
        tasks: rows of one task each, as `example_rows.task_rows` makes them.
    """
    drawn = Recorded(NAME)
    report.draw(outcome_of(*tasks), RunConfig(), Told(), drawn)
    return drawn


def central_table(*tasks: pd.DataFrame) -> Table:
    """The first table of `central`."""
    drawn = central(*tasks)
    names = sorted(drawn.escaped[NAME])
    return Table(drawn.tables[NAME], drawn.cells[NAME], names, drawn.wordings[NAME])
