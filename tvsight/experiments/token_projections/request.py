"""Mean vectors through the unembedding: one result per task."""

import random
from functools import partial
from typing import TYPE_CHECKING, Any

from tvsight.experiments.token_projections import NAME as TOKEN_PROJECTIONS
from tvsight.models import ModelSource
from tvsight.prompts.filtering import usable_pairs
from tvsight.run.outcome import Measured
from tvsight.run.planning import Plan, Request, identity
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.execution import Steps
    from tvsight.models.loading import Model
    from tvsight.storage.task_vectors import TaskVectors

TOP = 100
"""Tokens that are kept after each block: enough that 20 are left of words without repetitions."""
DRAWS = 8
"""Random vectors beside each mean vector."""
SEED = 0
"""Seed of the random vectors, together with the task's name."""


def token_projections(
    chosen: Plan, source: ModelSource, vectors: "TaskVectors | None"
) -> list[Request]:
    """What a plan asks of one model.

    Args:
        vectors: of the central comparison. A task without them is left out. None where nothing
            will be measured: then no task is.
    """
    return [
        Request(
            identity(chosen, TOKEN_PROJECTIONS, source, task)
            | {"words": list(task.words), "top": TOP, "draws": DRAWS, "draw_seed": SEED},
            partial(_measure, chosen, task, vectors),
            task_line,
        )
        for task in chosen.tasks
        if vectors is None or (source.name, task.name) in vectors.paths
    ]


def task_line(rows: "pd.DataFrame") -> str:
    """Where the answers and each word come nearest to the top, in a line."""
    of_task = rows[(rows["vector"] == "task") & (rows["kind"] != "top")]
    found = []
    for (kind, word), asked in of_task.groupby(["kind", "token"], dropna=False, sort=False):
        best = asked.sort_values("rank", kind="stable").iloc[0]
        name = "answers" if kind == "answers" else f"“{word}”"
        found.append(f"{name} at rank {best['rank']:.0f} after block {best['layer']}")
    return "best " + ", ".join(found)


def _measure(
    chosen: Plan, task: Task, vectors: "TaskVectors | None", model: "Model"
) -> "Steps[Measured]":
    import torch  # once all is in order

    from tvsight.experiments.token_projections.measure import measure_projections

    if vectors is None:  # to see what would be sent, its size is enough
        mean = torch.zeros(model.decoder.depth, model.decoder.width)
    else:
        mean = vectors.mean(model.name, task.name)
    pairs, notes = _pairs(chosen, task, model)
    # A text is hashed the same on every machine.
    seed = random.Random(f"{SEED}/{task.name}/random vectors").getrandbits(63)
    rows = yield from measure_projections(
        model, task, mean, pairs, chosen.template, TOP, DRAWS, seed
    )
    return Measured(rows, None, notes)


def _pairs(
    chosen: Plan, task: Task, model: "Model"
) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Inputs and usual answers as they stand in prompts, and what a manifest says of them."""
    if task.name in chosen.replayed:
        episodes, notes = chosen.episodes(task, model)
        asked = {episode.query: episode.accepted[0] for episode in episodes}
        return list(asked.items()), notes
    usable = usable_pairs(task, model.tokenizer, chosen.template, model.name)
    kept = {"usable": len(usable.pairs), "of": usable.total, "spaced": usable.spaced}
    return [(pair.input, pair.answer) for pair in usable.pairs], {"pairs": kept}
