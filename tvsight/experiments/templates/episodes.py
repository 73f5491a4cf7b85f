"""The same episodes under several templates: pairs that suit all of them, each spelled as it stands
in the prompts of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tvsight.errors import UsageError
from tvsight.prompts.episodes import Episode
from tvsight.prompts.filtering import MIN_PAIRS, UsablePairs, usable_pairs
from tvsight.prompts.templates import Template
from tvsight.tasks import Pair, Task


@dataclass(frozen=True)
class CommonPairs:
    """The pairs of a task that survive a tokenizer under each of several templates."""

    pairs: UsablePairs
    """As the task has them: without the space that sets words off."""
    spaced: dict[str, bool]
    """By the template's name: whether its words begin with a space."""


def common_pairs(
    task: Task, tokenizer: Any, templates: Mapping[str, Template], model: str
) -> CommonPairs:
    """The pairs to sample episodes from that are written under every one of `templates`.

    Whether words are spaced is decided for each template by itself; pairs are compared without
    that space. An answer counts when it survives under all of them.

    Args:
        templates: by name.

    Raises:
        UsageError: when fewer than `MIN_PAIRS` survive, under one of them or under all.
    """
    found = {
        name: usable_pairs(task, tokenizer, template, model) for name, template in templates.items()
    }
    kept = [{p.input: p.answers for p in _plain(usable)} for usable in found.values()]
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
    spaced = {name: usable.spaced for name, usable in found.items()}
    return CommonPairs(UsablePairs(tuple(pairs), False, len(task.pairs)), spaced)


def respelled(episode: Episode, spaced: bool) -> Episode:
    """An episode of plain words as it stands under a template that sets words off by a space, or
    does not."""
    if not spaced:
        return episode
    return replace(
        episode,
        demonstrations=tuple((f" {x}", f" {y}") for x, y in episode.demonstrations),
        query=f" {episode.query}",
        accepted=tuple(f" {answer}" for answer in episode.accepted),
        dummy_queries=tuple(f" {given}" for given in episode.dummy_queries),
    )


def _plain(usable: UsablePairs) -> list[Pair]:
    """Pairs without the space that they were given."""
    if not usable.spaced:
        return list(usable.pairs)
    return [Pair(pair.input[1:], tuple(a[1:] for a in pair.answers)) for pair in usable.pairs]
