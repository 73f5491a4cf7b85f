"""Collect the results that an analysis is about, and draw them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from analyses.command import FAILURE_EXIT
from tvsight.config import RunConfig

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

Options = TypeVar("Options", bound=RunConfig)


def analyse(
    options: Options,
    name: str,
    collect: "Callable[[Runner, Options], Outcome]",
    draw: "Callable[[Outcome, Options, Display, Drawn], None]",
) -> int:
    """Measure what is missing, draw what is there, name what is not; returns the exit code.

    Args:
        name: the analysis.
        collect: its results, from the store or measured.
        draw: writes tables and figures from them.

    Raises:
        UsageError: for an unknown method or a file that defines none, before anything is measured.
    """
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn
    from tvsight.protocol.methods import further_methods
    from tvsight.run.runner import Runner

    further_methods(options)  # an unknown one is refused before the others are measured
    display = Display()
    runner = Runner(display)
    outcome = collect(runner, options)
    if outcome.results:
        drawn = Drawn(options, name)
        drawn.name_only(outcome.whole_models)
        with display.console:  # what is printed waits until the files are written
            draw(outcome.renamed(runner.labels).in_order(), options, display, drawn)
            display.written(drawn.files)
        for key, note in outcome.notes.items():
            display.note(f"{key.model}, {key.task}: {note}.")
    display.failures(outcome.failures)
    return FAILURE_EXIT if outcome.failures else 0
