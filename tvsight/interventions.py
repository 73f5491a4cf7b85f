"""The paper's two functions as nnsight tracing contexts.

A, learning: `S, x'→` is run with a dummy query x' and the residual stream at `→` after a block is
the task vector θ (`task_vectors`). f, application: `x→` is run with that place overwritten by θ
and the next token is read (`apply_vectors`, `answers`). Both begin from keys and values that are
computed once (`cache_prefixes`), because tokens before the place of an intervention do not feel
it.

The first half of this file says what is measured, the second half holds the tracing contexts.
Everything runs the same on this machine and, shipped by source, on a server: torch and plain
Python in, tensors out.
"""

from collections.abc import Sequence
from copy import copy

import torch
from nnsight import save
from torch import Tensor
from transformers import DynamicCache

from tvsight.batching import (
    SHORT_PADDING,
    batches,
    halving,
    layer_groups,
    logit_tile,
    padded,
    position_budget,
    row_budget,
)
from tvsight.errors import unexpected
from tvsight.models.decoder import Decoder

TokenIds = Sequence[int]


class CachedPrompts:
    """Prompts that were run up to their last token: the place where a vector is applied."""

    def __init__(self, prompts: Sequence[TokenIds], groups: "list[tuple[list[int], Prefixes]]"):
        self.last = [prompt[-1] for prompt in prompts]
        self.groups = groups
        """Prompt numbers, and their cached beginnings in the same order."""


def task_vectors(states: Sequence[Tensor]) -> Tensor:
    """θ of each episode: the mean over its dummy prompts (section 2.1 of the paper).

    Args:
        states: per episode `[dummy queries, depth, width]`, from `last_states`.

    Returns:
        `[episodes, depth, width]`.
    """
    return torch.stack([of_episode.mean(dim=0) for of_episode in states])


def averaged_vectors(vectors: Tensor, others: Sequence[Sequence[int]]) -> Tensor:
    """For each episode the mean θ over `others[episode]`: those that do not contain its query.

    Takes and returns `[episodes, depth, width]`.
    """
    return torch.stack([vectors[list(chosen)].mean(dim=0) for chosen in others])


def last_states(
    decoder: Decoder, prefixes: Sequence[TokenIds], continuations: Sequence[Sequence[TokenIds]]
) -> list[Tensor]:
    """Run each prefix once and each of its continuations from there.

    Returns:
        Per prefix `[its continuations, depth, width]`: the residual stream after every block at
        the last token of each continuation.
    """
    found: dict[int, Tensor] = {}
    budget = positions_per_forward(decoder)

    def run(rows: list[int]) -> list[Tensor]:
        cached = cache_prefixes(decoder, [prefixes[row] for row in rows])
        return _continue(decoder, cached, [continuations[row] for row in rows], budget)

    for batch in batches([len(prefix) for prefix in prefixes], budget):
        for rows, states in halving(run, batch):
            found.update(zip(rows, states, strict=True))
    return [found[row] for row in range(len(prefixes))]


def cache_prompts(decoder: Decoder, prompts: Sequence[TokenIds]) -> CachedPrompts:
    """Run prompts up to their last token and keep their keys and values."""
    groups: list[tuple[list[int], Prefixes]] = []
    lengths = [len(prompt) - 1 for prompt in prompts]
    for batch in batches(lengths, positions_per_forward(decoder), SHORT_PADDING):
        for rows, cached in halving(
            lambda rows: cache_prefixes(decoder, [prompts[row][:-1] for row in rows]), batch
        ):
            groups.append((rows, cached))
    return CachedPrompts(prompts, groups)


def unpatched_states(decoder: Decoder, prompts: CachedPrompts) -> Tensor:
    """States after every block at the last token of each prompt, `[prompts, depth, width]`."""
    final: dict[int, Tensor] = {}
    for members, cached in prompts.groups:

        def run(rows: list[int], members: list[int] = members, cached: Prefixes = cached) -> Tensor:
            last_tokens = [[prompts.last[members[row]]] for row in rows]
            return read_states(decoder, cached.rows(rows), last_tokens, range(decoder.depth))

        for rows, states in halving(run, list(range(len(members)))):
            final.update(zip([members[row] for row in rows], states, strict=True))
    return torch.stack([final[row] for row in range(len(prompts.last))])


