"""Measure the effects of attention heads, and function vectors in two contexts.

Procedures: `function_vector`, the sum of the heads of largest effect as it arrives in the residual
stream; `raw_vector`, the sum before the norm of blocks that normalise their attention's output;
`random_heads`, as many heads drawn at random; `bottom_heads`, those of the most negative effect;
`other_function_vector`, that of another task, each in turn; `random_addition`, a random direction
of the same length. Each is added after a block at the last token of a zero-shot prompt. At that of
a few-shot prompt with shuffled labels stand the function vector and the vectors of other methods:
`task_vector`, `averaged_vector`, `mean_state`, learnt from the prompts with the right labels.
"""

from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.interventions.answers import Icl
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.methods import mean_state
from tvsight.methods.function_vector import summed
from tvsight.methods.method import learn_both
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import BASELINE, Condition, Progress, Prompts, Read, silent
from tvsight.protocol.measure import VECTORS, best_layers, extract_with_icl

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
    own = {name: _added(name, vectors["one"][name], learnt["heads"]) for name in (VECTOR, RAW)}
    say("vectors of other methods")
    beside, icl = learn_beside(decoder, dev, test)
    read: dict[str, list[Read]] = {"dev": [], "test": []}
    used: list[Condition] = []
    for context in ("zero_shot", "shuffled"):
        say({"zero_shot": "zero-shot prompts", "shuffled": "shuffled labels"}[context])
        alone = context == "zero_shot"
        swept = list(own.values()) if alone else [own[VECTOR], *beside["dev"]]
        every = [BASELINE, *(one._replace(blocks=range(decoder.depth)) for one in swept)]
        asked = dev["zero_shot"] if alone else dev["shuffled"]
        on_dev = Prompts(decoder, asked, dev["expected"], icl["dev"])
        read["dev"] += on_dev.read([one.labelled(context=context) for one in every])
        layers = best_layers(read["dev"][-len(swept) :], dev["accepted"])

        tested = swept if alone else [own[VECTOR], *beside["test"]]
        conditions = [one._replace(blocks=[layers[one.procedure]]) for one in tested]
        third = own[VECTOR]._replace(blocks=[decoder.depth // 3])
        conditions.append(third.labelled(layer_rule="third"))
        if alone:
            further = _controls(vectors, learnt, len(test["expected"]))
            conditions += [one._replace(blocks=[layers[VECTOR]]) for one in further]
        asked = test["zero_shot"] if alone else test["shuffled"]
        on_test = Prompts(decoder, asked, test["expected"], icl["test"])
        labelled = [one.labelled(context=context, layer_rule="dev") for one in conditions]
        read["test"] += on_test.read([BASELINE.labelled(context=context), *labelled])
        used += [*swept, *conditions]
    return {
        "dev": read["dev"],
        "test": read["test"],
        "vectors": torch.stack(vectors["every"]).cpu(),
        "norms": {name: float(vector.norm()) for name, vector in vectors["one"].items()},
        "finite": all(one.vectors is not None and _finite(one.vectors) for one in used),
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


def learn_beside(
    decoder: Decoder, dev: PromptTokens, test: PromptTokens
) -> tuple[dict[str, list[Condition]], dict[str, Icl]]:
    """The vectors of the other methods, and in-context learning, by split, from the demonstrations
    with the right labels."""
    splits = {"dev": dev, "test": test}
    extracted = {split: extract_with_icl(decoder, of) for split, of in splits.items()}
    of_task = dict(zip(splits, learn_both(decoder, dev, test, mean_state.METHOD), strict=True))
    found = {
        split: [
            *(Condition(name, one, use=VECTORS[name].use) for name, one in of.vectors.items()),
            Condition("mean_state", of_task[split], use=mean_state.METHOD.use),
        ]
        for split, of in extracted.items()
    }
    return found, {split: of.icl for split, of in extracted.items()}


def _added(name: str, vector: Tensor, heads: int, **labels: Any) -> Condition:
    """A sum of heads, or what stands in its place."""
    return Condition(name, vector, use="add", labels={"heads": heads, **labels})


def _finite(vectors: Tensor) -> bool:
    return bool(vectors.isfinite().all())


def _controls(vectors: Vectors, learnt: Learnt, episodes: int) -> list[Condition]:
    """The controls and the curve of some test episodes."""
    heads, one = learnt["heads"], vectors["one"]
    found = [_added(name, one[name], heads) for name in ("bottom_heads", "random_addition")]
    curve = zip(learnt["counts"], vectors["curve"], strict=True)
    found += [_added(VECTOR, vector, size) for size, vector in curve if size != heads]
    found += [
        _added("random_heads", vector, heads, draw=draw)
        for draw, vector in enumerate(vectors["random_heads"])
    ]
    if others := vectors["others"]:
        in_turn = torch.stack([others[number % len(others)] for number in range(episodes)])
        found.append(_added("other_function_vector", in_turn[:, None], heads))
    return found
