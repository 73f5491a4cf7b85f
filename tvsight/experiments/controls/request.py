"""What is patched in place of the task vector: one result per task."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tvsight.config import protocol
from tvsight.experiments.controls import NAME as CONTROLS
from tvsight.experiments.controls.episodes import kept_labels, shuffled_labels
from tvsight.experiments.controls.numbers import control_line
from tvsight.models import ModelSource
from tvsight.prompts.episode_files import episodes_digest
from tvsight.prompts.episodes import SPLITS, Episode
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, Request, identity
from tvsight.tasks import Task

if TYPE_CHECKING:
    from tvsight.execution import Steps
    from tvsight.experiments.controls.measure import Comparison
    from tvsight.models.loading import Model
    from tvsight.storage.task_vectors import TaskVectors


def controls(
    chosen: Plan, source: ModelSource, main: Outcome, vectors: "TaskVectors | None"
) -> list[Request]:
    """What a plan asks of one model, for the tasks that the central comparison has.

    Args:
        main: the central comparison.
        vectors: its vectors; None for a dry run, which takes every task to be there and sends
            zeros of the size of vectors.
    """
    tasks = [
        task for task in chosen.tasks if vectors is None or (source.name, task.name) in main.paths
    ]
    layers = _layers(main, source.name)
    requests = []
    for task in tasks:
        # By name, since the others take turns: the order of --tasks changes no number.
        others = sorted((o for o in tasks if o.name != task.name), key=lambda other: other.name)
        layer = layers.get(task.name)
        further = {"layer": layer, "sources": {other.name: other.checksum for other in others}}
        if chosen.replayed:
            digests = {o.name: episodes_digest(chosen.replayed[o.name]) for o in others}
            further["source_episodes"] = digests
        requests.append(
            Request(
                identity(chosen, CONTROLS, source, task) | further,
                partial(_measure, chosen, task, others, layer, vectors),
                control_line,
                partial(_episodes, chosen, task),
            )
        )
    return requests


def _layers(main: Outcome, model: str) -> dict[str, int]:
    """The block that was chosen for the task vector, by task."""
    layers = {}
    for rows in main.of(model).rows:
        tested = rows[(rows["split"] == "test") & (rows["procedure"] == "task_vector")]
        layers[str(rows["task"].iloc[0])] = int(tested["layer"].iloc[0])
    return layers


def _measure(
    chosen: Plan,
    task: Task,
    others: list[Task],
    layer: int | None,
    vectors: "TaskVectors | None",
    model: "Model",
) -> "Steps[Measured]":
    from tvsight.experiments.controls.measure import measure_controls  # torch, once all is in order

    episodes, notes = chosen.episodes(task, model)
    seed = str(protocol(chosen.config)["seed"])
    shuffled = [
        shuffled_labels(episode, f"{seed}/{task.name}/{number}")
        for number, episode in enumerate(episodes)
    ]
    labels: dict[str, Any] = {
        "kept": sum(map(kept_labels, episodes, shuffled)),
        "of": sum(len(episode.demonstrations) for episode in episodes),
    }
    names = [other.name for other in others]
    comparison = _comparison(task.name, names, layer, vectors, model, episodes)
    rows = yield from measure_controls(
        model, task, episodes, shuffled, chosen.template, comparison, seed
    )
    return Measured(rows, None, {**notes, "shuffled_labels": labels})


def _comparison(
    task: str,
    others: list[str],
    layer: int | None,
    vectors: "TaskVectors | None",
    model: "Model",
    episodes: Sequence[Episode],
) -> "Comparison":
    import torch

    from tvsight.experiments.controls.measure import Comparison

    depth, width = model.decoder.depth, model.decoder.width
    means = torch.zeros(len(others), depth, width, dtype=torch.half)
    if vectors is None or layer is None:
        counts = {split: sum(e.split == split for e in episodes) for split in SPLITS}
        none = {str(split): torch.zeros(count, depth) for split, count in counts.items()}
        return Comparison(depth // 2, none, means, others)
    for row, name in enumerate(others):
        # Half precision, as a part of the vectors is stored: from the whole come the same numbers.
        means[row] = vectors.mean(model.name, name).half()
    norms = {str(split): vectors.norms(model.name, task, split) for split in SPLITS}
    return Comparison(layer, norms, means, others)


def _episodes(chosen: Plan, task: Task, model: "Model") -> Sequence[Episode]:
    return chosen.episodes(task, model)[0]
