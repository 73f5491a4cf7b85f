"""Measure induction scores, and in-context learning without some heads.

An ablated head is replaced by its mean over the few-shot dev prompts of the task, at the last token
of a few-shot test prompt.
"""

from collections.abc import Sequence
from typing import TypedDict

from torch import Tensor

from tvsight.experiments.measuring import Progress, distinct, read_together, silent
from tvsight.interventions.answers import Answers, Icl
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import last_heads, with_heads_replaced
from tvsight.interventions.patterns import attention_paid
from tvsight.methods.function_vector import few_shot
from tvsight.prompts.tokens import PromptTokens


class Sequences(TypedDict):
    """Random tokens that are said several times, all of one length."""

    prompts: list[list[int]]


class Ablated(TypedDict):
    """The answers to few-shot prompts."""

    icl: Answers
    """With every head as it is, `[episodes]`."""
    no_op: Answers
    """To the first prompt, with every head replaced by itself, `[1]`."""
    ablated: Answers
    """Without each set of heads, `[episodes, sets]`."""


def measure_induction(
    decoder: Decoder,
    twice: Sequences,
    four_times: Sequences,
    copies: Sequence[tuple[int, int]],
    progress: Progress | None = None,
) -> list[Tensor]:
    """The induction score of every head by both definitions, each `[sequences, depth, heads]`.

    It is the attention from a token of a repetition to the tokens after each of its earlier copies,
    summed over these, mean over the tokens of all repetitions.

    Args:
        copies: of each definition the number of random tokens, and how often they are said.
    """
    say = progress or silent
    scores = []
    for sequences, (tokens, times) in zip((twice, four_times), copies, strict=True):
        say(f"{tokens} tokens, {times} times")
        prompts = sequences["prompts"]
        begin = len(prompts[0]) - tokens * times
        repeated = range(begin + tokens, begin + tokens * times)
        pairs = [
            (query, key + 1)
            for query in repeated
            for key in range(query - tokens, begin - 1, -tokens)
        ]
        scores.append(attention_paid(decoder, prompts, pairs).cpu() / len(repeated))
    return scores


def measure(
    decoder: Decoder,
    test: PromptTokens,
    sets: Sequence[Sequence[Head]],
    means: Tensor,
    progress: Progress | None = None,
) -> Ablated:
    """Answer few-shot prompts without each set of heads, in one job.

    Args:
        means: what takes the place of a head, `[depth, heads, head_width]`.
    """
    say = progress or silent
    expected = test["expected"]
    say("few-shot prompts")
    prompts, index = distinct([tuple(prompt) for prompt in few_shot(test)])
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)
    say("ablation")
    places = [prompt for prompt in range(len(prompts)) for _ in sets]
    final = with_heads_replaced(decoder, cached, unpatched, places, [*sets] * len(prompts), means)
    first = cache_prompts(decoder, prompts[:1])
    every = [(layer, head) for layer in range(len(means)) for head in range(means.shape[1])]
    own = last_heads(decoder, first)[0]
    no_op = with_heads_replaced(decoder, first, unpatched[:1], [0], [every], own)
    icl = Icl(unpatched[index, -1], expected, test["accepted"])
    ablated = final.view(len(prompts), len(sets), -1)[index]
    groups = {"icl": (icl.states, expected), "ablated": (ablated, expected)}
    read = read_together(decoder, groups, icl)
    read |= read_together(decoder, {"no_op": (no_op, expected[:1])})
    return {"icl": read["icl"], "no_op": read["no_op"], "ablated": read["ablated"]}
