"""The rate of matrix products of the model's own shapes, at the best of several sizes.

A floor is only honest when no other way to cut the same products is faster, so the engine's own
way is always one of those tried. Results are written into memory that is there already: a product
alone is measured, without what its surroundings cost.
"""

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tvsight.interventions.batching import ANSWER_ROWS, CPU_ROWS, CPU_TOKENS, logit_tile
from tvsight.interventions.decoder import Decoder

BLOCK_ROWS = (CPU_ROWS, 512, 1024, CPU_TOKENS, 4096)
"""Rows of states that are multiplied with the weights of a block: those of a forward of single
tokens, of a forward of demonstrations, and what lies around them."""
GPU_BLOCK_ROWS = (8192, 16384)
"""Further ones on a GPU."""
TILES = ((256, 16384), (512, 8192), (1024, 2048), (1024, 8192), (2048, 2048), (2048, 4096))
"""Rows and tokens of the logits that are made at a time, beside the engine's own tile."""
WHOLE_ROWS = 256
"""Rows of which the logits of the whole vocabulary are made at once."""
STREAMED = 1 << 15
"""Tokens whose weights one measurement of a tile streams, where the vocabulary has more: too many
for a cache, and few enough for a measurement to be repeated."""
SECONDS = 0.5
"""Least time over which the rate of one size is measured."""

Rates = dict[str, float]
"""Operations per second by size, in words."""


def block_rates(decoder: Decoder) -> Rates:
    """Rates of the matrix products of one block."""
    weights = block_weights(decoder)
    rates = {}
    further = GPU_BLOCK_ROWS if decoder.device.type == "cuda" else ()
    for rows in (*BLOCK_ROWS, *further):
        inputs = [weight.new_ones(rows, weight.shape[1]) for weight in weights]
        outputs = [weight.new_empty(rows, len(weight)) for weight in weights]
        operations = 2.0 * rows * sum(weight.numel() for weight in weights)

        def product(inputs: list[Tensor] = inputs, outputs: list[Tensor] = outputs) -> None:
            for states, weight, out in zip(inputs, weights, outputs, strict=True):
                torch.mm(states, weight.T, out=out)

        rates[f"{rows} rows"] = _rate(product, operations, decoder.device)
    return rates


def answer_rates(decoder: Decoder) -> Rates:
    """Rates of the matrix product of the unembedding: in the engine's tile, in others, whole."""
    weight = decoder.nn.unembed._module.weight
    vocabulary = len(weight)
    own = logit_tile(decoder.device, ANSWER_ROWS, vocabulary, whole=False)
    sizes = [own, *TILES, (WHOLE_ROWS, vocabulary)]
    rates = {}
    for rows, tokens in dict.fromkeys((rows, min(tokens, vocabulary)) for rows, tokens in sizes):
        states = weight.new_ones(rows, weight.shape[1])
        parts = weight[: max(tokens, STREAMED)].split(tokens)
        outputs = {size: weight.new_empty(rows, size) for size in {*map(len, parts)}}
        operations = 2.0 * rows * sum(part.numel() for part in parts)

        def product(
            states: Tensor = states,
            parts: Sequence[Tensor] = parts,
            outputs: dict[int, Tensor] = outputs,
        ) -> None:
            for part in parts:
                torch.mm(states, part.T, out=outputs[len(part)])

        rates[f"{rows} rows x {tokens} tokens"] = _rate(product, operations, decoder.device)
    return rates


def best_rates(decoder: Decoder) -> tuple[float, float]:
    """The best rate of the products of a block, and of those of the unembedding."""
    return max(block_rates(decoder).values()), max(answer_rates(decoder).values())


def block_weights(decoder: Decoder) -> list[Tensor]:
    """The matrices of the first block."""
    block = decoder.blocks[0]._module
    return [weight.detach() for weight in block.parameters() if weight.dim() == 2]


def synchronise(device: torch.device) -> None:
    """Wait for a GPU to finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _rate(product: Callable[[], None], operations: float, device: torch.device) -> float:
    """The best rate seen within `SECONDS`."""
    product()
    synchronise(device)
    best, spent = 0.0, 0.0
    while spent < SECONDS:
        started = time.perf_counter()
        product()
        synchronise(device)
        taken = time.perf_counter() - started
        best, spent = max(best, operations / taken), spent + taken
    return best
