"""The tables and figures of one analysis: where they go, and which were written."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from tvsight.output import tables, theme
from tvsight.writing import folder_name


class Drawn:
    """Writes the tables and figures of one analysis.

    Args:
        results: the results folder.
        name: the analysis; the names of its files begin with it.

    Attributes:
        files: every file that was written, in order.
    """

    def __init__(self, results: Path | str, name: str) -> None:
        self.results = Path(results)
        self.name = name
        self.files: list[Path] = []

    def table(
        self,
        numbers: pd.DataFrame,
        cells: Sequence[pd.DataFrame],
        *parts: str,
        names: Sequence[str],
    ) -> None:
        """Write numbers as CSV, and the same numbers as text for Markdown and LaTeX.

        Args:
            cells: one table of texts under the other.
            parts: what follows the analysis in the name of the file.
            names: columns of `cells` whose texts come from elsewhere and are escaped: names of
                models and tasks, words, tokens.

        Raises:
            UsageError: when the folder cannot be written.
        """
        folder = self.results / "tables"
        self.files += tables.write(folder, self._named(parts), numbers, cells, names)

    def numbers(self, numbers: pd.DataFrame, *parts: str) -> None:
        """Write numbers as CSV alone, when they are drawn and too many to read.

        Raises:
            UsageError: when the folder cannot be written.
        """
        self.files += tables.write_numbers(self.results / "tables", self._named(parts), numbers)

    def figure(self, figure: Figure, *parts: str) -> None:
        """Write a figure as PNG and PDF.

        Raises:
            UsageError: when the folder cannot be written.
        """
        self.files += theme.save(figure, self.results / "figures", self._named(parts))

    def _named(self, parts: Sequence[str]) -> str:
        return "_".join([self.name, *map(folder_name, parts)])
