"""Whole answers of one task, generated without a vector, and with vectors at the last token.

The block is chosen where texts can be compared, so dev and test are jobs of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from torch import Tensor

from tvsight.interventions.answers import Icl, part, scores
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import force, generate
from tvsight.methods.method import Method, extract
from tvsight.prompts.tokens import PromptTokens, whole_prompts
from tvsight.protocol.conditions import BASELINE, Condition, Progress, Prompts, Read, no_op, silent
from tvsight.protocol.measure import (
    VECTORS,
    Extracted,
    applied,
    extract_with_icl,
    in_context_learning,
)


class WholeAnswers(TypedDict):
    """The answers under one condition."""

    read: Read
    """At the prompt's last token."""
    generated: Tensor
    """Tokens, `[episodes, blocks, most]`, negative after the end; one block without a vector."""
    answer_log_probability: Tensor
    """Natural logarithm of the probability of the whole usual answer, `[episodes, blocks]`."""


class DevAnswers(TypedDict):
    """Whole answers of the dev episodes of a task, or of a part of them."""

    answers: list[WholeAnswers]
    """`baseline`, `no_op` and each method after every block."""
    taught: dict[str, Tensor]
    """The vectors of methods that have one for the task, `[depth, width]`."""


def answer_dev(
    decoder: Decoder,
    dev: PromptTokens,
    further: tuple[str, Method] | None,
    settings: Mapping[str, Any],
    most: int,
    stops: Sequence[int],
    progress: Progress | None = None,
) -> DevAnswers:
    """Answer the dev queries without a vector, and with one after every block.

    Args:
        further: a further method and its name; None: the vectors of the central comparison.
        settings: named arguments of that method.
        most: the largest number of tokens of an answer.
        stops: tokens that end an answer.
    """
    say = progress or silent
    say("dev demonstrations")
    methods, extracted = _extracted(decoder, dev, further, settings, {})
    say("layer sweep")
    prompts = Prompts(decoder, dev["zero_shot"], dev["expected"], extracted.icl)
    conditions = [
        BASELINE,
        no_op([decoder.depth // 2]),
        *applied(methods, extracted, dict.fromkeys(methods, range(decoder.depth))),
    ]
    answers = whole_answers(prompts, conditions, dev["answers"], extracted.icl, most, stops)
    task_level = [name for name, method in methods.items() if method.of == "task"]
    return {"answers": answers, "taught": {n: extracted.vectors[n][0].cpu() for n in task_level}}


def answer_test(
    decoder: Decoder,
    test: PromptTokens,
    further: tuple[str, Method] | None,
    settings: Mapping[str, Any],
    most: int,
    stops: Sequence[int],
    layers: Mapping[str, int],
    taught: Mapping[str, Tensor],
    progress: Progress | None = None,
) -> list[WholeAnswers]:
    """Answer the test queries with each vector after its block in `layers`; in the central
    comparison also with demonstrations, and without either.

    Args:
        taught: from `answer_dev`; the other arguments as there.
    """
    say = progress or silent
    say("test demonstrations")
    methods, extracted = _extracted(decoder, test, further, settings, taught)
    say("test queries")
    generated = (test["answers"], extracted.icl, most, stops)
    prompts = Prompts(decoder, test["zero_shot"], test["expected"], extracted.icl)
    conditions = applied(methods, extracted, {name: [layers[name]] for name in methods})
    if further is not None:
        return whole_answers(prompts, conditions, *generated)
    few_shot = Prompts(decoder, whole_prompts(test), test["expected"], extracted.icl)
    return [
        *whole_answers(prompts, [BASELINE], *generated),
        *whole_answers(few_shot, [Condition("icl")], *generated),
        *whole_answers(prompts, conditions, *generated),
    ]


def _extracted(
    decoder: Decoder,
    prompts: PromptTokens,
    further: tuple[str, Method] | None,
    settings: Mapping[str, Any],
    taught: Mapping[str, Tensor],
) -> tuple[Mapping[str, Method], Extracted]:
    """The methods that are applied, and their vectors: those in `taught` where they are known."""
    if further is None:
        return VECTORS, extract_with_icl(decoder, prompts)
    name, method = further
    if name in taught:
        vectors = taught[name].to(decoder.device).expand(len(prompts["query"]), -1, -1)
    else:
        vectors = extract(decoder, prompts, method, settings)
    return {name: method}, Extracted({name: vectors}, in_context_learning(decoder, prompts))


def whole_answers(
    prompts: Prompts,
    conditions: Sequence[Condition],
    given: Sequence[Sequence[int]],
    icl: Icl,
    most: int,
    stops: Sequence[int],
) -> list[WholeAnswers]:
    """Generate the answers under several conditions in one run.

    Args:
        given: the tokens of each episode's usual answer.
        icl: in-context learning on the same episodes.
        most, stops: as `answer_dev` takes them.
    """
    decoder, patches = prompts.decoder, prompts.patches(conditions)
    sizes = [
        len(condition.blocks) if condition.vectors is not None else 1 for condition in conditions
    ]
    answers = [answer for size in sizes for answer in given for _ in range(size)]
    generated = generate(decoder, prompts.cached, patches, most, set(stops))
    forced = force(decoder, prompts.cached, patches, answers)
    found: list[WholeAnswers] = []
    start = 0
    for condition, size in zip(conditions, sizes, strict=True):
        shape = (len(given), size)
        own = slice(start, start + len(given) * size)
        start = own.stop
        first = part(forced["first"], own, shape)
        first |= scores(decoder, forced["states"][own].view(*shape, -1), icl.expected, icl)
        whole = forced["answer_log_probability"][own].view(shape)
        tokens = generated[own].view(*shape, most)
        found.append(
            {"read": condition.read(first), "generated": tokens, "answer_log_probability": whole}
        )
    return found
