"""The floor: the floating-point operations that a measurement cannot do without."""

from dataclasses import dataclass

from benchmarks.rates import block_weights
from tvsight.experiments.main_results.measure import VECTORS
from tvsight.interventions.decoder import Decoder
from tvsight.prompts import PromptTokens
from tvsight.prompts.tokens import MethodTokens


@dataclass(frozen=True)
class Work:
    """Floating-point operations, two per multiplication and addition."""

    blocks: float
    """In the matrix products and the attention of the blocks."""
    answers: float
    """In the unembedding of the states where an answer is read."""

    def __add__(self, other: "Work") -> "Work":
        return Work(self.blocks + other.blocks, self.answers + other.answers)

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


def work_of_heads(decoder: Decoder, prompts: MethodTokens, count: int) -> Work:
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
