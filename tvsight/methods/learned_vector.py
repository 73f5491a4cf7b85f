"""The learned vector: one vector per task, trained by gradient on zero-shot prompts.

The model is frozen. Vectors extracted from demonstrations are compared with it, to tell the limit
of extraction from that of one vector (Yang et al. 2025, arXiv 2509.24169, who add theirs).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tvsight.errors import MeasurementError
from tvsight.interventions.answers import Icl, answer_logits, answer_set, right_tokens
from tvsight.interventions.application import (
    CachedPrompts,
    apply_vectors,
    cache_prompts,
    unpatched_states,
)
from tvsight.interventions.batching import logit_tile
from tvsight.interventions.decoder import Decoder
from tvsight.methods import task_vector
from tvsight.methods.method import Method, Use
from tvsight.prompts.tokens import PromptTokens, TokenIds

CHECKED_EVERY, PATIENCE = 5, 4
"""Steps between two looks at the held-out queries, and looks without a better one that end it."""
HELD_OUT = 5
"""One query in so many is held out."""

Loss = Callable[[Tensor, list[int]], Tensor]
"""Takes states after the last block, `[rows, width]`, and the number of the query of each row.
Returns the loss of each row in nats, `[rows]`."""


class Place(NamedTuple):
    """Where and how one vector is applied."""

    block: int
    use: Use


class Queries(NamedTuple):
    """The queries of a task, by number. No query is in both parts."""

    train: list[int]
    held_out: list[int]
    """Those that end the training; where there are none, all steps are taken."""


class Training(NamedTuple):
    """The settings of a training. A result's identity names them."""

    steps: int
    """Of the optimiser, at most."""
    batch: int
    """Queries of each step."""
    rate: float
    """Of the first step, in standard deviations of the states; it falls to 0 in a line."""


class Trained(NamedTuple):
    """Trained vectors, in the order of their places."""

    vectors: Tensor
    """`[places, width]`, in single precision."""
    held_out: Tensor
    """The least mean loss on the held-out queries, that of these vectors, `[places]`."""
    losses: list[dict[int, float]]
    """At each step the mean loss of each place that was still trained, by its number."""


class ZeroShot:
    """The zero-shot prompts of some queries, run once up to their last token."""

    def __init__(self, decoder: Decoder, prompts: Sequence[TokenIds]) -> None:
        self.decoder = decoder
        self.cached: CachedPrompts = cache_prompts(decoder, prompts)
        self.states = unpatched_states(decoder, self.cached)
        """After every block, `[queries, depth, width]`."""

    def patched(self, places: Sequence[Place], vectors: Tensor, rows: Sequence[int]) -> Tensor:
        """The states after the last block with each vector in each of some prompts,
        `[places, rows, width]`. Gradients run back to the vectors.

        Args:
            vectors: `[places, width]`.
        """
        placed = [
            vector + (self.states[rows, place.block].float() if place.use == "add" else 0)
            for place, vector in zip(
                places, vectors[:, None].expand(-1, len(rows), -1), strict=True
            )
        ]
        chosen = [row for _ in places for row in rows]
        layers = [place.block for place in places for _ in rows]
        given = torch.cat(placed).to(self.states)
        final = apply_vectors(self.decoder, self.cached, chosen, layers, given)
        return final.unflatten(0, (len(places), len(rows)))


def learn(
    decoder: Decoder, prompts: PromptTokens, vectors: Tensor, steps: int, batch: int, rate: float
) -> Tensor:
    """A vector written over after each block, which starts as the mean θ, `[depth, width]`.

    Args:
        vectors: θ of each episode, `[episodes, depth, width]`.
        steps, batch, rate: see `Training`.
    """
    asked = ZeroShot(decoder, prompts["zero_shot"])
    places = [Place(block, "overwrite") for block in range(decoder.depth)]
    target = answer_loss(decoder, prompts["expected"])
    starts, training = vectors.float().mean(dim=0), Training(steps, batch, rate)
    found = train(asked, places, starts, target, divided(prompts), training)
    return found.vectors.to(decoder.dtype)


METHOD = Method(learn, of="task", needs={"vectors": task_vector.METHOD})


