"""Filter the pairs of a task by a tokenizer (section 3.1 and appendix of the paper)."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tvsight.errors import Remark, UsageError, option
from tvsight.prompts.templates import Template, template_name
from tvsight.tasks import Pair, Task
from tvsight.tasks.pairs import USERS
from tvsight.tasks.words import shown

MIN_PAIRS = 20
"""The smallest number of pairs for a measurement."""
UNSPACED_ADVANTAGE = 0.7
"""Words begin with a space unless that keeps less than this share of the pairs kept without."""
LONGER = (
    'Longer answers are read in a task file such as {"name": "my_task", "match": "prefix", '
    '"pairs": [...]}. '
)


@dataclass(frozen=True)
class UsablePairs:
    """The pairs of a task that survive the filter, written as they stand in prompts."""

    pairs: tuple[Pair, ...]
    spaced: bool
    """Whether inputs and answers begin with a space."""
    total: int
    """Number of pairs before the filter."""


def usable_pairs(task: Task, tokenizer: Any, template: Template, model: str) -> UsablePairs:
    """The pairs to sample episodes from.

    Under the `exact` rule a pair survives when its answer is one token after its query. Further
    accepted answers survive one by one. Under `prefix` a pair survives when the tokenizer can write
    its answer. Words are spaced (`-> cold`) or not (`->cold`), whichever keeps more pairs; see
    `UNSPACED_ADVANTAGE`.

    Raises:
        UsageError: when fewer than `MIN_PAIRS` survive. It names task and model.

    Warns:
        Remark: about doubled spaces, and about text that is read as a special token.
    """
    plain = _single_token(task.pairs, tokenizer, template)
    spaced_pairs = [spaced_pair(pair) for pair in task.pairs]
    spaced = _single_token(spaced_pairs, tokenizer, template)
    use_spaces = len(spaced) >= UNSPACED_ADVANTAGE * len(plain)
    if task.match == "prefix":
        pairs = _writable(spaced_pairs if use_spaces else task.pairs, tokenizer, template)
    else:
        pairs = spaced if use_spaces else plain
    if len(pairs) < MIN_PAIRS:
        what = "of one token" if task.match == "exact" else "that its tokenizer can write"
        longer = task.match == "exact" and task.origin == USERS
        whole = "main_results, layer_sweep and shots measure longer answers as a whole: "
        whole = f"{whole}{option('answer_tokens', 8)}. " if task.match == "exact" else ""
        raise UsageError(
            f"Task {task.name} with model {model}: {len(pairs)} of {len(task.pairs)} pairs have an "
            f"answer {what}; at least {MIN_PAIRS} are needed. "
            f"{whole}{LONGER * longer}{template.spaces}".rstrip()
        )
    say_special_tokens(task.name, _words(task.pairs), tokenizer, template, model)
    if use_spaces and template.spaces:
        warnings.warn(template.spaces, Remark, stacklevel=2)
    return UsablePairs(tuple(pairs), use_spaces, len(task.pairs))


def say_special_tokens(
    task: str, words: Iterable[str], tokenizer: Any, template: Template, model: str
) -> None:
    """Warn when a tokenizer reads a part of a template or of words as a special token.

    Warns:
        Remark: with the first such words.
    """
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    if not special:
        return
    pattern = re.compile("|".join(re.escape(text) for text in sorted(special, key=len)[::-1]))
    reads = f"which the tokenizer of {model} reads as a special token, not as text"
    held = pattern.search(template.query("\n") + "\n" + template.demonstration("\n", "\n"))
    if held:
        twice = "; it begins every prompt anyway" if held[0] == tokenizer.bos_token else ""
        name = template_name(template)
        warnings.warn(f"The template '{name}' holds {held[0]}, {reads}{twice}.", Remark, 3)
    holding = [word for word in dict.fromkeys(words) if pattern.search(word)]
    if holding:
        named = ", ".join(map(shown, holding[:3])) + ", …" * (len(holding) > 3)
        warnings.warn(f"Task {task}: {named}: text {reads}.", Remark, 3)


def answer_tokens(
    tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]
) -> list[list[int]]:
    """The tokens that each answer adds to its prompt. The list is empty where the answer changes
    the last token of the prompt, so that it has no position of its own."""
    if not prompts:
        return []
    bare = tokenizer(list(prompts)).input_ids
    full = tokenizer([a + b for a, b in zip(prompts, answers, strict=True)]).input_ids
    return [
        with_answer[len(without) :] if with_answer[: len(without)] == without else []
        for without, with_answer in zip(bare, full, strict=True)
    ]


def cut_answers(
    tokenizer: Any, asked: Sequence[tuple[str, Sequence[str]]], template: Template
) -> list[list[list[int]]]:
    """Per query and each of its answers, the tokens that the answer adds after the query."""
    prompts = [template.query(given) for given, answers in asked for _ in answers]
    cut = iter(answer_tokens(tokenizer, prompts, [a for _, answers in asked for a in answers]))
    return [[next(cut) for _ in answers] for _, answers in asked]


def shared_first_tokens(
    tokenizer: Any, pairs: Iterable[Pair], template: Template
) -> dict[str, int]:
    """Count the pairs that have an answer whose first token also begins a wrong answer.

    Nicosia and Nairobi may both begin with ` N`. A prediction of ` N` is then ambiguous.

    Returns:
        `answers`, the number of such pairs, and `of`, the number of all pairs.
    """
    pairs = list(dict.fromkeys(pairs))
    cut = cut_answers(tokenizer, [(pair.input, pair.answers) for pair in pairs], template)
    beginning: dict[int, set[str]] = {}
    for pair, pair_tokens in zip(pairs, cut, strict=True):
        for answer, tokens in zip(pair.answers, pair_tokens, strict=True):
            if tokens:
                beginning.setdefault(tokens[0], set()).add(answer.strip())
    shared = 0
    for pair, pair_tokens in zip(pairs, cut, strict=True):
        right = {answer.strip() for answer in pair.answers}
        shared += any(beginning[tokens[0]] - right for tokens in pair_tokens if tokens)
    return {"answers": shared, "of": len(pairs)}


def spaced_pair(pair: Pair) -> Pair:
    """A pair of plain words, with a space before each."""
    return Pair(f" {pair.input}", tuple(f" {answer}" for answer in pair.answers))


def _single_token(pairs: Sequence[Pair], tokenizer: Any, template: Template) -> list[Pair]:
    kept = []
    cut = cut_answers(tokenizer, [(pair.input, pair.answers) for pair in pairs], template)
    for pair, pair_tokens in zip(pairs, cut, strict=True):
        usual, *others = [
            len(tokens) == 1 and tokens[0] != tokenizer.unk_token_id for tokens in pair_tokens
        ]
        if usual:
            also = [answer for answer, ok in zip(pair.answers[1:], others, strict=True) if ok]
            kept.append(Pair(pair.input, (pair.answer, *also)))
    return kept


def _writable(pairs: Sequence[Pair], tokenizer: Any, template: Template) -> list[Pair]:
    cut = cut_answers(tokenizer, [(pair.input, (pair.answer,)) for pair in pairs], template)
    unknown = tokenizer.unk_token_id
    return [pair for pair, (own,) in zip(pairs, cut, strict=True) if unknown not in own]


def _words(pairs: Iterable[Pair]) -> Iterable[str]:
    return (word for pair in pairs for word in (pair.input, *pair.answers))
