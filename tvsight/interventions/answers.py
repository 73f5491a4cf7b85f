"""Turn states of the last block into the next token, its margin and a log-probability."""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from tvsight.interventions.batching import logit_tile
from tvsight.interventions.decoder import Decoder


class Answers(TypedDict):
    """The answers read from states. Every value has the shape of the states without their width."""

    token: Tensor
    """The greedy next token."""
    log_probability: Tensor
    """The natural logarithm of the expected token's probability."""
    margin: Tensor
    """The largest logit minus the second largest."""


def answers(decoder: Decoder, states: Tensor, expected: Sequence[int]) -> Answers:
    """Read the greedy next token from states after the last block.

    Logits are computed and read in tiles of some rows by some tokens, and never stored. For a large
    vocabulary, writing and reading them would take longer than computing them.

    Args:
        states: `[rows, width]`.
        expected: a token id per row.

    Returns:
        Every value `[rows]`, on the CPU.
    """
    whole = not decoder.has_plain_unembedding
    rows, tokens = logit_tile(decoder.device, len(states), decoder.vocabulary, whole)
    slices = zip(states.split(rows), torch.tensor(expected).split(rows), strict=True)
    read = [_answers_of_slice(decoder, *of_slice, tokens) for of_slice in slices]
    return {
        "token": torch.cat([part["token"] for part in read]).cpu(),
        "log_probability": torch.cat([part["log_probability"] for part in read]).cpu(),
        "margin": torch.cat([part["margin"] for part in read]).cpu(),
    }


def _answers_of_slice(decoder: Decoder, states: Tensor, expected: Tensor, tokens: int) -> Answers:
    """The answers of some rows, from the logits of `tokens` tokens at a time."""
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
