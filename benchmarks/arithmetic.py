"""The floor: the floating-point operations that a measurement cannot do without, and their rate.

A floor is only honest when no other way to cut the same products is faster, so the engine's own
way is always one of those tried.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tvsight.interventions.batching import ANSWER_ROWS, CPU_ROWS, CPU_TOKENS, logit_tile
from tvsight.interventions.decoder import Decoder
from tvsight.prompts import PromptTokens
from tvsight.protocol.measure import VECTORS

BLOCK_ROWS = (CPU_ROWS, 512, CPU_TOKENS, 16384)
"""Rows of states that are multiplied with the weights of a block."""
TILES = ((256, 16384), (1024, 2048), (2048, 4096))
"""Rows and tokens of the logits that are made at a time, beside the engine's own tile."""
SECONDS = 0.5
"""Least time over which the rate of one size is measured."""

Rates = dict[str, float]
"""Operations per second by size, in words."""


@dataclass(frozen=True)
class Work:
    """Floating-point operations, two per multiplication and addition."""

    blocks: float
    """In the matrix products and the attention of the blocks."""
    answers: float
    """In the unembedding of the states where an answer is read."""

    def seconds(self, block_rate: float, answer_rate: float) -> float:
        """The time that it takes at these rates, in operations per second."""
        return self.blocks / block_rate + self.answers / answer_rate


def necessary_work(decoder: Decoder, dev: PromptTokens, test: PromptTokens) -> Work:
    """Count the work of one task: shared demonstrations once, no block below a patch, logits only
    where an answer is read. Queries that repeat are counted once. Of cached tokens only keys and
    values are needed, so their last block is not counted."""
    depth, per_token = decoder.depth, _block_flops(decoder)
    token_blocks = 0.0
    attended = 0.0
    for prompts in (dev, test):
        for episode, shared in enumerate(prompts["shared"]):
            continued = [*prompts["dummies"][episode], prompts["query"][episode]]
            token_blocks += (depth - 1) * len(shared) + depth * sum(map(len, continued))
            attended += (depth - 1) * _attended(0, len(shared))
            attended += depth * sum(_attended(len(shared), len(tokens)) for tokens in continued)
        for prompt in {tuple(prompt) for prompt in prompts["zero_shot"]}:
            token_blocks += depth * len(prompt) - (len(prompt) - 1)
            attended += depth * _attended(0, len(prompt)) - _attended(0, len(prompt) - 1)
    patches = depth * (depth - 1) / 2 * len(VECTORS)
    token_blocks += patches * len(dev["shared"])
    attended += patches * sum(map(len, dev["zero_shot"]))
    # On test each vector is applied at one block; half the depth stands for it.
    token_blocks += len(VECTORS) * depth / 2 * len(test["shared"])
    width = _attention_width(decoder)
    rows = len(dev["shared"]) * (1 + len(VECTORS) * depth)
    rows += len(test["shared"]) * (2 + len(VECTORS))
    unembedding = decoder.nn.unembed._module.weight
    return Work(
        blocks=token_blocks * per_token + 4 * width * attended,
        answers=2.0 * rows * unembedding.numel(),
    )


def work_of_heads(decoder: Decoder, prompts: PromptTokens, count: int) -> Work:
    """Count the work of the effects of all heads on one task: every prompt once, then for each head
    and prompt one token from the head's block upwards, and its logits.

    Args:
        count: prompts with shuffled labels.
    """
    depth, heads = decoder.depth, decoder.attention.heads
    shuffled = prompts["shuffled"][:count]
    whole = zip(prompts["shared"], prompts["query"], strict=True)
    lengths = [len(shared) + len(query) for shared, query in whole]
    lengths += [len(prompt) for prompt in shuffled]
    token_blocks = float(sum(depth * length - (length - 1) for length in lengths))
    attended = sum(depth * _attended(0, length) - _attended(0, length - 1) for length in lengths)
    replaced = heads * depth * (depth + 1) / 2
    token_blocks += replaced * len(shuffled)
    attended += replaced * sum(map(len, shuffled))
    rows = len(shuffled) * (1 + depth * heads)
    unembedding = decoder.nn.unembed._module.weight
    return Work(
        blocks=token_blocks * _block_flops(decoder) + 4 * _attention_width(decoder) * attended,
        answers=2.0 * rows * unembedding.numel(),
    )


def block_rates(decoder: Decoder) -> Rates:
    """Rates of the matrix products of one block."""
    weights = block_weights(decoder)
    return {f"{rows} rows": _rate(weights, rows, decoder.device) for rows in BLOCK_ROWS}


def answer_rates(decoder: Decoder) -> Rates:
    """Rates of the matrix product of the unembedding, a tile of its logits at a time."""
    weight = decoder.nn.unembed._module.weight
    vocabulary = len(weight)
    own = logit_tile(decoder.device, ANSWER_ROWS, vocabulary, whole=False)
    tiles = dict.fromkeys((rows, min(tokens, vocabulary)) for rows, tokens in (own, *TILES))
    return {
        f"{rows} rows x {tokens} tokens": _rate(weight[:tokens].split(tokens), rows, decoder.device)
        for rows, tokens in tiles
    }


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


def _rate(weights: Sequence[Tensor], rows: int, device: torch.device) -> float:
    """The best rate of `rows` states times each matrix that is seen within `SECONDS`.

    Results are written into memory that is there already: a product alone is measured.
    """
    products = [
        partial(
            torch.mm,
            weight.new_ones(rows, weight.shape[1]),
            weight.T,
            out=weight.new_empty(rows, len(weight)),
        )
        for weight in weights
    ]
    operations = 2.0 * rows * sum(weight.numel() for weight in weights)
    _seconds(products, device)
    best, spent = 0.0, 0.0
    while spent < SECONDS:
        taken = _seconds(products, device)
        best, spent = max(best, operations / taken), spent + taken
    return best


def _seconds(products: Sequence[Callable[[], Tensor]], device: torch.device) -> float:
    synchronise(device)
    started = time.perf_counter()
    for product in products:
        product()
    synchronise(device)
    return time.perf_counter() - started


def _block_flops(decoder: Decoder) -> float:
    """Per token and block, attention aside."""
    return 2.0 * sum(weight.numel() for weight in block_weights(decoder))


def _attention_width(decoder: Decoder) -> int:
    config = decoder.nn.config.get_text_config()
    heads = config.num_attention_heads
    return heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)


def _attended(before: int, tokens: int) -> float:
    """Positions that `tokens` tokens see, together, after `before` cached ones."""
    return tokens * before + tokens * (tokens + 1) / 2
