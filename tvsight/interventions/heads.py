"""Read attention heads, replace them, and add up what they write (Todd et al. 2024, section 2).

A head is the slice of the input of its attention's output projection that belongs to it. All of it
happens at the last token of a prompt, whose earlier tokens are cached, so a prompt with one head
replaced costs one token from that head's block upwards.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tvsight.errors import unexpected
from tvsight.interventions.application import CachedPrompts, read_last, run_patches
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.prefixes import Prefixes
from tvsight.interventions.traces import read_heads, replace_heads

LARGE = 2.0**20
"""A factor that changes no digit of a state, and drowns the constant of a norm."""


def last_heads(decoder: Decoder, prompts: CachedPrompts) -> Tensor:
    """The heads at the last token of each prompt, `[prompts, depth, heads, head_width]`."""
    return read_last(prompts, lambda prefixes, tokens: read_heads(decoder, prefixes, tokens))


def with_heads_replaced(
    decoder: Decoder,
    prompts: CachedPrompts,
    unpatched: Tensor,
    chosen: Sequence[int],
    heads: Sequence[Sequence[Head]],
    values: Tensor,
) -> Tensor:
    """Run prompt `chosen[i]` with each of `heads[i]` replaced at its last token.

    Args:
        unpatched: the states of every prompt, `[prompts, depth, width]`, from `unpatched_states`.
        heads: block and number of the heads; at least one per patch.
        values: what takes the place of each head, `[depth, heads, head_width]`.

    Returns:
        The states after the last block, `[patches, width]`.

    Raises:
        UsageError: when there is no such prompt or head, or nothing to replace; when the heads of
            this model cannot be told apart, or `values` have another shape or type.
        MeasurementError: when `values` hold NaN or infinity.
    """
    if not all(heads):
        raise unexpected("heads", "at least one head for each patch", heads)
    decoder.attention.check(head for of_patch in heads for head in of_patch)
    decoder.attention.check_values(values, "values")
    lowest = [min(layer for layer, _ in of_patch) for of_patch in heads]

    def replaced(prefixes: Prefixes, tokens: list[int], patches: list[int]) -> Tensor:
        of_patches = [heads[patch] for patch in patches]
        before = unpatched[[chosen[patch] for patch in patches]]
        return replace_heads(decoder, prefixes, tokens, of_patches, values, before)

    return run_patches(decoder, prompts, chosen, lowest, replaced, unpatched)


def contributions(decoder: Decoder, heads: Tensor, normalised: bool = False) -> Tensor:
    """The contribution of each head to the residual stream, `[depth, heads, width]`.

    Args:
        heads: `[depth, heads, head_width]`, such as means over prompts.
        normalised: as it arrives there, where blocks normalise their attention's output: at the
            scale of the whole output that `heads` has. Their sum over a block is then what the
            block adds.

    Returns:
        In the model's precision, on the device of `heads`.

    Raises:
        UsageError: when the heads of this model cannot be told apart, or `heads` have another shape
            or type.
        MeasurementError: when `heads` hold NaN or infinity.
    """
    decoder.attention.check_values(heads, "heads")
    found = []
    for block, of_block in zip(decoder.blocks, heads.to(decoder.dtype), strict=True):
        alone = torch.diag_embed(of_block.T).permute(1, 2, 0)  # [heads, heads, head_width]
        written = decoder.attention.project(block, alone)
        if normalised and decoder.attention.normalises_output:
            whole = decoder.attention.project(block, of_block)
            arrived = decoder.attention.normalise(block, whole).float()
            scale = arrived.norm() / _weighted(decoder, block, whole).norm()
            written = (_weighted(decoder, block, written) * scale).to(written)
        found.append(written.to(heads.device))
    return torch.stack(found)


def _weighted(decoder: Decoder, block: Any, states: Tensor) -> Tensor:
    """States times the weights of the norm, which is linear but for its scale; in float32."""
    states = states.float()  # half precision has no numbers so large
    # The norm adds a small constant to the mean square. Beside large states it makes no difference.
    large = decoder.attention.normalise(block, states * LARGE)
    return large * states.square().mean(dim=-1, keepdim=True).sqrt()
