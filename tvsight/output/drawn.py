"""The tables and figures of one analysis: where they go, and which were written."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import pandas as pd

from tvsight.config import RunConfig, command
from tvsight.output import tables
from tvsight.output.plots import Plot
from tvsight.output.tables import Wording
from tvsight.writing import folder_name


class Drawn:
    """Writes the tables and figures of one analysis.

    Args:
        options: of the run; they name the results folder and say how figures are written.
        name: the analysis; the names of its files begin with it.

    Attributes:
        files: every file that was written, in order.
    """

    method = ""
    """The method whose vector is drawn; empty for the task vector."""

    def __init__(self, options: RunConfig, name: str) -> None:
        self.options = options
        self.results = Path(options.results)
        self.name = name
        self.files: list[Path] = []

    def of_method(self, method: str) -> "Drawn":
        """The same for the vector of another method, whose key stands in the names of its files.
        The list of files is shared."""
        other = copy(self)
        other.method = method
        return other

    def table(
        self,
        numbers: pd.DataFrame,
        cells: Sequence[pd.DataFrame],
        *parts: str,
        names: Sequence[str],
        wording: Wording,
    ) -> None:
        """Write numbers as CSV, and the same numbers as text for Markdown and LaTeX.

        Args:
            cells: one table of texts under the other.
            parts: what follows the analysis in the name of the file.
            names: columns of `cells` that hold names and words. One that is the same in every row
                is said above the table instead.
            wording: what is said above the table.

        Raises:
            UsageError: when the folder cannot be written.
        """
        folder = self.results / "tables"
        self.files += tables.write(folder, self._named(parts), numbers, cells, names, wording)

    def numbers(self, numbers: pd.DataFrame, *parts: str) -> None:
        """Write numbers as CSV alone, when they are drawn and too many to read.

        Raises:
            UsageError: when the folder cannot be written.
        """
        self.files += tables.write_numbers(self.results / "tables", self._named(parts), numbers)

    def figure(self, plot: Plot, *parts: str) -> None:
        """Write a figure as PNG and PDF, or SVG too, and its caption as Markdown.

        Args:
            parts: what follows the analysis in the name of the file.

        Raises:
            UsageError: when the folder cannot be written.
        """
        self.files += plot.write(
            self.results / "figures",
            self._named(parts),
            captions=self.options.captions,
            svg=self.options.svg,
            command=command(self.name, self.options),
        )

    def _named(self, parts: Sequence[str]) -> str:
        return "_".join([self.name, *filter(None, [self.method]), *map(folder_name, parts)])
