"""The page of one analysis: declared tables, each shown and written, figures, notes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from tvsight.output.columns import Column, texts
from tvsight.output.console import INTERVAL
from tvsight.output.labels import MISSING
from tvsight.output.procedures import about, word
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn
    from tvsight.output.plots import Plot

NAMES = ("Model", "Task")
"""Text columns of tables of remarks: user-supplied text, escaped."""


class Table(NamedTuple):
    """A table, declared. `{vector}` in its words is the name of the vector that it is about."""

    title: str
    """What it shows, without a full stop."""
    note: str
    """How to read it, in sentences: what a row is, what brackets hold, how many cases stand behind
    a number."""
    columns: Sequence[Column] | Callable[[str], Sequence[Column]]
    """Or these of a vector, for `of`."""
    part: str = ""
    """What follows the analysis in the name of the file."""
    heading: str = ""
    """The title on the terminal, where that is another."""
    brief: Sequence[str] = ()
    """The columns that the terminal has without --verbose; a table without any waits for it."""
    secondary: Sequence[str] = ()
    """Columns that a narrow terminal leaves out."""
    filed: Sequence[str] = ()
    """Columns that are in files alone, and not in the form for papers."""
    each_model: bool = False
    """Whether the terminal has a table for each model."""
    shown: bool = True
    """Whether the terminal has it."""

    def all_of(self, vector: str = "task_vector") -> Sequence[Column]:
        """The columns."""
        return self.columns(vector) if callable(self.columns) else self.columns

    def of(self, vector: str) -> "Table":
        """The same of one vector."""

        def worded(text: str) -> str:
            named = text.format(vector=word(vector))
            return named if named != text else about(text, vector) if text else ""

        columns = [
            c._replace(heading=c.heading.format(vector=word(vector))) for c in self.all_of(vector)
        ]
        title, heading, note = worded(self.title), worded(self.heading), self.note
        brief = tuple(name.format(vector=word(vector)) for name in self.brief)
        worded_note = note.format(vector=word(vector))
        return self._replace(
            title=title, heading=heading, note=worded_note, columns=columns, brief=brief
        )

    def without(self, words: str) -> "Table":
        """The same without some words of its note."""
        return self._replace(note=self.note.replace(words, ""))


class Page(NamedTuple):
    """Where an analysis shows and writes what it found."""

    display: "Display"
    drawn: "Drawn"

    def table(
        self,
        table: Table,
        numbers: pd.DataFrame,
        rows: pd.DataFrame | None = None,
        below: Sequence[tuple[Table, pd.DataFrame]] = (),
        notes: Sequence[pd.DataFrame] = (),
        brief: pd.DataFrame | None = None,
    ) -> None:
        """Show a table, and write it as CSV, Markdown and LaTeX.

        Args:
            numbers: what the CSV file has.
            rows: what the texts are made from, where that is not the same.
            below: further tables of texts in the same files, with what they are made from.
            notes: tables of remarks beneath.
            brief: what the terminal has without --verbose, where that is not `rows`.

        Raises:
            UsageError: when the folder cannot be written, or there is a table of this name.
        """
        parts = [(table, numbers if rows is None else rows), *below]
        cells = [texts(of, declared.all_of()) for declared, of in parts]
        for (declared, _), shown in zip(parts, cells, strict=True):
            if brief is not None and declared is table:
                self._show(declared, shown, texts(brief, declared.all_of()))
            else:
                self._show(declared, shown, shown)
        columns = [column for declared, _ in parts for column in declared.all_of()]
        names = [column.heading for column in columns if column.words]
        aside = [column.heading for column in columns if not column.in_papers]
        self.drawn.table(
            numbers,
            [*cells, *notes],
            *filter(None, [table.part]),
            names=[*names, *(NAMES if notes else ())],
            wording=Wording(table.title, table.note),
            aside=[*aside, *table.filed],
        )

    def numbers(self, numbers: pd.DataFrame, part: str) -> None:
        """Write numbers as CSV alone, when they are drawn and too many to read."""
        self.drawn.numbers(numbers, part)

    def figure(self, plot: "Plot", *parts: str) -> None:
        """Write a figure."""
        self.drawn.figure(plot, *parts)

    def note(self, text: str) -> None:
        """Show a line of text."""
        self.display.note(text)

    def show(self, table: Table, rows: pd.DataFrame) -> None:
        """Show a table alone."""
        cells = texts(rows, table.all_of())
        self._show(table, cells, cells)

    def _show(self, table: Table, cells: pd.DataFrame, brief: pd.DataFrame) -> None:
        if not table.shown:
            return
        if not self.display.verbose:
            self._show_briefly(table, brief)
            return
        heading, secondary = table.heading or table.title, list(table.secondary)
        shown = cells.drop(columns=list(table.filed))
        if not table.each_model:
            self.display.table(shown, heading, secondary)
            return
        for model, model_rows in shown.groupby("Model", sort=False):
            self.display.table(model_rows.drop(columns="Model"), f"{model}: {heading}", secondary)

    def _show_briefly(self, table: Table, cells: pd.DataFrame) -> None:
        heading = table.heading or table.title
        if not table.brief:
            self.display.wait(heading)
            return
        shown = cells[[name for name in cells if name in {"Model", *table.brief}]]
        shown = shown.map(lambda cell: INTERVAL.sub("", cell))
        says = [name for name in shown if not shown[name].isin(["", MISSING]).all()]
        shown = shown[says]
        if "Model" not in table.brief and "Model" in shown:
            for model, rows in shown.groupby("Model", sort=False):
                self.display.table(rows.drop(columns="Model"), f"{model}: {heading}")
        else:
            self.display.table(shown, heading)
