"""Vectors under other templates and of other dummy queries: one result per task."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tvsight.errors import UsageError
from tvsight.experiments.templates import NAME as TEMPLATES
from tvsight.experiments.templates.episodes import common_pairs, respelled
from tvsight.experiments.templates.foreign import foreign_queries, foreign_task
from tvsight.experiments.templates.numbers import CHOICES, line
from tvsight.models import ModelSource
from tvsight.prompts import Template, sample_episodes, template
from tvsight.prompts.filtering import shared_first_tokens, spaced_pair
from tvsight.prompts.templates import template_name
from tvsight.run.outcome import Measured
from tvsight.run.planning import Plan, Request, identity
from tvsight.tasks import Task

if TYPE_CHECKING:
    from tvsight.execution import Steps
    from tvsight.models.loading import Model


def templates(
    chosen: Plan, source: ModelSource, names: Sequence[str], numbers: Sequence[int]
) -> list[Request]:
    """What a plan asks of one model.

    Args:
        names: of the templates that are compared, or texts; the plan's own joins them.
        numbers: of dummy queries that are compared; the plan's own joins them.

    Raises:
        UsageError: for an unknown template, for episodes from a file, or when a task has too few
            pairs.
    """
    _check_sampled(chosen)
    compared = compared_templates(chosen.template, names)
    counts = sorted({*numbers, chosen.config.dummy_queries})
    asked = []
    for task in chosen.tasks:
        _check_room(task.name, len(task.pairs), chosen.config.shots, counts[-1])
        other = foreign_task(task)
        settings = {
            "templates": sorted(one.text for one in compared.values()),
            "dummy_numbers": counts,
            "dummy_choices": list(CHOICES),
            "sources": {other.name: other.checksum},
        }
        asked.append(
            Request(
                identity(chosen, TEMPLATES, source, task) | settings,
                partial(_measure, chosen, task, other, compared, counts),
                line,
            )
        )
    return asked


def compared_templates(main: Template, names: Sequence[str]) -> dict[str, Template]:
    """The templates that `names` stand for, each once, by the name that rows give them; `main` is
    put first where it is not among them."""
    found = [template(name) for name in names]
    given = found if main in found else [main, *found]
    return {template_name(one): one for one in given}


def _measure(
    chosen: Plan,
    task: Task,
    other: Task,
    compared: dict[str, Template],
    numbers: Sequence[int],
    model: "Model",
) -> "Steps[Measured]":
    from tvsight.experiments.templates.measure import (  # torch, once in order
        measure_templates,
        variants,
    )

    config, main = chosen.config, template_name(chosen.template)
    common, standard = (
        common_pairs(task, model.tokenizer, compared, model.name),
        config.dummy_queries,
    )
    _check_room(task.name, len(common.pairs.pairs), config.shots, numbers[-1])
    episodes = sample_episodes(
        task.name, common.pairs, config.shots, numbers[-1], config.episodes_per_split, config.seed
    )
    foreign = foreign_queries(task, other, episodes, standard, config.seed)
    spelled = {}
    for name in compared:
        dummies = [
            (*episode.dummy_queries, *words) if name == main else episode.dummy_queries[:standard]
            for episode, words in zip(episodes, foreign, strict=True)
        ]
        spelled[name] = [
            respelled(replace(episode, dummy_queries=own), common.spaced[name])
            for episode, own in zip(episodes, dummies, strict=True)
        ]
    measured = variants(list(compared), main, numbers, standard)
    rows = yield from measure_templates(model, task, compared, main, spelled, measured)
    usable, total = len(common.pairs.pairs), common.pairs.total
    pairs = {"usable": usable, "of": total, "spaced": common.spaced}
    written = map(spaced_pair, common.pairs.pairs) if common.spaced[main] else common.pairs.pairs
    shared = shared_first_tokens(model.tokenizer, written, chosen.template)
    return Measured(rows, notes={"pairs": pairs, "shared_first_token": shared})


def _check_sampled(chosen: Plan) -> None:
    """Episodes in a file have the words of one template, and too few dummy queries."""
    config = chosen.config
    for option, path in (("episodes", config.episodes), ("save-episodes", config.save_episodes)):
        if path is not None:
            raise UsageError(
                f"--{option} {path}: analyses.templates samples its episodes, which are spelled "
                "differently under each template. Leave the option out."
            )


def _check_room(task: str, pairs: int, shots: int, dummies: int) -> None:
    needed = shots + dummies + 1
    if pairs < needed:
        raise UsageError(
            f"Task {task}: {shots} demonstrations, {dummies} dummy queries and a query need "
            f"{needed} pairs; it has {pairs}. Lower --shots or the largest of --dummy-numbers."
        )
