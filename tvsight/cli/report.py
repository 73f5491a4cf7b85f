"""One page to explore all results, in one file that opens without anything installed."""

from dataclasses import dataclass
from pathlib import Path

from tvsight.cli.command import FAILURE_EXIT
from tvsight.config import File, Folder, Names, Selection
from tvsight.explorer import NAME


@dataclass(frozen=True)
class Options:
    """The results to show, and the file of the page."""

    results: Folder = "results"
    """The results folder."""
    output: File = None
    """The page. By default `report/index.html` in the results folder, where it links to the files
    of figures."""
    model: Names = ()
    """Only results of these models, named as `python -m analyses.results list` names them."""
    tasks: Selection = "all"
    """Only results of these tasks: names and categories separated by commas, `paper`, or `all`."""


def main(options: Options) -> int:
    """Write the page; returns the exit code, 1 where a result is damaged."""
    from tvsight.explorer.page import write_page
    from tvsight.output.console import Display
    from tvsight.storage.choice import Choice
    from tvsight.storage.store import Store

    output = Path(options.output or Path(options.results, NAME, "index.html"))
    display = Display()
    choice = Choice(options.model, options.tasks)
    problems = write_page(Store(options.results), choice, output)
    for problem in problems:
        display.note(f"Left out: {problem.reason}")
    display.written([output])
    return FAILURE_EXIT if any(problem.kind != "different" for problem in problems) else 0
