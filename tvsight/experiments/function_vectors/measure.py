"""Measure the effects of attention heads, and function vectors in two contexts.

Procedures: `function_vector`, the sum of the heads of largest effect as it arrives in the residual
stream; `raw_vector`, the sum before the norm of blocks that normalise their attention's output;
`random_heads`, as many heads drawn at random; `bottom_heads`, those of the most negative effect;
`other_function_vector`, that of another task, each in turn; `random_addition`, a random direction
of the same length. Each is added after a block at the last token of a zero-shot prompt. At that of
a few-shot prompt with shuffled labels stand the function vector and the vectors of other methods:
`task_vector`, `averaged_vector`, `mean_state`, extracted from the prompts with the right labels.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from tvsight.interventions.answers import Icl
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.methods import averaged_vector, function_vector, mean_state, task_vector
from tvsight.methods.function_vector import summed
from tvsight.methods.method import Method, learn_both
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import BASELINE, Condition, Progress, Prompts, Read, silent
from tvsight.protocol.measure import best_layers, extract_with_icl

VECTOR = "function_vector"
RAW = "raw_vector"


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


class Comparison(TypedDict):
    """Everything that is measured of one task."""

    dev: list[Read]
    """In each context `baseline`, and each vector that has a block of its own after every block."""
    test: list[Read]
    """In each context `baseline`, and each vector after its block; zero-shot also the controls and
    the curve, after the block of the function vector, and it after block `depth // 3`, as its
    authors have it."""
    vectors: Tensor
    """The function vector of every task, `[tasks, width]`."""
    norms: dict[str, float]
    """The length of each vector."""
    finite: bool


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    learnt: Learnt,
    progress: Progress | None = None,
) -> Comparison:
    """Add the vectors of one task in both contexts, in one job."""
    say = progress or silent
    vectors = make_vectors(decoder, learnt)
    say("vectors of other methods")
    beside, icl = learn_beside(decoder, dev, test)
    sized = {"heads": learnt["heads"]}
    added = {name: Applied.added(vectors["one"][name], sized) for name in (VECTOR, RAW)}
    contexts = {"zero_shot": added, "shuffled": {VECTOR: added[VECTOR], **beside}}
    found: dict[str, list[Read]] = {"dev": [], "test": []}
    spelled = {"zero_shot": (dev["zero_shot"], test["zero_shot"])}
    spelled["shuffled"] = (dev["shuffled"], test["shuffled"])
    for context, swept in contexts.items():
        say({"zero_shot": "zero-shot prompts", "shuffled": "shuffled labels"}[context])
        plain = {"context": context}
        every = range(decoder.depth)
        on_dev = Prompts(decoder, spelled[context][0], dev["expected"], icl[0])
        baseline = BASELINE._replace(labels=plain)
        read = on_dev.read(
            [baseline, *(one.after(name, "dev", every, **plain) for name, one in swept.items())]
        )
        layers = best_layers(read, dev["accepted"])
        found["dev"] += read

        chosen = {**plain, "layer_rule": "dev"}
        third = [decoder.depth // 3]
        conditions = [
            one.after(name, "test", [layers[name]], **chosen) for name, one in swept.items()
        ]
        at_third = swept[VECTOR].after(VECTOR, "test", third, **plain, layer_rule="third")
        conditions.append(at_third)
        if context == "zero_shot":
            further = _controls(vectors, learnt, len(test["expected"]))
            conditions += [
                one.after(name, "test", [layers[VECTOR]], **chosen) for name, one in further
            ]
        on_test = Prompts(decoder, spelled[context][1], test["expected"], icl[1])
        found["test"] += on_test.read([baseline, *conditions])
    flat = [*vectors["one"].values(), *vectors["curve"], *vectors["random_heads"]]
    flat += [of_split for one in beside.values() for of_split in (one.dev, one.test)]
    return {
        "dev": found["dev"],
        "test": found["test"],
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
    labels: Mapping[str, Any] = {}

    @classmethod
    def added(cls, vector: Tensor, labels: Mapping[str, Any]) -> "Applied":
        """One vector that is added, for both splits."""
        return cls(function_vector.METHOD, vector, vector, labels)

    def after(self, name: str, split: str, blocks: Sequence[int], **labels: Any) -> Condition:
        """The procedure after some blocks."""
        vectors = self.dev if split == "dev" else self.test
        return Condition(name, vectors, blocks, self.method.use, {**self.labels, **labels})


def learn_beside(
    decoder: Decoder, dev: PromptTokens, test: PromptTokens
) -> tuple[dict[str, Applied], tuple[Icl, Icl]]:
    """The vectors of the other methods, and in-context learning on dev and test, from the
    demonstrations with the right labels."""
    on_dev, on_test = (extract_with_icl(decoder, of) for of in (dev, test))
    methods = {"task_vector": task_vector.METHOD, "averaged_vector": averaged_vector.METHOD}
    found = {
        name: Applied(of, on_dev.vectors[name], on_test.vectors[name])
        for name, of in methods.items()
    }
    of_task = learn_both(decoder, dev, test, mean_state.METHOD)
    found["mean_state"] = Applied(mean_state.METHOD, *of_task)
    return found, (on_dev.icl, on_test.icl)


def _controls(vectors: Vectors, learnt: Learnt, episodes: int) -> list[tuple[str, Applied]]:
    """The controls and the curve of some test episodes."""
    sized = {"heads": learnt["heads"]}
    found = [
        (name, Applied.added(vector, sized))
        for name, vector in vectors["one"].items()
        if name not in (VECTOR, RAW)
    ]
    found += [
        (VECTOR, Applied.added(vector, {"heads": size}))
        for size, vector in zip(learnt["counts"], vectors["curve"], strict=True)
        if size != learnt["heads"]
    ]
    found += [
        ("random_heads", Applied.added(vector, sized | {"draw": draw}))
        for draw, vector in enumerate(vectors["random_heads"])
    ]
    if others := vectors["others"]:
        in_turn = torch.stack([others[number % len(others)] for number in range(episodes)])
        found.append(("other_function_vector", Applied.added(in_turn[:, None], sized)))
    return found
