"""Read attention patterns: how much a head attends from one token of a prompt to another.

Only the eager implementation of attention computes probabilities. It is chosen for the read alone,
and the model's own is restored, so that no other measurement changes.
"""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from nnsight import save
from torch import Tensor

from tvsight.errors import unexpected
from tvsight.interventions.batching import batches, halving, in_order, padded, positions_per_forward
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.traces import TokenIds

Pair = tuple[int, int]
"""The places of two tokens in a prompt, from 0: the one that attends, and the one attended to."""


def attention_paid(decoder: Decoder, prompts: Sequence[TokenIds], pairs: Sequence[Pair]) -> Tensor:
    """The attention of every head between some tokens, summed over the pairs.

    Args:
        prompts: all of one length.
        pairs: the same in every prompt, none of which looks ahead.

    Returns:
        `[prompts, depth, heads]`, in single precision.

    Raises:
        UsageError: when prompts differ in length, a pair lies outside of them or looks ahead, or
            the heads or their probabilities cannot be read.
    """
    decoder.attention.check()
    lengths = [len(prompt) for prompt in prompts]
    if len(set(lengths)) != 1:
        raise unexpected("prompts", "prompts of one length", sorted(set(lengths)))
    if not pairs or not all(0 <= key <= query < lengths[0] for query, key in pairs):
        raise unexpected("pairs", f"places in {lengths[0]} tokens, none ahead", pairs)

    queries, keys = ([pair[place] for pair in pairs] for place in (0, 1))

    def paid(probabilities: Tensor) -> Tensor:
        return probabilities[:, :, queries, keys].float().sum(-1)

    def run(rows: list[int]) -> Tensor:
        return _read(decoder, [prompts[row] for row in rows], paid).cpu()

    with Eager(decoder):
        together = batches(lengths, positions_per_forward(decoder))
        parts = (part for batch in together for part in halving(run, batch))
        return torch.stack(in_order(parts, len(prompts)))


def attention_pattern(decoder: Decoder, prompt: TokenIds) -> Tensor:
    """The attention of every head between all tokens of a prompt, `[depth, heads, tokens, tokens]`,
    in single precision.

    Raises:
        UsageError: when the heads or their probabilities cannot be read.
    """
    decoder.attention.check()
    with Eager(decoder):
        return _read(decoder, [prompt], Tensor.float)[0].cpu()


class Eager:
    """While open, the model computes attention by the eager implementation.

    A class, because a server gets the source of a function without its decorators.
    """

    def __init__(self, decoder: Decoder) -> None:
        configurations: dict[int, Any] = {}
        for module in decoder.nn._module.modules():  # the model first: its setter reaches its parts
            configuration = getattr(module, "config", None)
            if hasattr(configuration, "_attn_implementation"):
                configurations.setdefault(id(configuration), configuration)
        self._before = [(one, one._attn_implementation) for one in configurations.values()]

    def __enter__(self) -> None:
        for configuration, _ in self._before:
            configuration._attn_implementation = "eager"

    def __exit__(self, *_: object) -> None:
        for configuration, implementation in self._before:
            configuration._attn_implementation = implementation


def _read(
    decoder: Decoder, prompts: Sequence[TokenIds], take: Callable[[Tensor], Tensor]
) -> Tensor:
    """What `take` makes of the probabilities of each block, `[prompts, depth, ...]`."""
    ids, mask = padded(prompts, side="right")
    # Falcon returns probabilities only where it is asked for them, and takes this argument.
    known = signature(type(decoder.nn._module).forward).parameters
    named: dict[str, Any] = {"use_cache": False}
    if "output_attentions" in known:
        named["output_attentions"] = True
    device = decoder.device
    with decoder.nn.trace(decoder.inputs(ids, mask), **named) as tracer:
        read = [take(decoder.attention.probabilities(block)).to(device) for block in decoder.blocks]
        paid = save(torch.stack(read, dim=1))
        tracer.stop()
    return paid
