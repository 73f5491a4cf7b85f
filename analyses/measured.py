"""What every analysis does: rows from the store, measured where they are missing, then drawn."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from analyses.command import FAILURE_EXIT
from tvsight.config import RunConfig

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

Options = TypeVar("Options", bound=RunConfig)


def analyse(
    options: Options,
    measure: "Callable[[Runner, Options], Outcome]",
    draw: "Callable[[Outcome, Options, Display], None]",
) -> int:
    """Measure what is missing, draw what is there, name what is not; returns the exit code.

    Args:
        measure: gives the rows that the analysis is about.
        draw: writes tables and figures from them.
    """
    from tvsight.output.console import Display
    from tvsight.run.runner import Runner

    display = Display()
    runner = Runner(display)
    outcome = measure(runner, options)
    if outcome.rows:
        with display.console:  # what is printed waits until the files are written
            draw(outcome.renamed(runner.labels), options, display)
        for (model, task), note in outcome.notes.items():
            display.note(f"{model}, {task}: {note}.")
    display.failures(outcome.failures)
    return FAILURE_EXIT if outcome.failures else 0


def main_results(runner: "Runner", options: RunConfig, vectors: bool = False) -> "Outcome":
    """The central comparison.

    Args:
        vectors: whether it is of use only with the vectors, which are then stored even where
            --no-vectors says otherwise.
    """
    from dataclasses import replace

    from tvsight.experiments.main_results.request import main_results

    if vectors:
        options = replace(options, vectors=True)
    return runner.outcome(options, partial(main_results, needs_vectors=vectors))
