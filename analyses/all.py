"""Every figure and table in one go.

Each model is loaded once, what is in the store is not run again, and an analysis that cannot be
made does not keep the others from it. On the embedded model all of it takes about an hour on two
cores; with --redraw, which needs no model, a minute.

    python -m analyses.all --results my_results
    python -m analyses.all --redraw
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyses.command import FAILURE_EXIT, command
from tvsight.config import RULES, RunConfig
from tvsight.errors import ServerError, StorageError, TvsightError

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

ANALYSES = (
    "main_results",
    "layer_sweep",
    "vector_clusters",
    "vector_variability",
    "token_projections",
    "controls",
    "conflicting_tasks",
    "shots",
    "templates",
)
"""In the order in which they use what the others have stored."""
OWN_EPISODES = (
    "each analysis asks about episodes of its own; save and replay a file with "
    "`python -m analyses.main_results`."
)
UNUSED = {
    "episodes": OWN_EPISODES,
    "save_episodes": OWN_EPISODES,
    "vectors": "most of these analyses are about the vectors.",
}


@dataclass
class Made:
    """What became of one analysis."""

    outcomes: "list[Outcome]" = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """What is missing, and why."""
    files: list[Path] = field(default_factory=list)
    seconds: float = 0.0


def main(options: RunConfig) -> int:
    """Measure, draw and say what was made; returns the exit code."""
    from tvsight.output.console import Display
    from tvsight.run.outcome import together
    from tvsight.run.planning import plan, sources
    from tvsight.run.runner import Runner

    plan(options), sources(options)  # a mistyped name ends it here, not once per analysis
    display = Display()
    runner, made = Runner(display), {name: Made() for name in ANALYSES}
    for model in options.model:
        for name, result in made.items():
            display.title(f"{name}, {model}")
            with _noted(result, model, options.fail_fast):
                asked = _options(name, replace(options, model=(model,)))
                result.outcomes.append(_module(name).measure(runner, asked))
    for name, result in made.items():
        whole = together(result.outcomes).renamed(runner.labels)
        result.failures |= whole.failures
        if whole.rows:
            display.title(name)
            with _noted(result, "drawing", options.fail_fast), display.console:
                already = len(display.files)
                _module(name).draw(whole, _options(name, options), display)
                result.files = display.files[already:]
    for (model, task), note in together(made["main_results"].outcomes).notes.items():
        display.note(f"{model}, {task}: {note}.")
    if not options.dry_run:
        _summarise(made, display)
    missing = {
        f"{name}: {what}": why for name, of in made.items() for what, why in of.failures.items()
    }
    display.failures(missing)
    return FAILURE_EXIT if missing else 0


@contextmanager
def _noted(result: Made, what: str, fail_fast: bool) -> Iterator[None]:
    """An error on the way becomes a failure of this analysis, unless it would be one of all."""
    began = time.perf_counter()
    try:
        yield
    except (ServerError, StorageError):
        raise
    except TvsightError as error:
        if fail_fast:
            raise
        result.failures[what] = str(error)
    finally:
        result.seconds += time.perf_counter() - began


def _module(name: str) -> Any:
    return import_module(f"analyses.{name}")


def _options(name: str, options: RunConfig) -> Any:
    """The options of a run as those of one analysis, whose own have their defaults."""
    given = {entry.name: getattr(options, entry.name) for entry in fields(options)}
    return _module(name).Options(**given)


def _summarise(made: dict[str, Made], display: "Display") -> None:
    import pandas as pd

    rows = [
        {
            "Analysis": name,
            "Files": ", ".join(sorted({f"{file.parent.name}/{file.stem}" for file in of.files})),
            "Missing": str(len(of.failures)),
            "Seconds": f"{of.seconds:.0f}",
        }
        for name, of in made.items()
    ]
    display.table(pd.DataFrame(rows), "What was made", ["Seconds"])


if __name__ == "__main__":
    command(RunConfig, main, __doc__, RULES._replace(unused=UNUSED))
