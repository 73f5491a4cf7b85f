"""From options to the results that a run wants: one request per model and task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tvsight.config import RunConfig, protocol
from tvsight.errors import UsageError
from tvsight.models import ModelSource, resolve, weights_identity
from tvsight.prompts.episode_files import episodes_digest, read_episodes
from tvsight.prompts.episodes import Episode, check_enough_pairs
from tvsight.prompts.templates import Template, template
from tvsight.scoring import SCORING_VERSION
from tvsight.store import Result
from tvsight.tasks import Task, packaged_tasks, select


@dataclass(frozen=True)
class Request:
    """One result that a run wants."""

    result: Result
    task: Task
    replayed: tuple[Episode, ...] | None
    """The exact episodes to measure, or None to sample them."""


@dataclass(frozen=True)
class Plan:
    """What a run asks, apart from its models."""

    config: RunConfig
    template: Template
    tasks: list[Task]
    replayed: dict[str, tuple[Episode, ...]]
    """Episodes from a file, by task; empty when they are sampled."""


def plan(config: RunConfig) -> Plan:
    """Read what the options name.

    Raises:
        UsageError: for an unknown task or template, or a broken file.
    """
    chosen_template = template(config.template)
    if config.episodes is None:
        tasks = select(config.tasks, config.task_file)
        for task in tasks:
            check_enough_pairs(task.name, len(task.pairs), config.shots, config.dummy_queries)
        return Plan(config, chosen_template, tasks, {})
    episodes = read_episodes(Path(config.episodes))
    names = dict.fromkeys(episode.task for episode in episodes)
    own = select("none", config.task_file) if config.task_file else []
    known = packaged_tasks() | {task.name: task for task in own}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"--episodes {config.episodes}: unknown task {unknown[0]!r}. "
            "`python -m analyses.tasks` lists the tasks; --task-file adds one of your own."
        )
    replayed = {
        name: tuple(episode for episode in episodes if episode.task == name) for name in names
    }
    return Plan(config, chosen_template, [known[name] for name in names], replayed)


def shared_identity(
    chosen: Plan, experiment: str, source: ModelSource, task: Task
) -> dict[str, Any]:
    """The part of a result's identity that is known without reading weights."""
    replayed = chosen.replayed.get(task.name)
    return {
        "experiment": experiment,
        "model": source.name,
        "task": task.name,
        "task_data": task.checksum,
        "template": chosen.template.text,
        "episodes": episodes_digest(replayed) if replayed else None,
        "scoring": SCORING_VERSION,
        **protocol(chosen.config),
    }


def requests(chosen: Plan, experiment: str, source: ModelSource, dtype: str) -> list[Request]:
    """The results that a run wants of one model, in the order of its tasks.

    Args:
        dtype: the precision that will be used, `auto` resolved.
    """
    weights = weights_identity(source)
    return [
        Request(
            Result(
                shared_identity(chosen, experiment, source, task)
                | {"weights": weights, "dtype": dtype}
            ),
            task,
            chosen.replayed.get(task.name),
        )
        for task in chosen.tasks
    ]


def sources(config: RunConfig) -> list[ModelSource]:
    """The models of a run, each once.

    Raises:
        UsageError: for an unknown name, or two directories of one name.
    """
    found = list(dict.fromkeys(resolve(name, config.revision) for name in config.model))
    names = [source.name for source in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--model: two models are named {name!r}; rename a directory.")
    return found
