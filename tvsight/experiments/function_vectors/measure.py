"""Measure the effects of attention heads, and function vectors in two contexts.

Procedures: `function_vector`, the sum of the heads of largest effect as it arrives in the residual
stream; `raw_vector`, the sum before the norm of blocks that normalise their attention's output;
`random_heads`, as many heads drawn at random; `bottom_heads`, those of the most negative effect;
`other_function_vector`, that of another task, each in turn; `random_addition`, a random direction
of the same length. Each is added after a block at the last token of a zero-shot prompt. At that of
a few-shot prompt with shuffled labels stand the function vector and the vectors of other methods:
`task_vector`, `averaged_vector`, `mean_state`, extracted from the prompts with the right labels.
"""

from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.interventions.answers import Icl
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.heads import contributions
from tvsight.methods import mean_state
from tvsight.methods.function_vector import of_tasks, summed
from tvsight.methods.method import extract_both
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import BASELINE, Condition, Progress, Prompts, Read, silent
from tvsight.protocol.measure import VECTORS, best_layers, extract_with_icl

FUNCTION_VECTOR = "function_vector"
RAW = "raw_vector"


class ExtractedHeads(TypedDict):
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
    extracted: ExtractedHeads,
    progress: Progress | None = None,
) -> Comparison:
    """Add the vectors of one task in both contexts, in one job."""
    say = progress or silent
    added, functions = make_vectors(decoder, extracted, len(test["expected"]))
    own, controls = added[:2], added[2:]
    say("vectors of other methods")
    beside, icl = extract_beside(decoder, dev, test)
    read: dict[str, list[Read]] = {"dev": [], "test": []}
    for context in ("zero_shot", "shuffled"):
        say({"zero_shot": "zero-shot prompts", "shuffled": "shuffled labels"}[context])
        alone = context == "zero_shot"
        swept = own if alone else [own[0], *beside["dev"]]
        every = [
            BASELINE,
            *(condition._replace(blocks=range(decoder.depth)) for condition in swept),
        ]
        asked = dev["zero_shot"] if alone else dev["shuffled"]
        on_dev = Prompts(decoder, asked, dev["expected"], icl["dev"])
        read["dev"] += on_dev.read([condition.labelled(context=context) for condition in every])
        layers = best_layers(read["dev"][-len(swept) :], dev["accepted"])

        tested = swept if alone else [own[0], *beside["test"]]
        conditions = [
            condition._replace(blocks=[layers[condition.procedure]]) for condition in tested
        ]
        conditions.append(own[0]._replace(blocks=[decoder.depth // 3]).labelled(layer_rule="third"))
        if alone:
            conditions += [
                condition._replace(blocks=[layers[FUNCTION_VECTOR]]) for condition in controls
            ]
        asked = test["zero_shot"] if alone else test["shuffled"]
        on_test = Prompts(decoder, asked, test["expected"], icl["test"])
        labelled = [
            condition.labelled(context=context, layer_rule="dev") for condition in conditions
        ]
        read["test"] += on_test.read([BASELINE.labelled(context=context), *labelled])
    every_one = [condition.vectors for condition in (*added, *beside["dev"], *beside["test"])]
    made = [vectors for vectors in every_one if vectors is not None]
    return {
        "dev": read["dev"],
        "test": read["test"],
        "vectors": functions.cpu(),
        "norms": {
            condition.procedure: float(of.norm())
            for condition, of in zip(added[:4], made, strict=False)
        },
        "finite": all(bool(vectors.isfinite().all()) for vectors in made),
    }


def make_vectors(
    decoder: Decoder, extracted: ExtractedHeads, episodes: int
) -> tuple[list[Condition], Tensor]:
    """Every sum of heads that is added, and what stands in its place, from the means and rankings
    of all tasks.

    Args:
        episodes: in test, among which the other tasks take turns.

    Returns:
        The function vector and the raw sum; then the controls, and the curve; and the function
        vector of every task, `[tasks, width]`.
    """
    count, own = extracted["heads"], extracted["own"]
    means = extracted["means"].to(device=decoder.device, dtype=decoder.dtype)
    ranking = extracted["ranking"][own]
    arrived = contributions(decoder, means[own], normalised=True).float()
    raw = contributions(decoder, means[own]).float()
    direction = torch.randn(
        decoder.width, generator=torch.Generator().manual_seed(extracted["seed"])
    )
    every = of_tasks(decoder, means, [heads[:count] for heads in extracted["ranking"]])
    vector, others = every[own], torch.cat([every[:own], every[own + 1 :]])

    def added(name: str, vector: Tensor, heads: int = count, **labels: Any) -> Condition:
        return Condition(name, vector, use="add", labels={"heads": heads, **labels})

    conditions = [
        added(FUNCTION_VECTOR, vector),
        added(RAW, summed(raw, ranking[:count])),
        added("bottom_heads", summed(arrived, ranking[-count:])),
        added("random_addition", (direction / direction.norm()).to(vector) * vector.norm()),
    ]
    sizes = [size for size in extracted["counts"] if size != count]
    conditions += [added(FUNCTION_VECTOR, summed(arrived, ranking[:size]), size) for size in sizes]
    for draw, heads in enumerate(extracted["random_heads"]):
        conditions.append(added("random_heads", summed(arrived, heads), draw=draw))
    if len(others):
        in_turn = others[torch.arange(episodes) % len(others)]
        conditions.append(added("other_function_vector", in_turn[:, None]))
    return conditions, every


def extract_beside(
    decoder: Decoder, dev: PromptTokens, test: PromptTokens
) -> tuple[dict[str, list[Condition]], dict[str, Icl]]:
    """The vectors of the other methods, and in-context learning, by split, from the demonstrations
    with the right labels."""
    splits = {"dev": dev, "test": test}
    extracted = {split: extract_with_icl(decoder, of) for split, of in splits.items()}
    mean_states = dict(
        zip(splits, extract_both(decoder, dev, test, mean_state.METHOD), strict=True)
    )
    conditions = {
        split: [
            *(
                Condition(name, vectors, use=VECTORS[name].use)
                for name, vectors in of.vectors.items()
            ),
            Condition("mean_state", mean_states[split], use=mean_state.METHOD.use),
        ]
        for split, of in extracted.items()
    }
    return conditions, {split: of.icl for split, of in extracted.items()}
