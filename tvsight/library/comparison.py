"""Measure tasks with the runner of the command line, and return their rows."""

import warnings
from collections.abc import Iterable
from dataclasses import fields
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tvsight.errors import (
    MeasurementError,
    Remark,
    UsageError,
    in_python,
    instead,
    nearest,
    unexpected,
)
from tvsight.interventions.decoder import one_at_a_time
from tvsight.library.arguments import as_method, as_tasks, as_text, whole
from tvsight.library.model import LoadedModel, check_model
from tvsight.methods.method import Method
from tvsight.output.console import Display
from tvsight.protocol.central import collect
from tvsight.protocol.options import AnswerOptions
from tvsight.run.runner import Runner
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

DECIDED = {
    *("model", "revision", "dtype", "device", "trust_remote_code", "allow_pickled_weights"),
    *("remote", "remote_simulated", "host", "max_in_flight", "retries", "job_minutes"),
    *("tasks", "results", "fail_fast", "dry_run", "redraw", "save_episodes"),
    *("captions", "width", "svg"),
}
"""AnswerOptions that the model or another argument decides, or that change no rows."""
OPTIONS = tuple(entry.name for entry in fields(AnswerOptions) if entry.name not in DECIDED)
"""The options of `python -m analyses.main_results` that `measure` takes by name."""

RATHER = {"score": " It chooses what a figure shows; the rows have every score as a column."}
"""By an option of the command that would change no rows: what is said of it."""


@in_python()
@one_at_a_time
def measure(
    model: LoadedModel,
    tasks: Any = "paper",
    results: str | PathLike[str] = "results",
    progress: bool = False,
    **options: Any,
) -> "pd.DataFrame":
    """The central comparison: baseline, ICL and vectors on the same episodes.

    Args:
        tasks: names and categories, or one text of them as for `--tasks`; tasks and pairs of your
            own, as `tvsight.Task.of` takes them, alone or among names.
        results: the folder of the results. What it holds is not measured again, whether a command
            or this function measured it.
        progress: show a bar, and a line for each task that is done.
        options: those of `python -m analyses.main_results`, such as `shots=3`, `seed=(0, 1)` or
            `methods=["mean_state"]`, where files and functions may stand too, as in `task_vector`.

    Returns:
        One row per scored prediction, as docs/results.md describes them, and `seed` where there
        are several.

    Raises:
        UsageError: for an unknown option or task, a value of the wrong kind, or a folder that
            cannot be written.
        MeasurementError: when no task can be measured.

    Warns:
        Remark: about each task that cannot be measured, where others can.
    """
    check_model(model)
    given_tasks = as_tasks(tasks)
    own = [task for task in given_tasks if isinstance(task, Task)]
    names = [name for name in given_tasks if isinstance(name, str)]
    folder = fspath(results) if isinstance(results, PathLike) else results
    given: dict[str, Any] = {
        "tasks": ",".join(names) if names else "none",
        "results": as_text("results", folder),
    }
    for name, value in options.items():
        if name not in OPTIONS:
            meant = RATHER.get(name, instead(name) or nearest(name, OPTIONS))
            known = f"The options are {', '.join(OPTIONS)}."
            raise UsageError(f"{name}: unknown option.{meant} {known}")
        given[name] = _converted(name, value)
    config = AnswerOptions(**given, **_of_model(model))
    display = Display(None if progress else Console(quiet=True))
    outcome = collect(Runner(display, model, own), config)
    failed = [f"{key}: {why}" for key, why in outcome.failures.items()]
    if not outcome.results:
        raise MeasurementError("; ".join(failed) or "no task was measured.")
    for line in failed:
        warnings.warn(line, Remark, stacklevel=4)
    return outcome.in_order().table


def _of_model(model: LoadedModel) -> dict[str, Any]:
    """The options that the model decides."""
    source = model.source
    name = source.location if source.kind == "directory" else source.name
    known = {"model": (name,), "revision": source.revision, "dtype": model.dtype}
    if model.remote is True:
        return known | {"remote": True}
    device = "cpu" if model.device == "cpu" else "cuda"
    return known | {"device": device, "remote_simulated": model.remote == "simulated"}


def _converted(name: str, value: Any) -> Any:
    """A value of the kind that an option has on the command line."""
    default = getattr(AnswerOptions, name)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise unexpected(name, "True or False", value)
        return value
    if isinstance(default, int):
        return whole(name, value)
    if name == "methods":
        several = (
            [value] if isinstance(value, str | PathLike | Method) or callable(value) else value
        )
        if not isinstance(several, Iterable):
            raise unexpected(name, "names, files or functions", value)
        return tuple(as_method(one) for one in several)
    if name == "seed":
        seeds = value if isinstance(value, tuple | list | range) else (value,)
        return tuple(whole(name, seed) for seed in seeds)
    if isinstance(default, tuple):
        if not isinstance(value, Iterable):
            raise unexpected(name, "names", value)
        return tuple(as_text(name, one) for one in ([value] if isinstance(value, str) else value))
    return as_text(name, value)
