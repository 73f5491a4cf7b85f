"""Turn states of the last block into the next token, and into scores of the expected one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from tvsight.interventions.batching import logit_tile
from tvsight.interventions.decoder import Decoder

COMPARED_WITH = 50
"""Number of episodes whose answers are compared with each other. Parts of a split are multiples of
it, so their scores are those of the whole split."""


class Answers(TypedDict, total=False):
    """The answers read from states. Every value has the shape of the states without their width.
    `gap` and `divergence` are there where in-context learning is known."""

    token: Tensor
    """The greedy next token."""
    log_probability: Tensor
    """The natural logarithm of the expected token's probability."""
    margin: Tensor
    """The largest logit minus the second largest."""
    rank: Tensor
    """The place of the expected token among all tokens, 1 for the most probable."""
    gap: Tensor
    """The log-probability of the expected token minus that of a wrong answer, in nats."""
    divergence: Tensor
    """KL divergence in nats of the task's answers from those of in-context learning,
    KL(ICL ‖ states)."""


class Icl(NamedTuple):
    """In-context learning on some episodes."""

    states: Tensor
    """After the last block, `[episodes, width]`."""
    expected: Sequence[int]
    """The expected token of each episode, as its prompt spells it."""
    accepted: Sequence[Sequence[int]]
    """The tokens that count as correct, of each episode."""


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
    return joined([_answers_of_slice(decoder, *of_slice, tokens) for of_slice in slices])


def joined(parts: Sequence[Any]) -> Answers:
    """The answers of several parts one after the other, on the CPU."""
    whole: Any = {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}
    return whole


def mapped(read: Answers, change: Callable[[Tensor], Tensor]) -> Answers:
    """The answers with every value changed alike."""
    values: Any = read
    changed: Any = {name: change(of) for name, of in values.items()}
    return changed


def part(read: Answers, rows: slice, shape: Sequence[int]) -> Answers:
    """The answers of some rows, as tensors of a shape."""
    return mapped(read, lambda values: values[rows].view(*shape))


def scores(decoder: Decoder, states: Tensor, expected: Sequence[int], icl: Icl) -> Answers:
    """Compare states among the answers of their task.

    These are the expected tokens of `COMPARED_WITH` rows in a row, and probabilities are
    renormalised over them. The wrong answer of a row is the next of them that its query does not
    accept; where it accepts all, the gap is 0.

    Args:
        states: `[rows, ..., width]`.
        expected: a token id per row.
        icl: in-context learning on the same queries. Its prompts may spell answers otherwise.

    Returns:
        `gap` and `divergence`, `[rows, ...]`, on the CPU.
    """
    parts = []
    for start in range(0, len(expected), COMPARED_WITH):
        own = slice(start, start + COMPARED_WITH)
        known = Icl(icl.states[own], icl.expected[own], icl.accepted[own])
        parts.append(_scores(decoder, states[own], expected[own], known))
    return joined(parts)


def _scores(decoder: Decoder, states: Tensor, expected: Sequence[int], icl: Icl) -> Answers:
    spelled = list(zip(expected, icl.expected, strict=True))
    both = sorted(set(spelled))
    tokens, icl_tokens = [token for token, _ in both], [token for _, token in both]
    right = [both.index(one) for one in spelled]
    known = [{*of, token} for of, token in zip(icl.accepted, expected, strict=True)]
    wrong = [
        next(
            (at for at in (*right[row:], *right[:row]) if not accepted.intersection(both[at])), own
        )
        for row, (own, accepted) in enumerate(zip(right, known, strict=True))
    ]
    logits = _logits_of(decoder, states, tokens)
    found = logits.log_softmax(dim=-1)
    aimed = _logits_of(decoder, icl.states, icl_tokens).log_softmax(dim=-1)
    aimed = aimed.view(len(expected), *[1] * (states.ndim - 2), len(tokens))
    rows = range(len(expected))
    return {
        "gap": logits[rows, ..., right] - logits[rows, ..., wrong],
        # Rounding can leave the divergence of equal states below 0.
        "divergence": (aimed.exp() * (aimed - found)).sum(dim=-1).clamp(min=0),
    }


def _logits_of(decoder: Decoder, states: Tensor, tokens: list[int]) -> Tensor:
    """The logits of some tokens, `[..., tokens]`, on the CPU."""
    whole = not decoder.has_plain_unembedding
    flat = states.flatten(0, -2)
    rows, _ = logit_tile(decoder.device, len(flat), decoder.vocabulary, whole)
    logits = [decoder.logits(decoder.readout(part), tokens).float() for part in flat.split(rows)]
    return torch.cat(logits).cpu().view(*states.shape[:-1], len(tokens))


def _answers_of_slice(decoder: Decoder, states: Tensor, expected: Tensor, tokens: int) -> Answers:
    """The answers of some rows, from the logits of `tokens` tokens at a time."""
    readout = decoder.readout(states)
    first = torch.full((len(states),), -torch.inf, device=readout.device)
    second, wanted, total = first.clone(), first.clone(), torch.zeros_like(first)
    token = torch.zeros_like(first, dtype=torch.long)
    expected = expected.to(readout.device)
    rank, known = torch.ones_like(token), _expected_logits(decoder, readout, expected)
    for start in range(0, decoder.vocabulary, tokens):
        logits = decoder.logits(readout, slice(start, start + tokens)).float()
        place = expected - start
        here = (place >= 0) & (place < logits.shape[1])
        wanted[here] = logits[here, place[here]]
        # As numbers, whose sum is much faster than that of booleans. A token's own logit, which may
        # differ by rounding here, does not count.
        above = torch.gt(logits, known[:, None], out=torch.empty_like(logits))
        above[here, place[here]] = 0
        rank += above.sum(dim=1).long()
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
    margin = first - second
    return {"token": token, "log_probability": log_probability, "margin": margin, "rank": rank}


def _expected_logits(decoder: Decoder, readout: Tensor, expected: Tensor) -> Tensor:
    """The logit of each row's expected token, `[rows]`."""
    tokens, place = expected.unique(return_inverse=True)
    logits = decoder.logits(readout, tokens.tolist()).float()
    return logits[torch.arange(len(readout), device=logits.device), place]
