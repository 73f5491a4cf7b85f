"""The logit lens: vectors read as if each were the last state (section 4.3 of the paper).

The mean vector of a task after each block goes through the final norm and the unembedding. So do
random vectors of the same length. The final norm is always applied: the authors' code leaves it
out for some families, and without it the logits mean nothing.
"""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from tvsight.interventions.decoder import Decoder
from tvsight.protocol.conditions import Progress, silent

ROWS = 32
"""Vectors that are unembedded together; all logits of a vector are needed at once for ranks."""


class Projections(TypedDict):
    """Tokens of the mean vector, and ranks of groups of tokens. The best token has rank 1."""

    top: Tensor
    """The most probable tokens of the mean vector, `[depth, top]`."""
    top_probability: Tensor
    median: Tensor
    """Median rank of each group, `[1 + draws, depth, groups]`, the mean vector first."""
    best: Tensor
    """Best rank, of the same shape."""
    probability: Tensor
    """Summed probability, of the same shape."""
    finite: bool
    """Whether all logits are finite."""


def project(
    decoder: Decoder,
    mean: Tensor,
    groups: Sequence[Sequence[int]],
    top: int,
    draws: int,
    seed: int,
    progress: Progress | None = None,
) -> Projections:
    """Read the mean vector and random ones after every block through final norm and unembedding.

    Args:
        mean: `[depth, width]`.
        groups: tokens whose ranks and probabilities are read.
        top: number of the most probable tokens that are kept.
        draws: number of random vectors beside each mean vector.
        seed: of the random vectors.
    """
    say = progress or silent
    say("unembedding")
    mean = mean.float().cpu()
    vectors = torch.cat([mean[None], random_vectors(mean, draws, seed)])
    flat = vectors.flatten(0, 1).to(decoder.device, decoder.dtype)
    wanted = sorted({token for tokens in groups for token in tokens})
    depth, kept = len(mean), min(top, decoder.vocabulary)
    tops, ranks, probabilities, finite = [], [], [], True
    for number, states in enumerate(flat.split(ROWS)):
        logits = decoder.unembed(states).float()
        finite = finite and bool(logits.isfinite().all())
        log_probabilities = logits.log_softmax(dim=1)
        tops.append(log_probabilities[: max(0, depth - number * ROWS)].topk(kept, dim=1))
        probability, rank = _read(log_probabilities, wanted)
        probabilities.append(probability.cpu())
        ranks.append(rank.cpu())
    shape = (1 + draws, depth, len(wanted))
    rank = torch.cat(ranks).view(shape)
    probability = torch.cat(probabilities).view(shape)
    places = [[wanted.index(token) for token in tokens] for tokens in groups]
    return {
        "top": torch.cat([tokens.indices for tokens in tops]).cpu(),
        "top_probability": torch.cat([tokens.values for tokens in tops]).exp().cpu(),
        "median": torch.stack([rank[..., group].quantile(0.5, dim=-1) for group in places], -1),
        "best": torch.stack([rank[..., group].amin(dim=-1) for group in places], -1),
        "probability": torch.stack([probability[..., group].sum(dim=-1) for group in places], -1),
        "finite": finite,
    }


def random_vectors(mean: Tensor, draws: int, seed: int) -> Tensor:
    """Vectors in directions drawn evenly from all, as long as `mean` `[depth, width]` after each
    block: `[draws, depth, width]`. The same on every machine."""
    drawn = torch.randn(draws, *mean.shape, generator=torch.Generator().manual_seed(seed))
    lengths = mean.norm(dim=-1, keepdim=True)
    return drawn / drawn.norm(dim=-1, keepdim=True) * lengths


def _read(log_probabilities: Tensor, wanted: list[int]) -> tuple[Tensor, Tensor]:
    """Probability and rank of the wanted tokens, each `[rows, wanted]`.

    A rank is one more than the number of tokens that are more probable. They are counted between
    the wanted ones, which takes less time than sorting a large vocabulary. A token that the
    unembedding lacks (tokenizers may know more) is never predicted: probability 0, last rank.
    """
    rows, vocabulary = log_probabilities.shape
    ids = torch.tensor(wanted, device=log_probabilities.device)
    wanted_log_probabilities = torch.full((rows, len(wanted)), -torch.inf, device=ids.device)
    known = ids < vocabulary
    wanted_log_probabilities[:, known] = log_probabilities[:, ids[known]]
    ordered, order = wanted_log_probabilities.sort(dim=1)
    below = torch.searchsorted(ordered, log_probabilities)
    counts = torch.zeros(rows, len(wanted) + 1, dtype=torch.long, device=ids.device)
    counts.scatter_add_(1, below, torch.ones_like(below))
    above = vocabulary - counts.cumsum(dim=1)[:, :-1]
    rank = torch.empty_like(wanted_log_probabilities).scatter_(1, order, 1.0 + above)
    return wanted_log_probabilities.double().exp(), rank.clamp(max=vocabulary)
