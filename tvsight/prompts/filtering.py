"""Which pairs of a task a tokenizer can be asked about (section 3.1 and appendix of the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tvsight.errors import UsageError
from tvsight.prompts.templates import Template
from tvsight.tasks import Pair, Task

MIN_PAIRS = 20
"""Fewer pairs than this make no measurement."""
UNSPACED_ADVANTAGE = 0.7
"""Words are set off by a space unless that keeps less than this share of the other way's pairs."""


@dataclass(frozen=True)
class UsablePairs:
    """The pairs of a task that survive a tokenizer, written as they stand in prompts."""

    pairs: tuple[Pair, ...]
    spaced: bool
    """Whether inputs and answers begin with a space."""
    total: int
    """Number of pairs before the filter."""


def usable_pairs(task: Task, tokenizer: Any, template: Template, model: str) -> UsablePairs:
    """The pairs to sample episodes from.

    Under the `exact` rule a pair survives when its answer is one token in the position where it
    stands; further accepted answers survive one by one. Under `prefix` every pair does. Words are
    spaced (`-> cold`) or not (`->cold`) by what keeps more pairs.

    Raises:
        UsageError: when fewer than `MIN_PAIRS` survive, naming task and model.
    """
    plain = _single_token(task.pairs, tokenizer, template)
    spaced_pairs = [_spaced(pair) for pair in task.pairs]
    spaced = _single_token(spaced_pairs, tokenizer, template)
    use_spaces = len(spaced) >= UNSPACED_ADVANTAGE * len(plain)
    if task.match == "prefix":
        pairs = spaced_pairs if use_spaces else list(task.pairs)
    else:
        pairs = spaced if use_spaces else plain
    if len(pairs) < MIN_PAIRS:
        raise UsageError(
            f"Task {task.name} with model {model}: {len(pairs)} of {len(task.pairs)} pairs have an "
            f"answer of one token; at least {MIN_PAIRS} are needed."
        )
    return UsablePairs(tuple(pairs), use_spaces, len(task.pairs))


def answer_tokens(
    tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]
) -> list[list[int]]:
    """The tokens that each answer adds to its prompt; an empty list where it would change the
    prompt's own last token, so that it has no position of its own."""
    if not prompts:
        return []
    bare = tokenizer(list(prompts)).input_ids
    full = tokenizer([a + b for a, b in zip(prompts, answers, strict=True)]).input_ids
    return [
        with_answer[len(without) :] if with_answer[: len(without)] == without else []
        for without, with_answer in zip(bare, full, strict=True)
    ]


def _spaced(pair: Pair) -> Pair:
    return Pair(f" {pair.input}", tuple(f" {answer}" for answer in pair.answers))


def _single_token(pairs: Sequence[Pair], tokenizer: Any, template: Template) -> list[Pair]:
    prompts = [template.query(pair.input) for pair in pairs for _ in pair.answers]
    answers = [answer for pair in pairs for answer in pair.answers]
    single = iter([len(tokens) == 1 for tokens in answer_tokens(tokenizer, prompts, answers)])
    kept = []
    for pair in pairs:
        usual, *others = [next(single) for _ in pair.answers]
        if usual:
            also = [answer for answer, ok in zip(pair.answers[1:], others, strict=True) if ok]
            kept.append(Pair(pair.input, (pair.answer, *also)))
    return kept
