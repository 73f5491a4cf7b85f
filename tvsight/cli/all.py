"""Every figure and table in one go."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tvsight.cli.analysis import draw, refuse_empty, report
from tvsight.cli.command import FAILURE_EXIT
from tvsight.config import RULES, RunConfig
from tvsight.errors import ServerError, StorageError, TvsightError
from tvsight.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from tvsight.output.drawn import Drawn
    from tvsight.run.outcome import Outcome

COMPARE_SEEDS = ("main_results", "controls", "function_vectors", "heads")
OWN_EPISODES = (
    "each analysis asks about episodes of its own; save and replay a file with "
    "`python -m analyses.main_results`."
)


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run."""

    rules = RULES._replace(
        unused={
            "episodes": OWN_EPISODES,
            "save_episodes": OWN_EPISODES,
            "vectors": "most of these analyses are about the vectors.",
        }
    )


@dataclass
class Made:
    """One analysis: its results, its tables and figures, and its failures."""

    report: ModuleType
    outcome: "Outcome"
    """Of all models."""
    drawn: "Drawn"
    failures: dict[str, str] = field(default_factory=dict)
    """Why something is missing, by its name."""
    seconds: float = 0.0

    @property
    def files(self) -> str:
        """The names of its tables and figures, each once."""
        stems = {file: file.stem.removesuffix(".caption") for file in self.drawn.files}
        return ", ".join(sorted({f"{file.parent.name}/{stem}" for file, stem in stems.items()}))


def main(options: RunConfig) -> int:
    """Measure what is missing, draw everything, and list what was made; returns the exit code."""
    import pandas as pd

    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn
    from tvsight.run.outcome import Outcome
    from tvsight.run.planning import read_plan, sources
    from tvsight.run.runner import Runner

    refuse_empty(options)
    read_plan(options)  # a mistyped name ends the command here, not once per analysis
    sources(options)
    display = Display()
    runner = Runner(display)
    made = {
        name: Made(report(name), Outcome(), Drawn(_options(name, options), name))
        for name in EXPERIMENTS
    }
    for model in options.model:
        for name, one in made.items():
            display.title(f"{name}, {model}")
            with _noted(one, model, options.fail_fast):
                of_model = _options(name, replace(options, model=(model,)))
                one.outcome.add(one.report.collect(runner, of_model))
    for name, one in made.items():
        one.failures |= {str(key): why for key, why in one.outcome.failures.items()}
        if one.outcome.results:
            display.title(name)
            with _noted(one, "drawing", options.fail_fast):
                draw(one.report, one.outcome, _options(name, options), runner, one.drawn)
    for key, note in made["main_results"].outcome.notes.items():
        display.note(f"{key.model}, {key.task}: {note}.")
    if not options.dry_run:
        rows = [
            {
                "Analysis": name,
                "Files": one.files,
                "Missing": str(len(one.failures)),
                "Seconds": f"{one.seconds:.0f}",
            }
            for name, one in made.items()
        ]
        display.table(pd.DataFrame(rows), "What was made", ["Seconds"])
    failures = {
        f"{name}: {what}": why for name, one in made.items() for what, why in one.failures.items()
    }
    display.failures(failures)
    return FAILURE_EXIT if failures else 0


@contextmanager
def _noted(one: Made, what: str, fail_fast: bool) -> Iterator[None]:
    """Turn an error in the block into a failure of one analysis, unless all others would share it.

    Args:
        what: the name of the failure.
    """
    began = time.perf_counter()
    try:
        yield
    except (ServerError, StorageError):
        raise
    except TvsightError as error:
        if fail_fast:
            raise
        one.failures[what] = str(error)
    finally:
        one.seconds += time.perf_counter() - began


def _options(name: str, options: RunConfig) -> Any:
    """The options of a run as those of one analysis, whose own have their defaults."""
    values = {entry.name: getattr(options, entry.name) for entry in fields(options)}
    if name not in COMPARE_SEEDS:
        values["seed"] = options.seed[:1]
    return import_module(f"tvsight.experiments.{name}").Options(**values)
