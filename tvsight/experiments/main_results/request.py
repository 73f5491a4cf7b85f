"""The central comparison: one result per task."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.main_results.numbers import task_line
from tvsight.models import ModelSource
from tvsight.prompts.episodes import Episode
from tvsight.run.outcome import Measured
from tvsight.run.planning import Plan, Request, identity
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.execution import Steps
    from tvsight.models.loading import Model


def main_results(chosen: Plan, source: ModelSource, needs_vectors: bool = False) -> list[Request]:
    """What a plan asks of one model.

    Args:
        needs_vectors: measure again what was stored without vectors.
    """
    return [
        Request(
            identity(chosen, MAIN_RESULTS, source, task),
            partial(_measure, chosen, task),
            partial(_line, task),
            partial(_episodes, chosen, task),
            needs_vectors,
        )
        for task in chosen.tasks
    ]


def _line(task: Task, rows: "pd.DataFrame") -> str:
    """The comparison, and the first pair, by which a file that was read wrongly is recognised."""
    first = task.pairs[0]
    return f"{task_line(rows)}  first pair {first.input} → {first.answer}"


def _measure(chosen: Plan, task: Task, model: "Model") -> "Steps[Measured]":
    from tvsight.experiments.main_results.measure import measure_task  # torch, once all is in order

    episodes, notes = chosen.episodes(task, model)
    config = chosen.config
    rows, vectors = yield from measure_task(
        model, task, episodes, chosen.template, config.vectors, config.max_job_episodes
    )
    return Measured(rows, vectors, notes)


def _episodes(chosen: Plan, task: Task, model: "Model") -> Sequence[Episode]:
    return chosen.episodes(task, model)[0]