def apply_vectors(
    decoder: Decoder,
    prompts: CachedPrompts,
    chosen: Sequence[int],
    layers: Sequence[int],
    vectors: Tensor,
) -> Tensor:
    """f(x; θ): patch prompt `chosen[i]` with `vectors[i]` after block `layers[i]`, for each i.

    Args:
        vectors: `[patches, width]`.

    Returns:
        States after the last block at the patched token, `[patches, width]`.

    Raises:
        UsageError: when there is no such prompt or block, or the vectors are of another form.
        MeasurementError: when the vectors hold NaN or infinity.
    """
    layers = decoder.block_numbers(layers)
    decoder.check_vectors(vectors, len(layers))
    known = range(len(prompts.last))
    if len(chosen) != len(layers) or not set(chosen) <= set(known):
        raise unexpected("chosen", f"a prompt of {known} for each patch", chosen)
    final = torch.empty_like(vectors)
    for members, cached in prompts.groups:
        place = {prompt: row for row, prompt in enumerate(members)}
        patches = [patch for patch, prompt in enumerate(chosen) if prompt in place]

        def run(patches: list[int], cached: Prefixes = cached, place: dict = place) -> Tensor:
            return patch_states(
                decoder,
                cached.rows([place[chosen[patch]] for patch in patches]),
                [prompts.last[chosen[patch]] for patch in patches],
                [layers[patch] for patch in patches],
                vectors[patches],
            )

        for batch in layer_groups(patches, layers, row_budget(decoder.device)):
            for rows, states in halving(run, batch):
                final[rows] = states.to(final.device)
    return final


def positions_per_forward(decoder: Decoder) -> int:
    """How many positions one forward of this model may hold where it runs."""
    return position_budget(decoder.device, decoder.depth, decoder.width, decoder.dtype.itemsize)


def _continue(
    decoder: Decoder, cached: "Prefixes", continuations: Sequence[Sequence[TokenIds]], budget: int
) -> list[Tensor]:
    """Per cached prefix `[its continuations, depth, width]`."""
    owners = [row for row, several in enumerate(continuations) for _ in several]
    flat = [tokens for several in continuations for tokens in several]
    found: dict[int, Tensor] = {}
    for batch in batches([len(tokens) for tokens in flat], budget):
        prefixes = cached.rows([owners[index] for index in batch])
        states = read_states(
            decoder, prefixes, [flat[index] for index in batch], range(decoder.depth)
        )
        found.update(zip(batch, states, strict=True))
    in_order = torch.stack([found[index] for index in range(len(flat))])
    return list(in_order.split([len(several) for several in continuations]))


class Prefixes:
    """Prompt beginnings whose keys and values are known, `[rows]` of them, padded on the left."""

    def __init__(self, cache: DynamicCache, mask: Tensor) -> None:
        self.cache = cache
        self.mask = mask

    def rows(self, rows: Sequence[int]) -> "Prefixes":
        """The given rows, in the given order, repetitions allowed. The original is untouched."""
        index = torch.tensor(rows)
        chosen = copy(self.cache)
        chosen.layers = [copy(layer) for layer in self.cache.layers]
        chosen.batch_select_indices(index)
        return Prefixes(chosen, self.mask[index])

    def mask_with(self, mask: Tensor) -> Tensor:
        """The mask of these prefixes followed by continuations with `mask` `[rows, tokens]`."""
        return torch.cat([self.mask, mask], dim=1)


def cache_prefixes(decoder: Decoder, prompts: Sequence[TokenIds]) -> Prefixes:
    """Run the beginnings of some prompts and keep their keys and values. No logits are made."""
    ids, mask = padded(prompts, side="left")
    prefixes = Prefixes(DynamicCache(config=decoder.nn.config), mask)
    if ids.shape[1] > 0:
        arguments = decoder.inputs(ids, mask)
        with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
            decoder.read(decoder.blocks[-1])
            tracer.stop()
    return prefixes


def read_states(
    decoder: Decoder, prefixes: Prefixes, continuations: Sequence[TokenIds], blocks: Sequence[int]
) -> Tensor:
    """Continue each prefix and read the residual stream at the last token after some blocks.

    Args:
        prefixes: one row per continuation.
        continuations: at least one token each.
        blocks: 0-based block numbers, ascending. Nothing above the last of them runs.

    Returns:
        `[rows, len(blocks), width]`.
    """
    blocks = decoder.block_numbers(blocks)
    # Padding follows the last token here, where no real token can see it.
    ids, mask = padded(continuations, side="right")
    arguments = decoder.inputs(ids, prefixes.mask_with(mask))
    rows, last = torch.arange(len(ids)), mask.sum(dim=1) - 1
    device = decoder.device  # blocks may be spread over several GPUs
    with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
        read = [decoder.read(decoder.blocks[block])[rows, last].to(device) for block in blocks]
        states = save(torch.stack(read, dim=1))
        tracer.stop()
    return states


