"""Measure induction scores, and in-context learning without some heads.

An ablated head is replaced at the last token of a few-shot test prompt.
"""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from tvsight.interventions.answers import Answers, Icl
from tvsight.interventions.application import cache_prompts
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import last_heads, with_heads_replaced
from tvsight.interventions.patterns import attention_paid
from tvsight.prompts.tokens import PromptTokens, whole_prompts
from tvsight.protocol.conditions import (
    Progress,
    Prompts,
    Read,
    at,
    read_states,
    read_with_scores,
    silent,
)


class Sequences(TypedDict):
    """Random tokens that are said several times, all of one length."""

    prompts: list[list[int]]


class Ablated(TypedDict):
    """The answers to few-shot prompts."""

    icl: Read
    """With every head as it is."""
    check: list[Read]
    """To the first prompt: `icl`, and `no_op`, with every head replaced by itself."""
    ablated: Answers
    """With each set of heads replaced by each of the values, `[episodes, replacements * sets]`."""


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
    values: Tensor,
    progress: Progress | None = None,
) -> Ablated:
    """Answer few-shot prompts without each set of heads, in one job.

    Args:
        values: what takes the place of a head, `[replacements, depth, heads, head_width]`.
    """
    say = progress or silent
    say("few-shot prompts")
    prompts = Prompts(decoder, whole_prompts(test), test["expected"])
    count, own = len(prompts.own), prompts.own
    rows = [prompt for prompt in range(count) for _ in sets]
    replaced = []
    for number, value in enumerate(values):
        say(f"ablation {number + 1} of {len(values)}")
        final = with_heads_replaced(decoder, prompts.cached, own, rows, [*sets] * count, value)
        replaced.append(final.view(count, len(sets), -1))
    ablated = torch.cat(replaced, dim=1)[prompts.index]
    icl = Icl(own[prompts.index, -1], test["expected"], test["accepted"])
    read = read_with_scores(decoder, ablated, icl)

    first = cache_prompts(decoder, whole_prompts(test)[:1])
    every = [(layer, head) for layer in range(decoder.depth) for head in range(values.shape[2])]
    themselves = last_heads(decoder, first)[0]
    no_op = with_heads_replaced(decoder, first, own[:1], [0], [every], themselves)
    of_first = Icl(icl.states[:1], icl.expected[:1], icl.accepted[:1])
    unchanged = read_with_scores(decoder, no_op, of_first)
    in_context = read_states(decoder, "icl", icl.states, icl)
    check: list[Read] = [
        {**in_context, "answers": at(in_context["answers"], [0], 0)},
        {**in_context, "procedure": "no_op", "answers": unchanged},
    ]
    return {"icl": in_context, "check": check, "ablated": read}
