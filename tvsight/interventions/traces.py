"""The tracing contexts: cache prompts, read the residual stream and the attention heads, overwrite
them.

The paper's two functions are built on them. The function A extracts: it runs `S, x'→` with a dummy
query x', and the residual stream at `→` after a block is the task vector θ (`learning`). The
function f applies: it runs `x→` with that state overwritten by θ, and reads the next token
(`application`, `answers`): activation patching. Both begin from a KV cache that is computed once,
because an intervention does not change states at earlier tokens.

Everything in this room takes torch and plain Python and returns tensors. It runs the same on this
machine and, shipped by source, on a server.
"""

from collections.abc import Sequence

import torch
from nnsight import save
from torch import Tensor
from transformers import DynamicCache

from tvsight.interventions.attention import Head
from tvsight.interventions.batching import padded
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.prefixes import Prefixes

TokenIds = Sequence[int]


def cache_prefixes(decoder: Decoder, prompts: Sequence[TokenIds]) -> Prefixes:
    """Run the beginnings of some prompts, and keep their keys and values, without logits.

    Of the last block only the attention runs, where its heads can be read: nothing else of it is
    kept.
    """
    ids, mask = padded(prompts, side="left")
    prefixes = Prefixes(DynamicCache(config=decoder.nn.config), mask)
    if ids.shape[1] > 0:
        arguments = decoder.inputs(ids, mask)
        last, attention = decoder.blocks[-1], decoder.attention
        with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
            if attention.heads:
                attention.read(last)
            else:
                decoder.read(last)
            tracer.stop()
    return prefixes


def read_states(
    decoder: Decoder, prefixes: Prefixes, continuations: Sequence[TokenIds], blocks: Sequence[int]
) -> Tensor:
    """Run a continuation of each prefix, and read the residual stream at its last token.

    Args:
        prefixes: one row per continuation.
        continuations: at least one token each.
        blocks: 0-based numbers of the blocks after which to read, ascending. No block above the
            last of them runs.

    Returns:
        `[rows, len(blocks), width]`.
    """
    blocks = decoder.block_numbers(blocks)
    # Padding stands after the last token, where no real token attends to it.
    ids, mask = padded(continuations, side="right")
    arguments = decoder.inputs(ids, prefixes.mask_with(mask))
    device = decoder.device  # blocks may be spread over several GPUs
    rows = torch.arange(len(ids), device=device)
    last = (mask.sum(dim=1) - 1).to(device)
    with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
        read = [_at(decoder.read(decoder.blocks[block]), rows, last).to(device) for block in blocks]
        states = save(torch.stack(read, dim=1))
        tracer.stop()
    return states


def _at(states: Tensor, rows: Tensor, positions: Tensor) -> Tensor:
    return states[rows.to(states.device), positions.to(states.device)]


def patch_states(
    decoder: Decoder,
    prefixes: Prefixes,
    tokens: Sequence[int],
    layers: Sequence[int],
    vectors: Tensor,
) -> Tensor:
    """Overwrite the residual stream at the last token, and read it after the last block.

    Row r continues its prefix by `tokens[r]`. After block `layers[r]` the state of that token is
    replaced by `vectors[r]`. The replaced states do not matter, so blocks up to the lowest of
    `layers` do not run at all.

    Args:
        prefixes: one row per token: the prompt without its last token.
        vectors: `[rows, width]`.

    Returns:
        The states after the last block, `[rows, width]`.
    """
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


def run_patched(
    decoder: Decoder, prompts: Sequence[TokenIds], patches: Sequence[tuple[int, Tensor, int]]
) -> Tensor:
    """Overwrite the residual stream of whole prompts at any blocks and tokens, and read it at their
    last token.

    Args:
        patches: a block, the vector `[width]` that replaces the state after it, and the place of
            the token, -1 for the last.

    Returns:
        After every block, `[prompts, depth, width]`.
    """
    ids, mask = padded(prompts, side="left")
    device, states_by_block = decoder.device, []
    with decoder.nn.trace(decoder.inputs(ids, mask), use_cache=False) as tracer:
        for number, block in enumerate(decoder.blocks):
            states = decoder.read(block)
            own = [(vector, place) for layer, vector, place in patches if layer == number]
            if own:
                states = states.clone()
                for vector, place in own:
                    states[:, place] = vector.to(states)
                decoder.write(block, states)
            states_by_block.append(states[:, -1].to(device))
        read = save(torch.stack(states_by_block, dim=1))
        tracer.stop()
    return read