def patch_states(
    decoder: Decoder,
    prefixes: Prefixes,
    tokens: Sequence[int],
    layers: Sequence[int],
    vectors: Tensor,
) -> Tensor:
    """Overwrite the last token's residual stream and read what reaches the end of the stack.

    Row r continues its prefix by `tokens[r]`; after block `layers[r]` that token's state is
    replaced by `vectors[r]`. What blocks up to there would have computed for it is overwritten,
    so blocks up to the lowest of `layers` do not run at all.

    Args:
        prefixes: one row per token: the prompt without its last token.
        vectors: `[rows, width]`.

    Returns:
        States after the last block, `[rows, width]`.
    """
    layers = decoder.block_numbers(layers)
    decoder.check_vectors(vectors, len(tokens))
    ids = torch.tensor(tokens)[:, None]
    arguments = decoder.inputs(ids, prefixes.mask_with(torch.ones_like(ids)))
    lowest, highest = min(layers), max(layers)
    patched = {
        layer: [row for row, chosen in enumerate(layers) if chosen == layer]
        for layer in range(lowest + 1, highest + 1)
    }
    blocks = decoder.blocks
    with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
        for block in blocks[: lowest + 1]:
            decoder.skip(block, vectors[:, None])
        for layer in range(lowest + 1, highest + 1):
            states = decoder.read(blocks[layer]).clone()
            states[patched[layer]] = vectors[patched[layer], None].to(states.device)
            decoder.write(blocks[layer], states)
        final = save(decoder.read(blocks[-1])[:, -1])
        tracer.stop()
    return final


def answers(decoder: Decoder, states: Tensor, expected: Sequence[int]) -> dict[str, Tensor]:
    """Read the greedy next token from states after the last block.

    Logits are made and read in tiles of some rows by some tokens, and never stored: for a large
    vocabulary they would take longer to write and read than to compute.

    Args:
        states: `[rows, width]`.
        expected: a token id per row.

    Returns:
        Each `[rows]`: `token`, the greedy next token; `log_probability` of the expected token,
        natural logarithm; `margin`, by how much the first logit leads the second.
    """
    whole = not decoder.has_plain_unembedding
    rows, tokens = logit_tile(decoder.device, len(states), decoder.vocabulary, whole)
    slices = zip(states.split(rows), torch.tensor(expected).split(rows), strict=True)
    read = [_answers_of_slice(decoder, *of_slice, tokens) for of_slice in slices]
    return {name: torch.cat([of_slice[name] for of_slice in read]).cpu() for name in read[0]}


def _answers_of_slice(
    decoder: Decoder, states: Tensor, expected: Tensor, tokens: int
) -> dict[str, Tensor]:
    """`answers`, from logits of so many `tokens` at a time."""
    readout = decoder.readout(states)
    first = torch.full((len(states),), -torch.inf, device=readout.device)
    second, wanted, total = first.clone(), first.clone(), torch.zeros_like(first)
    token = torch.zeros_like(first, dtype=torch.long)
    expected = expected.to(readout.device)
    for start in range(0, decoder.vocabulary, tokens):
        logits = decoder.logits(readout, slice(start, start + tokens)).float()
        place = expected - start
        here = (place >= 0) & (place < logits.shape[1])
        wanted[here] = logits[here, place[here]]
        highest = logits.amax(dim=1)
        second = second.maximum(highest.minimum(first))
        # Few rows find a new best token here, so looking for it and for its rival costs little.
        rising = (highest > first).nonzero()[:, 0]
        of_rising = logits[rising]
        best = of_rising.argmax(dim=1)
        token[rising] = start + best
        of_rising.scatter_(1, best[:, None], -torch.inf)
        second[rising] = second[rising].maximum(of_rising.amax(dim=1))
        highest = highest.maximum(first)
        total = total * (first - highest).exp() + logits.sub_(highest[:, None]).exp_().sum(dim=1)
        first = highest
    log_probability = wanted - first - total.log()
    return {"token": token, "log_probability": log_probability, "margin": first - second}
