"""Shared by the actions on a results folder: options, and findings in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvsight.config import Folder, Names, Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvsight.output.console import Display
    from tvsight.storage.choice import Choice
    from tvsight.storage.inspection import Finding


@dataclass(frozen=True)
class Chosen:
    """Results of a folder, by name."""

    results: Folder = "results"
    """The results folder."""
    model: Names = ()
    """Only results of these models, named as `list` names them."""
    tasks: Selection = "all"
    """Only results of these tasks: names and categories separated by commas, `paper`, or `all`."""
    experiment: Names = ()
    """Only results of these experiments."""

    def choice(self) -> "Choice":
        """The same for a folder."""
        from tvsight.storage.choice import Choice

        return Choice(self.model, self.tasks, self.experiment)


def name_findings(display: "Display", findings: "Sequence[Finding]") -> None:
    """Print a line for each finding."""
    for finding in findings:
        size = f" ({size_text(finding.size)})" if finding.size else ""
        display.note(f"{finding.path}: {finding.kind}: {finding.reason}{size}")


def counted(results: int) -> str:
    """A number of results, in words."""
    return "1 result" if results == 1 else f"{results} results"


def size_text(count: int) -> str:
    """Bytes, for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
