"""Activation patching: the function f of the paper, θ in a zero-shot prompt (section 2.1)."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from tvsight.errors import unexpected
from tvsight.interventions.batching import (
    SHORT_PADDING,
    batches,
    halving,
    in_order,
    layer_groups,
    most_rows,
    positions_per_forward,
    rows_per_forward,
)
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.prefixes import Prefixes
from tvsight.interventions.traces import TokenIds, cache_prefixes, patch_states, read_states

Result = TypeVar("Result")


class CachedPrompts:
    """Prompts that were run up to their last token, where a vector is applied."""

    def __init__(self, prompts: Sequence[TokenIds], groups: list[tuple[list[int], Prefixes]]):
        self.last = [prompt[-1] for prompt in prompts]
        self.groups = groups
        """Numbers of prompts, and their cached beginnings in the same order."""


def cache_prompts(decoder: Decoder, prompts: Sequence[TokenIds]) -> CachedPrompts:
    """Run prompts up to their last token, and keep their keys and values."""

    def run(rows: list[int]) -> Prefixes:
        return cache_prefixes(decoder, [prompts[row][:-1] for row in rows])

    lengths = [len(prompt) - 1 for prompt in prompts]
    together = batches(lengths, positions_per_forward(decoder), SHORT_PADDING)
    return CachedPrompts(prompts, [group for batch in together for group in halving(run, batch)])


def unpatched_states(decoder: Decoder, prompts: CachedPrompts) -> Tensor:
    """The states at the last token of each prompt after every block, `[prompts, depth, width]`."""

    def read(prefixes: Prefixes, tokens: list[int]) -> Tensor:
        return read_states(decoder, prefixes, [[token] for token in tokens], range(decoder.depth))

    return read_last(prompts, read)


def read_last(prompts: CachedPrompts, read: Callable[[Prefixes, list[int]], Tensor]) -> Tensor:
    """What `read` finds at the last token of each prompt, `[prompts, ...]`.

    Args:
        read: takes the cached beginnings and the last tokens of some prompts.
    """

    def parts() -> Iterator[tuple[list[int], Tensor]]:
        for members, cached in prompts.groups:

            def run(
                rows: list[int], members: list[int] = members, cached: Prefixes = cached
            ) -> Tensor:
                return read(cached.rows(rows), [prompts.last[members[row]] for row in rows])

            for rows, values in halving(run, list(range(len(members)))):
                yield [members[row] for row in rows], values

    return torch.stack(in_order(parts(), len(prompts.last)))


def apply_vectors(
    decoder: Decoder,
    prompts: CachedPrompts,
    chosen: Sequence[int],
    layers: Sequence[int],
    vectors: Tensor,
) -> Tensor:
    """Compute f(x; θ): patch prompt `chosen[i]` with `vectors[i]` after block `layers[i]`.

    Args:
        vectors: `[patches, width]`.

    Returns:
        The states at the patched token after the last block, `[patches, width]`.

    Raises:
        UsageError: when there is no such prompt or block, or vectors have another shape or type.
        MeasurementError: when the vectors hold NaN or infinity.
    """
    layers = decoder.block_numbers(layers)
    decoder.check_vectors(vectors, len(layers))

    def patched(prefixes: Prefixes, tokens: list[int], patches: list[int]) -> Tensor:
        of_patches = [layers[patch] for patch in patches]
        return patch_states(decoder, prefixes, tokens, of_patches, vectors[patches])

    return run_patches(decoder, prompts, chosen, layers, patched, vectors)


def run_patches(
    decoder: Decoder,
    prompts: CachedPrompts,
    chosen: Sequence[int],
    layers: Sequence[int],
    run: Callable[[Prefixes, list[int], list[int]], Tensor],
    like: Tensor,
) -> Tensor:
    """Continue prompt `chosen[i]` by its last token for each patch i, in batches of whole layers.

    Args:
        layers: the lowest block that each patch changes.
        run: takes the cached beginnings, the last tokens and the numbers of some patches, and
            returns the states after the last block.
        like: a tensor of the precision and on the device of the result.

    Returns:
        The states at the last token after the last block, `[patches, width]`.

    Raises:
        UsageError: when there is no such prompt.
    """
    if len(chosen) != len(layers):
        known = range(len(prompts.last))
        raise unexpected("chosen", f"a prompt of {known} for each patch", chosen)
    final = like.new_empty(len(chosen), decoder.width)
    for patches, states in in_batches(decoder, prompts, chosen, layers, run):
        final[patches] = states.to(final.device)
    return final


def in_batches(
    decoder: Decoder,
    prompts: CachedPrompts,
    chosen: Sequence[int],
    together: Sequence[int],
    run: Callable[[Prefixes, list[int], list[int]], Result],
    blocks: int = 1,
    grown: int = 1,
) -> Iterator[tuple[list[int], Result]]:
    """Call `run` for the patches i of prompts `chosen[i]`, in batches that fit the device.

    Args:
        together: a number for each patch; patches of one number share a batch.
        run: takes the cached beginnings, the last tokens and the numbers of some patches.
        blocks: number of blocks of which `run` holds keys and values for every patch at one time.
        grown: number of tokens by which it continues a prompt.

    Yields:
        The numbers of some patches, and the result for them.

    Raises:
        UsageError: when there is no such prompt.
    """
    known = range(len(prompts.last))
    if not set(chosen) <= set(known):
        raise unexpected("chosen", f"a prompt of {known} for each patch", chosen)
    for members, cached in prompts.groups:
        place = {prompt: row for row, prompt in enumerate(members)}
        patches = [patch for patch, prompt in enumerate(chosen) if prompt in place]

        def of(patches: list[int], cached: Prefixes = cached, place: dict = place) -> Result:
            rows = [place[chosen[patch]] for patch in patches]
            tokens = [prompts.last[chosen[patch]] for patch in patches]
            return run(cached.rows(rows), tokens, patches)

        most = most_rows(decoder, cached.length + grown, blocks)
        rows = min(rows_per_forward(decoder, cached.length), most)
        for batch in layer_groups(patches, together, rows, most):
            yield from halving(of, batch)
