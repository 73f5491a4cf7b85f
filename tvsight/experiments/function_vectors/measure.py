"""Measure the effects of attention heads, and function vectors in two contexts.

Procedures: `function_vector`, the sum of the heads of largest effect as it arrives in the residual
stream; `raw_vector`, the sum before the norm of blocks that normalise their attention's output;
`random_heads`, as many heads drawn at random; `bottom_heads`, those of the most negative effect;
`other_function_vector`, that of another task, each in turn; `random_addition`, a random direction
of the same length. Each is added after a block at the last token of a zero-shot prompt. At that of
a few-shot prompt with shuffled labels stand the function vector and the vectors of other methods:
`task_vector`, `averaged_vector`, `mean_state`, learnt from the prompts with the right labels.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypedDict

import torch
from torch import Tensor

from tvsight.errors import MeasurementError
from tvsight.experiments.main_results.measure import learn_with_icl
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
from tvsight.interventions.answers import Answers, Icl
from tvsight.interventions.application import CachedPrompts, cache_prompts, unpatched_states
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.methods import averaged_vector, function_vector, mean_state, task_vector
from tvsight.methods.function_vector import EFFECT_PROMPTS, effects, few_shot, mean_heads, summed
from tvsight.methods.method import Method, learn_both
from tvsight.prompts.tokens import MethodTokens

VECTOR = "function_vector"
RAW = "raw_vector"


class HeadEffects(TypedDict):
    """The causal effects of every head on the first dev prompts. See `function_vector.Effects`."""

    episodes: list[int]
    """The number of each prompt in the split, `[prompts]`."""
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
    """`baseline` `[episodes]`; each vector that has its block chosen, after every block,
    `[episodes, depth]`."""
    layers: dict[str, int]
    """The block of each of these vectors: the one that is best for it on dev."""
    test: dict[str, Answers]
    """By procedure, every value `[episodes]`: such a vector after its block, controls after that of
    the function vector."""
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
    decoder: Decoder, dev: MethodTokens, solved: bool = False, progress: Progress | None = None
) -> HeadEffects:
    """The mean of every head, and its causal effect on the first dev prompts.

    Args:
        solved: only of episodes that in-context learning answers right, as Todd et al. have it.

    Raises:
        MeasurementError: when there are none.
    """
    say = progress or silent
    say("mean heads")
    prompts = few_shot(dev)
    kept = solved_episodes(decoder, dev) if solved else list(range(len(prompts)))
    if not kept:
        raise MeasurementError("in-context learning answers no dev query right.")
    means = mean_heads(decoder, [prompts[episode] for episode in kept])
    say("effects")
    first = kept[:EFFECT_PROMPTS]
    shuffled = [dev["shuffled"][episode] for episode in first]
    found = effects(decoder, shuffled, [dev["expected"][episode] for episode in first], means)
    return {
        "episodes": first,
        "means": means.cpu(),
        "probability": found.probability,
        "log_probability": found.log_probability,
        "effect": found.effect,
        "log_effect": found.log_effect,
    }


def solved_episodes(decoder: Decoder, prompts: MethodTokens) -> list[int]:
    """The numbers of the episodes whose few-shot prompt is answered right."""
    icl = _Prompts(decoder, few_shot(prompts), prompts["expected"]).read({})["baseline"]
    pairs = zip(icl["token"].tolist(), prompts["accepted"], strict=True)
    return [episode for episode, (token, accepted) in enumerate(pairs) if token in accepted]


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
    say("vectors of other methods")
    beside, icl = learn_beside(decoder, dev, test)
    say("zero-shot prompts")
    swept = {name: _added(vectors["one"][name]) for name in (VECTOR, RAW)}
    zero_shot = in_context(decoder, dev, test, icl, "zero_shot", swept, vectors)
    say("shuffled labels")
    swept = {VECTOR: swept[VECTOR], **beside}
    shuffled = in_context(decoder, dev, test, icl, "shuffled", swept, None)
    flat = [*vectors["one"].values(), *vectors["curve"], *vectors["random_heads"]]
    flat += [of_split for one in beside.values() for of_split in (one.dev, one.test)]
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


class Applied(NamedTuple):
    """The vectors of one procedure, and how they are applied. Both tensors are
    `[episodes, depth, width]`, or of a shape that expands to it."""

    method: Method
    dev: Tensor
    test: Tensor


def learn_beside(
    decoder: Decoder, dev: MethodTokens, test: MethodTokens
) -> tuple[dict[str, Applied], tuple[Icl, Icl]]:
    """The vectors of the other methods, and in-context learning on dev and test, from the
    demonstrations with the right labels."""
    (on_dev, dev_icl), (on_test, test_icl) = (learn_with_icl(decoder, of) for of in (dev, test))
    methods = {"task_vector": task_vector.METHOD, "averaged_vector": averaged_vector.METHOD}
    found = {name: Applied(of, on_dev[name], on_test[name]) for name, of in methods.items()}
    of_task = learn_both(decoder, dev, test, mean_state.METHOD)
    return {**found, "mean_state": Applied(mean_state.METHOD, *of_task)}, (dev_icl, test_icl)


def in_context(
    decoder: Decoder,
    dev: MethodTokens,
    test: MethodTokens,
    icl: tuple[Icl, Icl],
    context: Literal["zero_shot", "shuffled"],
    swept: Mapping[str, Applied],
    controls: Vectors | None,
) -> InContext:
    """Apply vectors to the prompts of one context: after every block on dev, the best on test.

    Args:
        icl: on dev and on test.
        swept: vectors that have their own block, the function vector among them.
        controls: the controls and the curve, where they are measured; they take the block of the
            function vector.
    """
    on_dev = _Prompts(decoder, dev[context], dev["expected"], icl[0])
    every = list(range(decoder.depth))
    read = on_dev.read({name: (one.method, one.dev, every) for name, one in swept.items()})
    layers = {name: best_layer(read[name], dev["accepted"]) for name in swept}

    on_test = _Prompts(decoder, test[context], test["expected"], icl[1])
    wanted = {name: (one.method, one.test, [layers[name]]) for name, one in swept.items()}
    wanted["third"] = (*wanted[VECTOR][:2], [decoder.depth // 3])
    if controls is not None:
        further = {name: one for name, one in controls["one"].items() if name not in swept}
        further |= {f"curve {number}": one for number, one in enumerate(controls["curve"])}
        draws = enumerate(controls["random_heads"])
        further |= {f"random_heads {number}": one for number, one in draws}
        if controls["others"]:
            further["other_function_vector"] = _in_turn(controls["others"], len(test["expected"]))
        wanted |= {
            name: (function_vector.METHOD, of, [layers[VECTOR]]) for name, of in further.items()
        }
    tested = on_test.read(wanted)
    of_test = {name: at(one, 0) if name != "baseline" else one for name, one in tested.items()}
    return {
        "dev": read,
        "layers": layers,
        "third": of_test.pop("third"),
        "test": {name: one for name, one in of_test.items() if " " not in name},
        "curve": [of_test[name] for name in of_test if name.startswith("curve ")],
        "random_heads": [of_test[name] for name in of_test if name.startswith("random_heads ")],
    }


def _added(vector: Tensor) -> Applied:
    """One vector that is added, the same for all episodes and blocks."""
    return Applied(function_vector.METHOD, vector, vector)


def _in_turn(vectors: Sequence[Tensor], episodes: int) -> Tensor:
    """Vectors that episodes take in turn, `[episodes, 1, width]`."""
    return torch.stack([vectors[number % len(vectors)] for number in range(episodes)])[:, None]


class _Prompts:
    """Prompts of one context, each run once up to its last token."""

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[Sequence[int]],
        expected: Sequence[int],
        icl: Icl | None = None,
    ) -> None:
        once, self.index = distinct([tuple(prompt) for prompt in prompts])
        self.decoder = decoder
        self.expected = expected
        self.icl = icl
        self.cached: CachedPrompts = cache_prompts(decoder, once)
        self.unpatched = unpatched_states(decoder, self.cached)[self.index]

    def read(self, applied: Mapping[str, tuple[Method, Tensor, list[int]]]) -> dict[str, Answers]:
        """The answers without a vector, `baseline` `[episodes]`, and with each vector after each of
        its blocks, `[episodes, blocks]`.

        Args:
            applied: how the vectors are applied; they, `[episodes, depth, width]` or of a shape
                that expands to it; and their blocks.
        """
        patches = {}
        for name, (method, vectors, layers) in applied.items():
            of_blocks = vectors.expand(self.unpatched.shape)[:, layers]
            placed = method.applied(of_blocks, self.unpatched[:, layers])
            patches[name] = Patch(self.index, layers, placed)
        final = {"baseline": self.unpatched[:, [-1]]}
        if patches:
            final |= patch_together(self.decoder, self.cached, patches)
        groups = {name: (of, self.expected) for name, of in final.items()}
        read = read_together(self.decoder, groups, self.icl)
        return {name: at(one, 0) if name == "baseline" else one for name, one in read.items()}
