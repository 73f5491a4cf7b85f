"""Measure the effects of attention heads, and function vectors in two contexts.

Procedures: `function_vector`, the sum of the heads of largest effect as it arrives in the residual
stream; `raw_vector`, the sum before the norm of blocks that normalise their attention's output;
`random_heads`, as many heads drawn at random; `bottom_heads`, those of the smallest effect;
`other_function_vector`, that of another task, each in turn; `random_addition`, a random direction
of the same length. Each is added after a block at the last token of a zero-shot prompt, and the
function vector also of a few-shot prompt with shuffled labels.
"""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from tvsight.experiments.measuring import (
    Patch,
    Progress,
    at,
    best_layer,
    distinct,
    patch_together,
    read_together,
    silent,
)
from tvsight.interventions.answers import Answers
from tvsight.interventions.application import CachedPrompts, cache_prompts, unpatched_states
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.methods.function_vector import EFFECT_PROMPTS, effects, few_shot, mean_heads, summed
from tvsight.prompts.tokens import MethodTokens


class HeadEffects(TypedDict):
    """The causal effects of every head on the first dev prompts. See `function_vector.Effects`."""

    means: Tensor
    """`[depth, heads, head_width]`."""
    probability: Tensor
    log_probability: Tensor
    effect: Tensor
    """`[prompts, depth, heads]`."""
    log_effect: Tensor


class Learnt(TypedDict):
    """Mean heads and rankings of all tasks of a model, in the order of their names."""

    means: Tensor
    """The mean of every head, `[tasks, depth, heads, head_width]`."""
    ranking: list[list[Head]]
    """The heads of each task, those of the largest mean effect first."""
    own: int
    """The number of the task that is measured."""
    counts: list[int]
    """Numbers of heads of the curve."""
    heads: int
    """Number of heads of the vector."""
    random_heads: list[list[Head]]
    """As many heads, drawn at random, once per draw."""
    seed: int
    """Of the random direction."""


class InContext(TypedDict):
    """The answers in one context: zero-shot prompts, or few-shot ones with shuffled labels."""

    dev: dict[str, Answers]
    """`baseline` `[episodes]`; each vector after every block, `[episodes, depth]`."""
    layer: int
    """The block that is best for the function vector on dev."""
    test: dict[str, Answers]
    """By procedure, every value `[episodes]`."""
    third: Answers
    """The function vector on test after block `depth // 3`, as its authors have it."""
    curve: list[Answers]
    """By number of heads, on test; none in the second context."""
    random_heads: list[Answers]
    """By draw; none in the second context."""


class Comparison(TypedDict):
    """Everything that is measured of one task."""

    contexts: dict[str, InContext]
    """`zero_shot` and `shuffled`."""
    vectors: Tensor
    """The function vector of every task, `[tasks, width]`."""
    norms: dict[str, float]
    """The length of each vector."""
    finite: bool


def measure_effects(
    decoder: Decoder, dev: MethodTokens, progress: Progress | None = None
) -> HeadEffects:
    """The mean of every head, and its causal effect on the first dev prompts."""
    say = progress or silent
    say("mean heads")
    means = mean_heads(decoder, few_shot(dev))
    say("effects")
    shuffled = dev["shuffled"][:EFFECT_PROMPTS]
    found = effects(decoder, shuffled, dev["expected"][: len(shuffled)], means)
    return {
        "means": means.cpu(),
        "probability": found.probability,
        "log_probability": found.log_probability,
        "effect": found.effect,
        "log_effect": found.log_effect,
    }


def measure(
    decoder: Decoder,
    dev: MethodTokens,
    test: MethodTokens,
    learnt: Learnt,
    progress: Progress | None = None,
) -> Comparison:
    """Add the vectors of one task in both contexts, in one job."""
    say = progress or silent
    vectors = make_vectors(decoder, learnt)
    say("zero-shot prompts")
    zero_shot = in_context(decoder, dev, test, dev["zero_shot"], test["zero_shot"], vectors, True)
    say("shuffled labels")
    shuffled = in_context(decoder, dev, test, dev["shuffled"], test["shuffled"], vectors, False)
    flat = [*vectors["one"].values(), *vectors["curve"], *vectors["random_heads"]]
    return {
        "contexts": {"zero_shot": zero_shot, "shuffled": shuffled},
        "vectors": torch.stack(vectors["every"]).cpu(),
        "norms": {name: float(vector.norm()) for name, vector in vectors["one"].items()},
        "finite": all(bool(vector.isfinite().all()) for vector in flat),
    }


class Vectors(TypedDict):
    """The vectors of a task, each `[width]`."""

    one: dict[str, Tensor]
    """By procedure."""
    curve: list[Tensor]
    random_heads: list[Tensor]
    every: list[Tensor]
    """The function vector of every task."""
    others: list[Tensor]
    """Those of the other tasks."""


