"""The same episodes under several templates, with dummy queries of the task and of another."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tvsight.errors import UsageError
from tvsight.prompts.episodes import Episode
from tvsight.prompts.filtering import MIN_PAIRS, UsablePairs, usable_pairs
from tvsight.prompts.templates import Template
from tvsight.tasks import Pair, Task, packaged_tasks

FOREIGN_TASKS = ("country_capital", "antonyms")
"""Packaged tasks whose inputs are borrowed: the first that is of another category."""


@dataclass(frozen=True)
class CommonPairs:
    """The pairs of a task that survive a tokenizer under each of several templates."""

    pairs: UsablePairs
    """The pairs as the task has them, without the space that sets words off."""
    spaced: dict[str, bool]
    """Whether words begin with a space, by the template's name."""


def common_pairs(
    task: Task, tokenizer: Any, templates: Mapping[str, Template], model: str
) -> CommonPairs:
    """The pairs that can be written under every one of `templates`.

    Whether words are spaced is decided for each template on its own; pairs are compared without
    that space. An answer counts when it survives under all templates.

    Args:
        templates: by name.

    Raises:
        UsageError: when fewer than `MIN_PAIRS` survive, under one template or under all.
    """
    usable = {
        name: usable_pairs(task, tokenizer, template, model) for name, template in templates.items()
    }
    kept = [{pair.input: pair.answers for pair in _plain(of)} for of in usable.values()]
    pairs = []
    for pair in task.pairs:
        if all(pair.input in survivors for survivors in kept):
            answers = [a for a in pair.answers if all(a in of[pair.input] for of in kept)]
            pairs.append(Pair(pair.input, tuple(answers)))
    if len(pairs) < MIN_PAIRS:
        raise UsageError(
            f"Task {task.name} with model {model}: {len(pairs)} of {len(task.pairs)} pairs have an "
            f"answer of one token under all of the templates {', '.join(templates)}; at least "
            f"{MIN_PAIRS} are needed."
        )
    spaced = {name: of.spaced for name, of in usable.items()}
    return CommonPairs(UsablePairs(tuple(pairs), False, len(task.pairs)), spaced)


def under_templates(
    episodes: Sequence[Episode],
    foreign: Sequence[Sequence[str]],
    spaced: Mapping[str, bool],
    main: str,
    standard: int,
) -> dict[str, list[Episode]]:
    """The episodes spelled for each template, with the dummy queries that its vectors need.

    Args:
        episodes: plain words, with as many dummy queries as the largest number that is compared.
        foreign: foreign dummy queries of each episode.
        spaced: whether words begin with a space, by template.
        main: the template under which dummy queries are varied. It gets all of them and the
            foreign ones, the others `standard` of them.
    """

    def dummies(name: str, episode: Episode, words: Sequence[str]) -> tuple[str, ...]:
        own = episode.dummy_queries
        return (*own, *words) if name == main else own[:standard]

    return {
        name: [
            respelled(replace(episode, dummy_queries=dummies(name, episode, words)), with_space)
            for episode, words in zip(episodes, foreign, strict=True)
        ]
        for name, with_space in spaced.items()
    }


def respelled(episode: Episode, spaced: bool) -> Episode:
    """An episode of plain words, its words set off by a space where `spaced`."""
    if not spaced:
        return episode
    return replace(
        episode,
        demonstrations=tuple((f" {x}", f" {y}") for x, y in episode.demonstrations),
        query=f" {episode.query}",
        accepted=tuple(f" {answer}" for answer in episode.accepted),
        dummy_queries=tuple(f" {dummy}" for dummy in episode.dummy_queries),
    )


def foreign_task(task: Task) -> Task:
    """The packaged task whose inputs serve as foreign dummy queries of `task`."""
    known = [packaged_tasks()[name] for name in FOREIGN_TASKS]
    return next(other for other in known if other.category != task.category)


def foreign_queries(
    task: Task, other: Task, episodes: Sequence[Episode], count: int, seed: int
) -> list[tuple[str, ...]]:
    """`count` different inputs of `other` for each episode, none of them an input of `task`.

    The draw depends on both tasks' names and pairs and on the seed, and on nothing else.
    """
    own = {pair.input for pair in task.pairs}
    inputs = [pair.input for pair in other.pairs if pair.input not in own]
    return [
        tuple(random.Random(f"{seed}/{task.name}/{other.name}/{number}").sample(inputs, count))
        for number in range(len(episodes))
    ]


def _plain(usable: UsablePairs) -> list[Pair]:
    """Pairs without the space that sets their words off."""
    if not usable.spaced:
        return list(usable.pairs)
    return [Pair(pair.input[1:], tuple(a[1:] for a in pair.answers)) for pair in usable.pairs]