def continue_prefixes(
    decoder: Decoder,
    prefixes: Prefixes,
    tokens: Sequence[int],
    layers: Sequence[int | None],
    vectors: Tensor,
    added: Sequence[bool],
) -> Tensor:
    """Continue each prefix by one token, which becomes a part of it.

    Row r continues by `tokens[r]`. After block `layers[r]` the state of that token is replaced by
    `vectors[r]`, or the vector is added to it; where the block is None it stays as it is. Later
    tokens attend to the keys and values of this one in every block, so every block runs.

    Args:
        prefixes: one row per token, from `growing`. They are longer by that token afterwards.
        vectors: `[rows, width]`.
        added: whether each vector is added.

    Returns:
        The states after the last block, `[rows, width]`.
    """
    patched: dict[int, list[int]] = {}
    for row, layer in enumerate(layers):
        if layer is not None:
            patched.setdefault(layer, []).append(row)
    ids = torch.tensor(tokens)[:, None]
    to_add = torch.tensor(added)[:, None, None]
    mask = prefixes.mask_with(torch.ones_like(ids))
    arguments = decoder.inputs(ids, mask)
    blocks = decoder.blocks
    with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
        for layer in sorted(patched):
            rows = patched[layer]
            states = decoder.read(blocks[layer]).clone()
            new = vectors[rows, None].to(states)
            states[rows] = torch.where(to_add[rows].to(new.device), states[rows] + new, new)
            decoder.write(blocks[layer], states)
        final = save(decoder.read(blocks[-1])[:, -1])
        tracer.stop()
    prefixes.mask = mask
    return final


def read_heads(decoder: Decoder, prefixes: Prefixes, tokens: Sequence[int]) -> Tensor:
    """Run the last token of each prompt, and read its attention heads in every block.

    Args:
        prefixes: one row per token: the prompt without its last token.

    Returns:
        `[rows, depth, heads, head_width]`.
    """
    decoder.attention.check()
    ids = torch.tensor(tokens)[:, None]
    arguments = decoder.inputs(ids, prefixes.mask_with(torch.ones_like(ids)))
    device = decoder.device
    with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
        read = [decoder.attention.read(block)[:, -1].to(device) for block in decoder.blocks]
        heads = save(torch.stack(read, dim=1))
        tracer.stop()
    return heads


def replace_heads(
    decoder: Decoder,
    prefixes: Prefixes,
    tokens: Sequence[int],
    heads: Sequence[Sequence[Head]],
    values: Tensor,
    unpatched: Tensor,
) -> Tensor:
    """Replace attention heads at the last token, and read the residual stream after the last block.

    Row r continues its prefix by `tokens[r]`. Each of its `heads[r]` is replaced by its value.
    Nothing changes below the lowest replaced head, so the blocks there do not run.

    Args:
        prefixes: one row per token: the prompt without its last token.
        heads: block and number of the heads to replace; at least one in all.
        values: one for every head of the model, `[depth, heads, head_width]`.
        unpatched: the states of these prompts after every block, `[rows, depth, width]`.

    Returns:
        The states after the last block, `[rows, width]`.
    """
    ids = torch.tensor(tokens)[:, None]
    arguments = decoder.inputs(ids, prefixes.mask_with(torch.ones_like(ids)))
    replaced = torch.zeros(len(ids), decoder.depth, decoder.attention.heads, 1, dtype=torch.bool)
    for row, of_row in enumerate(heads):
        for layer, head in of_row:
            replaced[row, layer, head] = True
    layers = replaced.flatten(2).any(dim=2).any(dim=0).nonzero()[:, 0].tolist()
    blocks = decoder.blocks
    with decoder.nn.trace(arguments, **decoder.continuing(prefixes.cache)) as tracer:
        for block in blocks[: layers[0]]:
            decoder.skip(block, unpatched[:, layers[0] - 1, None])
        for layer in layers:
            states = decoder.attention.read(blocks[layer])
            mask = replaced[:, layer, None].to(states.device)
            decoder.attention.write(
                blocks[layer], torch.where(mask, values[layer].to(states), states)
            )
        final = save(decoder.read(blocks[-1])[:, -1])
        tracer.stop()
    return final