def make_vectors(decoder: Decoder, learnt: Learnt) -> Vectors:
    """Every vector of a task from the means and rankings of all tasks."""
    count, own = learnt["heads"], learnt["own"]
    means = learnt["means"].to(device=decoder.device, dtype=decoder.dtype)
    ranking = learnt["ranking"][own]
    arrived = contributions(decoder, means[own], normalised=True).float()
    raw = contributions(decoder, means[own]).float()
    direction = torch.randn(decoder.width, generator=torch.Generator().manual_seed(learnt["seed"]))
    every = [
        summed(contributions(decoder, of_task, normalised=True).float(), heads[:count])
        for of_task, heads in zip(means, learnt["ranking"], strict=True)
    ]
    vector = every[own]
    return {
        "one": {
            "function_vector": vector,
            "raw_vector": summed(raw, ranking[:count]),
            "bottom_heads": summed(arrived, ranking[-count:]),
            "random_addition": (direction / direction.norm()).to(vector) * vector.norm(),
        },
        "curve": [summed(arrived, ranking[:size]) for size in learnt["counts"]],
        "random_heads": [summed(arrived, heads) for heads in learnt["random_heads"]],
        "every": every,
        "others": [of_task for task, of_task in enumerate(every) if task != own],
    }


def in_context(
    decoder: Decoder,
    dev: MethodTokens,
    test: MethodTokens,
    dev_prompts: Sequence[Sequence[int]],
    test_prompts: Sequence[Sequence[int]],
    vectors: Vectors,
    controls: bool,
) -> InContext:
    """Add vectors to the prompts of one context: after every block on dev, the best on test.

    Args:
        controls: measure the controls and the curve too.
    """
    swept = ("function_vector", "raw_vector") if controls else ("function_vector",)
    on_dev = _Prompts(decoder, dev_prompts)
    added = {name: vectors["one"][name] for name in swept}
    read = on_dev.read(added, list(range(decoder.depth)), dev["expected"])
    layer = best_layer(read["function_vector"], dev["accepted"])

    on_test = _Prompts(decoder, test_prompts)
    wanted = dict(vectors["one"] if controls else added)
    if controls:
        wanted |= {f"curve {number}": vector for number, vector in enumerate(vectors["curve"])}
        draws = enumerate(vectors["random_heads"])
        wanted |= {f"random_heads {number}": vector for number, vector in draws}
    tested = on_test.read(wanted, [layer], test["expected"], vectors["others"] if controls else [])
    third = decoder.depth // 3
    at_third = on_test.read(added, [third], test["expected"])["function_vector"]
    of_test = {name: at(one, 0) if name != "baseline" else one for name, one in tested.items()}
    return {
        "dev": read,
        "layer": layer,
        "test": {name: one for name, one in of_test.items() if " " not in name},
        "third": at(at_third, 0),
        "curve": [of_test[name] for name in of_test if name.startswith("curve ")],
        "random_heads": [of_test[name] for name in of_test if name.startswith("random_heads ")],
    }


class _Prompts:
    """Prompts of one context, each run once up to its last token."""

    def __init__(self, decoder: Decoder, prompts: Sequence[Sequence[int]]) -> None:
        once, self.index = distinct([tuple(prompt) for prompt in prompts])
        self.decoder = decoder
        self.cached: CachedPrompts = cache_prompts(decoder, once)
        self.unpatched = unpatched_states(decoder, self.cached)[self.index]

    def read(
        self,
        vectors: dict[str, Tensor],
        layers: list[int],
        expected: Sequence[int],
        others: Sequence[Tensor] = (),
    ) -> dict[str, Answers]:
        """The answers without a vector, `baseline` `[episodes]`, and with each vector added after
        each of `layers`, `[episodes, layers]`.

        Args:
            others: vectors that episodes take in turn, under `other_function_vector`.
        """
        states = self.unpatched[:, layers]
        of_episodes = {name: vector.expand(states.shape) for name, vector in vectors.items()}
        if others:
            turn = torch.stack(
                [others[episode % len(others)] for episode in range(len(self.index))]
            )
            of_episodes["other_function_vector"] = turn[:, None].expand(states.shape)
        patches = {
            name: Patch(self.index, layers, states + vector.to(states))
            for name, vector in of_episodes.items()
        }
        final = {"baseline": self.unpatched[:, [-1]]}
        final |= patch_together(self.decoder, self.cached, patches)
        read = read_together(self.decoder, {name: (of, expected) for name, of in final.items()})
        return {name: at(one, 0) if name == "baseline" else one for name, one in read.items()}
