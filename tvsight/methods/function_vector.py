"""The function vector: what a few causal heads write, summed and added (Todd et al. 2024).

A head's causal effect is the change in the answer's probability when the head of a prompt with
shuffled labels is replaced by its mean over prompts with the right ones.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tvsight.interventions.answers import answers
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions, last_heads, with_heads_replaced
from tvsight.methods.method import Method
from tvsight.prompts.tokens import PromptTokens, whole_prompts

EFFECT_PROMPTS = 25
"""Prompts with shuffled labels over which effects are averaged, as the authors have it."""


class Effects(NamedTuple):
    """The causal effects of every head. Every tensor begins with `[prompts]`."""

    probability: Tensor
    """Of the answer in each prompt, without a replaced head, `[prompts]`."""
    log_probability: Tensor
    """Its natural logarithm."""
    effect: Tensor
    """The change of the probability, `[prompts, depth, heads]`."""
    log_effect: Tensor
    """The change of its logarithm, which shows small effects near 0 and 1."""


def learn(
    decoder: Decoder, prompts: PromptTokens, heads: int, normalised: bool = True
) -> tuple[Tensor, list[Head]]:
    """The sum of what the `heads` heads of largest mean effect write, `[depth, width]`, the same
    for every block; and these heads, the largest first.

    Args:
        normalised: as it arrives in the residual stream; see `contributions`.
    """
    means = mean_heads(decoder, whole_prompts(prompts))
    shuffled = prompts["shuffled"][:EFFECT_PROMPTS]
    found = effects(decoder, shuffled, prompts["expected"][: len(shuffled)], means)
    chosen = top_heads(found.effect.mean(dim=0), heads)
    written = contributions(decoder, means.to(decoder.dtype), normalised).float()
    return summed(written, chosen).to(decoder.dtype).expand(decoder.depth, -1), chosen


def mean_heads(decoder: Decoder, prompts: Sequence[Sequence[int]]) -> Tensor:
    """The mean of every head at the last token over some prompts, `[depth, heads, head_width]`."""
    decoder.attention.check()
    return last_heads(decoder, cache_prompts(decoder, prompts)).float().mean(dim=0)


def effects(
    decoder: Decoder, prompts: Sequence[Sequence[int]], expected: Sequence[int], means: Tensor
) -> Effects:
    """The causal effect of every head on every prompt.

    Args:
        prompts: with shuffled labels.
        expected: the first token of the answer to each.
        means: what takes the place of a head, `[depth, heads, head_width]`.
    """
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)
    every = [(layer, head) for layer in range(decoder.depth) for head in range(means.shape[1])]
    rows = [prompt for prompt in range(len(prompts)) for _ in every]
    heads = [[head] for _ in prompts for head in every]
    final = with_heads_replaced(decoder, cached, unpatched, rows, heads, means)
    clean = answers(decoder, unpatched[:, -1], expected)["log_probability"]
    replaced = answers(decoder, final, [expected[row] for row in rows])["log_probability"]
    replaced = replaced.view(len(prompts), *means.shape[:2])
    before = clean[:, None, None]
    return Effects(clean.exp(), clean, replaced.exp() - before.exp(), replaced - before)


def top_heads(effect: Tensor, count: int) -> list[Head]:
    """The heads of largest effect, the largest first; of equal ones, the lowest.

    Args:
        effect: `[depth, heads]`.
    """
    order = effect.flatten().argsort(descending=True, stable=True)[:count]
    return [(int(place) // effect.shape[1], int(place) % effect.shape[1]) for place in order]


def summed(written: Tensor, heads: Sequence[Head]) -> Tensor:
    """The sum of what some heads write, `[width]`.

    Args:
        written: by every head, `[depth, heads, width]`.
    """
    layers, numbers = zip(*heads, strict=True)
    return written[torch.tensor(layers), torch.tensor(numbers)].sum(dim=0)


def of_tasks(decoder: Decoder, means: Tensor, heads: Sequence[Sequence[Head]]) -> Tensor:
    """The function vector of every task as it arrives in the residual stream, `[tasks, width]`.

    Args:
        means: the mean of every head, `[tasks, depth, heads, head_width]`.
        heads: those of each task.
    """
    written = (contributions(decoder, of, normalised=True).float() for of in means)
    return torch.stack([summed(of, top) for of, top in zip(written, heads, strict=True)])


METHOD = Method(learn, of="task", use="add")
