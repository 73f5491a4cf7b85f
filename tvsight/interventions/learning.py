"""The function A of the paper, which extracts θ from demonstrations (section 2.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tvsight.interventions.batching import (
    batches,
    continuation_padding,
    halving,
    in_order,
    positions_per_forward,
)
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.prefixes import Prefixes
from tvsight.interventions.traces import TokenIds, cache_prefixes, read_states


def task_vectors(states: Sequence[Tensor]) -> Tensor:
    """The task vector θ of each episode: the mean over its dummy prompts.

    Args:
        states: per episode `[dummy queries, depth, width]`, from `last_states`.

    Returns:
        `[episodes, depth, width]`.
    """
    return torch.stack([of_episode.mean(dim=0) for of_episode in states])


def averaged_vectors(vectors: Tensor, others: Sequence[Sequence[int]]) -> Tensor:
    """The averaged vector of each episode: the mean θ of the episodes without its query.

    Args:
        vectors: θ of each episode, `[episodes, depth, width]`.
        others: positions of the episodes to average over, per episode.

    Returns:
        `[episodes, depth, width]`.
    """
    return torch.stack([vectors[list(chosen)].mean(dim=0) for chosen in others])


def last_states(
    decoder: Decoder, prefixes: Sequence[TokenIds], continuations: Sequence[Sequence[TokenIds]]
) -> list[Tensor]:
    """Run each prefix once, and each of its continuations from there.

    Returns:
        The residual stream at the last token of each continuation, after every block: per prefix
        `[its continuations, depth, width]`.
    """
    budget = positions_per_forward(decoder)

    def run(rows: list[int]) -> list[Tensor]:
        cached = cache_prefixes(decoder, [prefixes[row] for row in rows])
        return _continue(decoder, cached, [continuations[row] for row in rows], budget)

    together = batches([len(prefix) for prefix in prefixes], budget)
    parts = (part for batch in together for part in halving(run, batch))
    return in_order(parts, len(prefixes))


def _continue(
    decoder: Decoder, cached: Prefixes, continuations: Sequence[Sequence[TokenIds]], budget: int
) -> list[Tensor]:
    """The states of `last_states` for prefixes that are cached already."""
    owners = [row for row, several in enumerate(continuations) for _ in several]
    flat = [tokens for several in continuations for tokens in several]
    blocks, padding = range(decoder.depth), continuation_padding(decoder.device)

    def run(batch: list[int]) -> tuple[list[int], Tensor]:
        prefixes = cached.rows([owners[index] for index in batch])
        return batch, read_states(decoder, prefixes, [flat[index] for index in batch], blocks)

    together = batches([len(tokens) for tokens in flat], budget, padding)
    states = torch.stack(in_order(map(run, together), len(flat)))
    return list(states.split([len(several) for several in continuations]))
