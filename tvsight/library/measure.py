"""Measure one prompt, or the episodes that a vector is learnt from, for the library.

Every function takes the decoder and prompts, `{"prompts": [token ids, ...]}` or the prompts of a
method.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.experiments.main_results.measure import (
    Comparison,
    OnDev,
    OnTest,
    in_context_learning,
    measure_method,
)
from tvsight.experiments.measuring import Progress, distinct, read_together
from tvsight.interventions import generation
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import ENDED, Patches
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.interventions.steering import generate, steered
from tvsight.methods.method import Method, learn
from tvsight.prompts.tokens import MethodTokens

Prompts = Mapping[str, Sequence[Sequence[int]]]


class Learnt(TypedDict):
    """A vector of a task, with its answers."""

    vector: Tensor
    """After every block, `[depth, width]`, in single precision."""
    comparison: Comparison
    """Baseline, ICL and the vector, which is called `vector`."""


def vectors(decoder: Decoder, prompts: Prompts, progress: Progress | None = None) -> Tensor:
    """The mean state at the last token of some prompts after every block, `[depth, width]`."""
    return task_vectors(last_states(decoder, [[]], [prompts["prompts"]]))[0]


def answer(
    decoder: Decoder,
    prompts: Prompts,
    patch: tuple[int, Tensor] | None,
    adds: bool = False,
    most: int = 1,
    stops: Sequence[int] = (),
    progress: Progress | None = None,
) -> list[int]:
    """The tokens that follow one prompt, greedily.

    Args:
        patch: a block, and the vector `[width]` for the state at the prompt's last token after it.
        adds: whether the vector is added to that state. Otherwise it replaces it.
        most: the largest number of tokens.
        stops: tokens after which nothing follows.
    """
    cached = cache_prompts(decoder, prompts["prompts"])
    layer, vector = (None, torch.zeros(decoder.width)) if patch is None else patch
    vector = vector.to(decoder.device)
    if adds:
        vector = vector + unpatched_states(decoder, cached)[0, layer]
    patches = Patches([0], [layer], vector[None])
    found = generation.generate(decoder, cached, patches, most, stops)[0].tolist()
    return [token for token in found if token != ENDED]


def generated(
    decoder: Decoder,
    prompts: Prompts,
    most: int,
    added: Sequence[tuple[int, Tensor]],
    progress: Progress | None = None,
) -> list[int]:
    """The tokens that follow one prompt, greedily, in the model as it is edited.

    Args:
        most: the largest number of tokens.
        added: blocks, and vectors that are added after them at every generated position.
    """
    unsteered = decoder.nn
    try:
        for layer, vector in added:
            decoder.nn = steered(decoder, layer, vector)
        return generate(decoder, prompts["prompts"][0], most)
    finally:
        decoder.nn = unsteered


def learn_vector(
    decoder: Decoder,
    dev: MethodTokens,
    test: MethodTokens,
    method: Method,
    settings: Mapping[str, Any],
    progress: Progress | None = None,
) -> Learnt:
    """Learn one vector of a task from its dev episodes, and measure it by the protocol of methods.

    Args:
        settings: named arguments of the method.
    """
    vector = learn(decoder, dev, method, settings).mean(dim=0)
    of_task = Method(given, of="task", use=method.use)
    icl = in_context_learning(decoder, test)
    found = measure_method(
        decoder, dev, test, of_task, {"vector": vector}, icl=icl, progress=progress
    )
    prompts, index = distinct([tuple(prompt) for prompt in test["zero_shot"]])
    baseline = unpatched_states(decoder, cache_prompts(decoder, prompts))[index, -1]
    states = {"baseline": baseline, "icl": icl.states}
    groups = {name: (of, test["expected"]) for name, of in states.items()}
    read = read_together(decoder, groups, icl)
    finite = found["finite"] and all(bool(of.isfinite().all()) for of in states.values())
    on_dev: OnDev = {**found["dev"], "sweep": {"vector": found["dev"]["sweep"]["method"]}}
    on_test: OnTest = {
        "answers": read | {"vector": found["test"]},
        "finite": finite,
        "vectors": vector[:0],
    }
    return {
        "vector": vector.float().cpu(),
        "comparison": {"dev": on_dev, "layers": {"vector": found["layer"]}, "test": on_test},
    }


def given(decoder: Decoder, prompts: MethodTokens, vector: Tensor) -> Tensor:
    """A vector that is learnt already, as a method that learns it."""
    return vector
