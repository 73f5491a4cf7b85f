"""Measure one prompt, or the episodes that a vector is extracted from, for the library.

Every function takes the decoder and prompts, `{"prompts": [token ids, ...]}` or the prompts of a
method.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.interventions import generation
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import ENDED, Patches
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.interventions.steering import generate, steered
from tvsight.methods.method import Method, extract
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import Progress
from tvsight.protocol.measure import Comparison, Extracted, compared, in_context_learning

Prompts = Mapping[str, Sequence[Sequence[int]]]


class ExtractedVector(TypedDict):
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
    tokens = generation.generate(decoder, cached, patches, most, stops)[0].tolist()
    return [token for token in tokens if token != ENDED]


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


def extract_vector(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    method: Method,
    settings: Mapping[str, Any],
    progress: Progress | None = None,
) -> ExtractedVector:
    """Learn one vector of a task from its dev episodes, and measure it by the protocol of methods.

    Args:
        settings: named arguments of the method.
    """
    vector = extract(decoder, dev, method, settings).mean(dim=0)
    on_dev, on_test = (
        Extracted({"vector": vector[None]}, in_context_learning(decoder, of)) for of in (dev, test)
    )
    comparison = compared(decoder, dev, test, {"vector": method}, on_dev, on_test)
    return {"vector": vector.float().cpu(), "comparison": comparison}
