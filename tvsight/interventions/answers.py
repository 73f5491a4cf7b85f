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
    """The place of the first of the right tokens among all tokens, 1 for the most probable."""
    gap: Tensor
    """The log-probability of the right answer minus that of a wrong one, in nats."""
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


def right_tokens(expected: Sequence[int], accepted: Sequence[Sequence[int]]) -> list[list[int]]:
    """The tokens of the right answer of each row: those that count as correct, and the expected
    one, which may be the beginning of an answer of several tokens."""
    return [sorted({token, *of}) for token, of in zip(expected, accepted, strict=True)]


def answers(
    decoder: Decoder,
    states: Tensor,
    expected: Sequence[int],
    right: Sequence[Sequence[int]] | None = None,
) -> Answers:
    """Read the greedy next token from states after the last block.

    Logits are computed and read in tiles of some rows by some tokens, and never stored. For a large
    vocabulary, writing and reading them would take longer than computing them.

    Args:
        states: `[rows, width]`.
        expected: a token id per row.
        right: the tokens of each row that are ranked; the expected one alone where it is left out.

    Returns:
        Every value `[rows]`, on the CPU.
    """
    whole = not decoder.has_plain_unembedding
    rows, tokens = logit_tile(decoder.device, len(states), decoder.vocabulary, whole)
    right = [[token] for token in expected] if right is None else right
    read = []
    for start in range(0, len(states), rows):
        own = slice(start, start + rows)
        of_slice = torch.tensor(expected[own])
        read.append(_answers_of_slice(decoder, states[own], of_slice, right[own], tokens))
    return joined(read)


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

    These are the tokens that count as correct for `COMPARED_WITH` rows in a row. Tokens that are
    right for the same rows, such as those with and without a space, are one answer, whose
    probability is their sum. Probabilities are renormalised over all. The wrong answer of a row is
    the next that its query does not accept; where it accepts all, the gap is 0.

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


def answer_set(right: Sequence[Sequence[int]]) -> dict[tuple[int, ...], list[int]]:
    """The tokens of each answer of some rows, by the numbers of the rows for which it is right.

    Args:
        right: the tokens of the right answer of each row.
    """
    rows_by_token: dict[int, list[int]] = {}
    for row, tokens in enumerate(right):
        for token in tokens:
            rows_by_token.setdefault(token, []).append(row)
    tokens_by_rows: dict[tuple[int, ...], list[int]] = {}
    for token, rows in rows_by_token.items():
        tokens_by_rows.setdefault(tuple(rows), []).append(token)
    return tokens_by_rows


def _scores(decoder: Decoder, states: Tensor, expected: Sequence[int], icl: Icl) -> Answers:
    right = right_tokens(expected, right_tokens(icl.expected, icl.accepted))
    tokens_by_rows = answer_set(right)
    own = torch.tensor([[row in rows for rows in tokens_by_rows] for row in range(len(right))])
    wrong = own.clone()
    for row, tokens in enumerate(right):
        turn = (*range(row, len(right)), *range(row))
        is_wrong = (n for n in turn if not {expected[n], icl.expected[n]}.intersection(tokens))
        other = next(is_wrong, None)
        if other is not None:
            wrong[row] = own[other] & ~own[row]
    logits = answer_logits(decoder, states, list(tokens_by_rows.values()))
    found = logits.log_softmax(dim=-1)
    aimed = answer_logits(decoder, icl.states, list(tokens_by_rows.values())).log_softmax(dim=-1)
    shape = (len(expected), *[1] * (states.ndim - 2), len(tokens_by_rows))
    aimed = aimed.view(shape)
    of_own, of_wrong = (
        logits.masked_fill(~answer.view(shape), -torch.inf).logsumexp(dim=-1)
        for answer in (own, wrong)
    )
    return {
        "gap": of_own - of_wrong,
        # Rounding can leave the divergence of equal states below 0.
        "divergence": (aimed.exp() * (aimed - found)).sum(dim=-1).clamp(min=0),
    }


def answer_logits(decoder: Decoder, states: Tensor, spelled: list[list[int]]) -> Tensor:
    """The logit of each of some answers, the logarithm of the sum over its tokens,
    `[..., answers]`, on the CPU.

    Args:
        spelled: the tokens of each answer.
    """
    whole = not decoder.has_plain_unembedding
    flat = states.flatten(0, -2)
    rows, _ = logit_tile(decoder.device, len(flat), decoder.vocabulary, whole)
    every, sizes = [token for tokens in spelled for token in tokens], [*map(len, spelled)]
    parts = []
    for of_slice in flat.split(rows):
        logits = decoder.logits(decoder.readout(of_slice), every).float().split(sizes, dim=1)
        parts.append(torch.stack([of_answer.logsumexp(dim=1) for of_answer in logits], dim=1))
    return torch.cat(parts).cpu().view(*states.shape[:-1], len(spelled))


def _answers_of_slice(
    decoder: Decoder, states: Tensor, expected: Tensor, right: Sequence[Sequence[int]], tokens: int
) -> Answers:
    """The answers of some rows, from the logits of `tokens` tokens at a time."""
    readout = decoder.readout(states)
    first = torch.full((len(states),), -torch.inf, device=readout.device)
    second, wanted, total = first.clone(), first.clone(), torch.zeros_like(first)
    token = torch.zeros_like(first, dtype=torch.long)
    expected = expected.to(readout.device)
    rank, known = torch.ones_like(token), _best_logits(decoder, readout, right)
    right_rows, right_ids = (of.to(readout.device) for of in _pairs(right))
    for start in range(0, decoder.vocabulary, tokens):
        logits = decoder.logits(readout, slice(start, start + tokens)).float()
        place = expected - start
        here = (place >= 0) & (place < logits.shape[1])
        wanted[here] = logits[here, place[here]]
        # As numbers, whose sum is much faster than that of booleans. The logits of right tokens,
        # which may differ by rounding here, do not count.
        above = torch.gt(logits, known[:, None], out=torch.empty_like(logits))
        is_here = (right_ids >= start) & (right_ids < start + logits.shape[1])
        above[right_rows[is_here], right_ids[is_here] - start] = 0
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


def _best_logits(decoder: Decoder, readout: Tensor, right: Sequence[Sequence[int]]) -> Tensor:
    """The largest logit of each row's right tokens, `[rows]`."""
    rows, ids = _pairs(right)
    tokens, place = ids.unique(return_inverse=True)
    logits = decoder.logits(readout, tokens.tolist()).float()
    rows, place = rows.to(logits.device), place.to(logits.device)
    best = torch.full((len(readout),), -torch.inf, device=logits.device)
    return best.scatter_reduce(0, rows, logits[rows, place], "amax")


def _pairs(right: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """The number of each row once for each of its tokens, and these."""
    known = {id(tokens): torch.tensor(tokens) for tokens in right}  # many rows share a list
    rows = torch.arange(len(right)).repeat_interleave(torch.tensor([*map(len, right)]))
    return rows, torch.cat([known[id(tokens)] for tokens in right])
