"""Tables and figures that `report.draw` makes of rows, kept instead of written."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from tvsight.config import RunConfig
from tvsight.experiments.main_results import NAME, report
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.run.outcome import Outcome, Stored
from tvsight.storage.manifests import Key


class Table(NamedTuple):
    """One table, as numbers and as texts."""

    numbers: pd.DataFrame
    cells: list[pd.DataFrame]
    names: list[str]


class Kept(Drawn):
    """Keeps tables and figures by what follows the analysis in their file's name."""

    def __init__(self) -> None:
        super().__init__("nowhere", "kept")
        self.tables: dict[tuple[str, ...], Table] = {}
        self.figures: dict[tuple[str, ...], Figure] = {}

    def table(
        self,
        numbers: pd.DataFrame,
        cells: Sequence[pd.DataFrame],
        *parts: str,
        names: Sequence[str],
    ) -> None:
        self.tables[parts] = Table(numbers, list(cells), list(names))

    def figure(self, figure: Figure, *parts: str) -> None:
        self.figures[parts] = figure


def central(*tasks: pd.DataFrame) -> Kept:
    """The central comparison of some tasks, drawn.

    Args:
        tasks: rows of one task each, as `example_rows.task_rows` makes them.
    """
    results = [
        Stored(Key(rows["model"].iloc[0], rows["task"].iloc[0]), Path(NAME, "m", "t"), rows)
        for rows in tasks
    ]
    kept = Kept()
    quiet = Display(Console(file=io.StringIO()))
    report.draw(Outcome(results), RunConfig(), quiet, kept)
    return kept
