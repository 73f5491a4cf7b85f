"""Conflicting tasks: one result per pair of tasks."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from tvsight.errors import UsageError, nearest
from tvsight.experiments.conflicting_tasks import NAME as CONFLICTING_TASKS
from tvsight.experiments.conflicting_tasks.episodes import (
    PAPER_PAIRS,
    check_conflict,
    conflicting_queries,
    pair_name,
    sample_conflicts,
)
from tvsight.experiments.conflicting_tasks.numbers import pair_line
from tvsight.models import ModelSource
from tvsight.prompts.filtering import shared_first_tokens, usable_pairs
from tvsight.run.outcome import Measured
from tvsight.run.planning import Plan, Request, identity
from tvsight.tasks import Task, packaged_tasks

if TYPE_CHECKING:
    from tvsight.execution import Steps
    from tvsight.models.loading import Model


def conflicting_tasks(
    chosen: Plan, source: ModelSource, pairs: Sequence[str] = PAPER_PAIRS
) -> list[Request]:
    """What a plan asks of one model.

    Args:
        pairs: as `--pairs` has them, `A:B`: demonstrations of A, the vector of B.

    Raises:
        UsageError: for a pair that is not one, an unknown task, two tasks that share too few
            queries, or episodes from a file.
    """
    return [
        Request(
            identity(chosen, CONFLICTING_TASKS, source, demonstrated)
            | {
                "task": pair_name(demonstrated.name, patched.name),
                "sources": {patched.name: patched.checksum},
            },
            partial(_measure, chosen, demonstrated, patched),
            pair_line,
        )
        for demonstrated, patched in pairs_of_tasks(chosen, pairs)
    ]


def pairs_of_tasks(chosen: Plan, pairs: Sequence[str]) -> list[tuple[Task, Task]]:
    """The tasks that `--pairs` names, each pair once. Tasks of --task-file are known too.

    Raises:
        UsageError: see `conflicting_tasks`.
    """
    config = chosen.config
    if config.episodes is not None or config.save_episodes is not None:
        option = "--save-episodes" if config.episodes is None else "--episodes"
        raise UsageError(
            f"{option}: an episode of conflicting tasks has demonstrations of two tasks, which "
            "files of episodes do not hold. Leave it out; --seed fixes what is sampled."
        )
    if not pairs:
        raise UsageError("--pairs: at least one pair was expected, such as next_letter:to_upper.")
    known = packaged_tasks() | {task.name: task for task in chosen.tasks}
    found = []
    for pair in dict.fromkeys(pairs):
        names = pair.split(":")
        if len(names) != 2 or not all(names):
            raise UsageError(
                f"--pairs {pair!r}: two tasks with a colon between them were expected, such as "
                "next_letter:to_upper (demonstrations of the first, the vector of the second)."
            )
        for name in names:
            if name not in known:
                raise UsageError(
                    f"--pairs {pair!r}: unknown task {name!r}.{nearest(name, known)} "
                    "`python -m analyses.tasks` lists the tasks; --task-file adds one of your own."
                )
        demonstrated, patched = (known[name] for name in names)
        check_conflict(demonstrated, patched, config.shots, config.dummy_queries)
        found.append((demonstrated, patched))
    return found


def _measure(chosen: Plan, demonstrated: Task, patched: Task, model: "Model") -> "Steps[Measured]":
    from tvsight.experiments.conflicting_tasks.measure import (
        measure_pair,  # torch, once all is in order
    )

    config, tasks = chosen.config, (demonstrated, patched)
    one, other = (
        usable_pairs(task, model.tokenizer, chosen.template, model.name) for task in tasks
    )
    queries = conflicting_queries(tasks, (one, other), model, chosen.template)
    conflicts = sample_conflicts(
        (demonstrated.name, patched.name),
        (one, other),
        queries,
        config.shots,
        config.dummy_queries,
        config.episodes_per_split,
        config.seed,
    )
    rows = yield from measure_pair(model, demonstrated, patched, conflicts, chosen.template)
    notes = {
        "pairs": {"conflicting": len(queries)},
        "shared_first_token": shared_first_tokens(
            model.tokenizer, [*one.pairs, *other.pairs], chosen.template
        ),
    }
    return Measured(rows, notes=notes)
