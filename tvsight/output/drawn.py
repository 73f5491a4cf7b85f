"""The tables and figures of one analysis: where they go, and which were written."""

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tvsight.config import RunConfig, command
from tvsight.errors import UsageError
from tvsight.models import resolve
from tvsight.output import tables
from tvsight.output.coverage import Coverage, Covered
from tvsight.output.plots import Plot
from tvsight.output.tables import Wording
from tvsight.progress import Moved, nobody
from tvsight.writing import folder_name


class Drawn:
    """Writes the tables and figures of one analysis.

    Args:
        options: of the run; they name the results folder and say how figures are written.
        name: the analysis; the names of its files begin with it.

    Attributes:
        files: every file that was written, in order.
        titles: of every figure, with what its name has after the analysis.
        covered: what the files of the analysis cover; None where all are written.
        seen: called with each table and figure.
    """

    kind = ""
    """Stands in the names of files that are about something else; see `of`."""
    note = ""
    """Ends the note of every table and the caption of every figure."""

    def __init__(self, options: RunConfig, name: str) -> None:
        self.options = options
        self.results = Path(options.results)
        self.name = name
        self.files: list[Path] = []
        self.titles: list[tuple[tuple[str, ...], str]] = []
        self.covered: Covered | None = None
        self.seen: Moved = nobody
        self._names: set[str] = set()

    def name_only(self, models: Collection[str]) -> None:
        """Let captions name these models alone of those that the options name, where there are any:
        the command that they quote would measure the others.

        Args:
            models: names, as results have them.
        """
        chosen = self.options.model
        named = [name for name in chosen if resolve(name, self.options.revision).name in models]
        self.options = replace(self.options, model=tuple(named) or chosen)

    def keep_wider(self, own: Coverage, unrecorded: Coverage) -> Covered:
        """Let files that cover more than the run stay, unless the options say --overwrite.

        Args:
            own: the coverage of the run.
            unrecorded: that of files of which none is recorded.
        """
        overwrite = self.options.overwrite
        self.covered = Covered(self.results, self.name, own, unrecorded, overwrite)
        return self.covered

    def of(self, kind: str, note: str = "") -> "Drawn":
        """The same tables and figures of something else, such as the vector of another method, in
        files that have its name. The list of files is shared.

        Args:
            note: a sentence that every table and caption ends with.
        """
        other = copy(self)
        other.kind = kind
        other.note = f" {note}" if note else ""
        return other

    def table(
        self,
        numbers: pd.DataFrame,
        cells: Sequence[pd.DataFrame],
        *parts: str,
        names: Sequence[str],
        wording: Wording,
        aside: Sequence[str] = (),
    ) -> None:
        """Write numbers as CSV, and the same numbers as text for Markdown and LaTeX.

        Args:
            cells: one table of texts under the other.
            parts: what follows the analysis in the name of the file.
            names: columns of `cells` that hold names and words. One that is the same in every row
                is said above the table instead.
            wording: what is said above the table.
            aside: columns that papers do without.

        Raises:
            UsageError: when the folder cannot be written, or there is a table of this name.
        """
        folder, name = self.results / "tables", self._new("tables", parts)
        self._new("tables", (*parts, "full"))  # the wide form has this name
        if self._keeps(folder / f"{name}.csv"):
            return
        noted = wording._replace(note=wording.note + self.note)
        self.files += tables.write(folder, name, numbers, cells, names, noted, aside)

    def numbers(self, numbers: pd.DataFrame, *parts: str) -> None:
        """Write numbers as CSV alone, when they are drawn and too many to read.

        Raises:
            UsageError: when the folder cannot be written, or there is a table of this name.
        """
        folder, name = self.results / "tables", self._new("tables", parts)
        if not self._keeps(folder / f"{name}.csv"):
            self.files += tables.write_numbers(folder, name, numbers)

    def figure(self, plot: Plot, *parts: str) -> None:
        """Write a figure as PNG and PDF, or SVG too, and its caption as Markdown.

        Args:
            parts: what follows the analysis in the name of the file.

        Raises:
            UsageError: when the folder cannot be written, or there is a figure of this name.
        """
        folder, name = self.results / "figures", self._new("figures", parts)
        self.titles.append(((self.kind, *parts), plot.title))
        if self._keeps(folder / f"{name}.png"):
            return
        noted = replace(plot, caption=plot.caption + self.note)
        self.files += noted.write(
            folder,
            name,
            captions=self.options.captions,
            svg=self.options.svg,
            command=command(self.name, self.options),
        )

    def findings(self, models: Collection[str]) -> list[str]:
        """The title of the first figure, and those of the same figure of other models."""
        by_figure: dict[tuple[str, ...], list[str]] = {}
        for parts, title in self.titles:
            figure = tuple("" if part in models else part for part in parts)
            by_figure.setdefault(figure, []).append(title)
        return next(iter(by_figure.values()), [])

    @property
    def earlier(self) -> int:
        """The number of tables and figures of the analysis in the results folder."""
        forms = (f"tables/{self.name}*.csv", f"figures/{self.name}*.png")
        return sum(1 for form in forms for _ in self.results.glob(form))

    def _keeps(self, path: Path) -> bool:
        self.seen(path)
        return self.covered is not None and self.covered.keeps(path)

    def _named(self, parts: Sequence[str]) -> str:
        return "_".join([self.name, *filter(None, [self.kind]), *map(folder_name, parts)])

    def _new(self, folder: str, parts: Sequence[str]) -> str:
        """The name of files that are not written yet.

        Raises:
            UsageError: when they are, since a method is named like a part of this analysis.
        """
        name = self._named(parts)
        if f"{folder}/{name}" in self._names:
            raise UsageError(
                f"{folder}/{name} is written already, and would be lost: give the method of "
                "--method-file another KEY."
            )
        self._names.add(f"{folder}/{name}")
        return name
