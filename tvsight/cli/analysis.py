"""Commands of the experiments: collect the results that one is about, and draw them."""

from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tvsight.cli.command import FAILURE_EXIT, command
from tvsight.config import RULES, RunConfig
from tvsight.errors import UsageError
from tvsight.progress import bar

if TYPE_CHECKING:
    from tvsight.output.drawn import Drawn
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner


def report(name: str) -> ModuleType:
    """The module that collects and draws the results of an experiment."""
    return import_module(f"tvsight.experiments.{name}.report")


def run(name: str, description: str | None) -> None:
    """Be the command of an experiment.

    Args:
        name: its folder, whose `Options` and, where it has some, `RULES` are those of the command.
        description: what --help says of it.
    """
    experiment = import_module(f"tvsight.experiments.{name}")
    rules = getattr(experiment, "RULES", RULES)
    command(experiment.Options, partial(analyse, name), description, rules)


def analyse(name: str, options: Any) -> int:
    """Measure what is missing, draw what is there, name what is not; returns the exit code.

    Args:
        name: the experiment.

    Raises:
        UsageError: for an unknown method or a file that defines none, before anything is measured.
    """
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn
    from tvsight.protocol.methods import further_methods
    from tvsight.run.runner import Runner

    refuse_empty(options)
    of_name = report(name)
    further_methods(options)  # an unknown one is refused before the others are measured
    display = Display()
    runner = Runner(display)
    outcome = of_name.collect(runner, options)
    if outcome.results:
        draw(of_name, outcome, options, runner, Drawn(options, name))
        for key, note in outcome.notes.items():
            display.note(f"{key.model}, {key.task}: {note}.")
    display.failures(outcome.failures)
    return FAILURE_EXIT if outcome.failures else 0


def refuse_empty(options: RunConfig) -> None:
    """Refuse to draw from a folder without any result.

    Raises:
        UsageError: for such a folder.
    """
    from tvsight.storage.store import Store

    if options.redraw and next(Store(options.results).paths(), None) is None:
        raise UsageError(
            f"--redraw: {options.results} has no results. Leave --redraw out to measure them, or "
            "name the folder that has them with --results."
        )


def draw(
    of_name: ModuleType, outcome: "Outcome", options: Any, runner: "Runner", drawn: "Drawn"
) -> None:
    """Write the tables and figures of a report. What is printed waits until they are written."""
    from tvsight.output.findings import Findings
    from tvsight.output.theme import page
    from tvsight.storage.store import Store

    drawn.name_only(outcome.whole_models)
    covered = drawn.keep_wider(outcome.coverage, outcome.stored_coverage(Store(options.results)))
    drawing = bar(drawn.earlier or None, "drawing")
    with runner.display.console, drawing as drawn.seen, page(options.width):
        renamed = outcome.renamed(runner.labels).in_order()
        shown = Findings(runner.display, options.verbose)
        of_name.draw(renamed, options, shown, drawn)
        covered.record()
        models = {result.key.model for result in renamed.results}
        shown.show(drawn.findings(models), drawn.files, str(covered))