def divided(prompts: PromptTokens, seed: int = 0) -> Queries:
    """The episodes whose query is trained on, and those whose query is held out."""
    distinct = list(dict.fromkeys(map(tuple, prompts["zero_shot"])))
    order = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed)).tolist()
    kept = {distinct[number] for number in order[: len(distinct) // HELD_OUT or len(distinct) > 1]}
    rows = list(enumerate(map(tuple, prompts["zero_shot"])))
    return Queries(
        [row for row, prompt in rows if prompt not in kept],
        [row for row, prompt in rows if prompt in kept],
    )


def train(
    asked: ZeroShot,
    places: Sequence[Place],
    starts: Tensor,
    loss: Loss,
    queries: Queries,
    training: Training,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train a vector for each place by Adam. They share forwards, and nothing else: each is what it
    would be alone, up to rounding.

    Steps are scaled by the standard deviation of each coordinate of the zero-shot states, since a
    few coordinates hold most of the residual stream's length.

    Args:
        starts: `[places, width]`.
        say: is told the step and the mean loss.

    Raises:
        MeasurementError: where gradients are forbidden, or a loss is NaN or infinite.
    """
    blocks = [place.block for place in places]
    scale = asked.states[:, blocks].float().std(dim=0, correction=0)
    moved = torch.zeros_like(scale, requires_grad=True)  # in standard deviations
    steps = training.steps
    optimiser = torch.optim.Adam([moved], lr=training.rate)
    falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    starts = starts.float().to(scale)
    best = starts.clone()
    held_out, since = torch.full((len(places),), torch.inf), [0] * len(places)
    going, losses = list(range(len(places))), list[dict[int, float]]()
    order = _batches(queries.train, training.batch, seed)

    def mean_losses(rows: list[int]) -> Tensor:
        """Of each place that is still trained."""
        vectors = (starts + scale * moved)[going]
        states = asked.patched([places[place] for place in going], vectors, rows)
        found = loss(states.flatten(0, 1), rows * len(going)).view(len(going), -1).mean(dim=1)
        if not found.isfinite().all():
            raise MeasurementError("the loss of a learned vector is NaN or infinite.")
        return found

    def look() -> None:
        """Keep what is better on the held-out queries, and end what has not been for a while."""
        with torch.no_grad():
            found = mean_losses(queries.held_out)
            current = starts + scale * moved
        for place, value in zip(list(going), found.tolist(), strict=True):
            since[place] += 1
            if value < held_out[place]:
                held_out[place], best[place], since[place] = value, current[place], 0
            if since[place] > PATIENCE:
                going.remove(place)

    for step in range(steps):
        if queries.held_out and step % CHECKED_EVERY == 0:
            look()
        if not going:
            break
        found = mean_losses(next(order))
        if not found.requires_grad:
            raise MeasurementError(
                "gradients are forbidden where the model runs, so no vector can be learned there."
            )
        (moved.grad,) = torch.autograd.grad(found.sum(), moved)
        losses.append(dict(zip(going, found.tolist(), strict=True)))
        say(f"step {step + 1} of {steps}, loss {found.mean():.2f}")
        optimiser.step()
        falling.step()
    if queries.held_out and going:
        look()
    elif not queries.held_out:
        best = (starts + scale * moved).detach()
    return Trained(best, held_out, losses)


def answer_loss(decoder: Decoder, expected: Sequence[int]) -> Loss:
    """Cross-entropy of the expected tokens, over the whole vocabulary."""
    return lambda states, rows: cross_entropy(decoder, states, [expected[row] for row in rows])


def icl_loss(decoder: Decoder, icl: Icl) -> Loss:
    """KL(ICL ‖ states) over the answers of the task. It knows the set of answers, and not which
    query has which."""
    spelled = list(answer_set(right_tokens(icl.expected, icl.accepted)).values())
    aimed = answer_logits(decoder, icl.states, spelled).log_softmax(dim=-1)

    def divergence(states: Tensor, rows: list[int]) -> Tensor:
        found = answer_logits(decoder, states, spelled).log_softmax(dim=-1)
        return (aimed[rows].exp() * (aimed[rows] - found)).sum(dim=-1)

    return divergence


def cross_entropy(decoder: Decoder, states: Tensor, tokens: Sequence[int]) -> Tensor:
    """−log p of a token per row, `[rows]`. Logits are computed once, in tiles, and never stored:
    the gradient is summed as they pass.

    Args:
        states: `[rows, width]`.
    """
    whole = not decoder.has_plain_unembedding
    rows, size = logit_tile(decoder.device, len(states), decoder.vocabulary, whole)
    wanted, parts = torch.tensor(tokens), []
    for own, of in zip(states.split(rows), wanted.split(rows), strict=True):
        readout = decoder.readout(own)
        ids, place = of.unique(return_inverse=True)
        of_tokens = decoder.logits(readout, ids.tolist()).float()
        logits = of_tokens.gather(1, place[:, None].to(of_tokens.device))[:, 0]
        total, slope = _log_total(decoder, readout.detach(), size)
        # Its value is `total`, and its gradient `slope`.
        linear = (readout.float() * slope).sum(dim=1)
        parts.append(total + linear - linear.detach() - logits.to(total.device))
    return torch.cat(parts)


def _log_total(decoder: Decoder, readout: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The logarithm of the sum of exponentiated logits, `[rows]`, and its gradient by the input of
    the unembedding, `[rows, width]`, from the logits of `size` tokens at a time."""
    needed = torch.is_grad_enabled()
    readout.requires_grad_(needed)
    most = torch.full((len(readout),), -torch.inf, device=readout.device)
    total, slope = torch.zeros_like(most), torch.zeros_like(readout, dtype=torch.float)
    for start in range(0, decoder.vocabulary, size):
        logits = decoder.logits(readout, slice(start, start + size)).float()
        known = logits.detach().to(readout.device)
        higher = torch.maximum(most, known.amax(dim=1))
        weights = (known - higher[:, None]).exp()
        before = (most - higher).exp()
        total, most = total * before + weights.sum(dim=1), higher
        if needed:
            (part,) = torch.autograd.grad(logits, readout, weights.to(logits.device))
            slope = slope * before[:, None] + part
    return most + total.log(), slope / total[:, None]


def _batches(train: Sequence[int], size: int, seed: int) -> Iterator[list[int]]:
    """Batches of queries, each query once before any comes again."""
    generator, waiting = torch.Generator().manual_seed(seed), list[int]()
    size = min(size, len(train))
    while True:
        while len(waiting) < size:
            order = torch.randperm(len(train), generator=generator).tolist()
            waiting += [train[place] for place in order]
        yield waiting[:size]
        waiting = waiting[size:]
