"""Measure one prompt, or the episodes that a vector is extracted from, for the library.

Every function takes the decoder and prompts, `{"prompts": [token ids, ...]}` or the prompts of a
method.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.interventions import generation
from tvsight.interventions.answers import Answers
from tvsight.interventions.application import cache_prompts
from tvsight.interventions.attention import Head
from tvsight.interventions.batching import batches, halving, in_order, positions_per_forward
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import ENDED, Patches
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.interventions.patterns import attention_pattern
from tvsight.interventions.steering import generate, steered
from tvsight.interventions.traces import run_patched
from tvsight.methods.method import Method, Use, with_heads
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol import conditions
from tvsight.protocol.conditions import Progress
from tvsight.protocol.measure import Comparison, Extracted, compared, in_context_learning

Prompts = Mapping[str, Sequence[Sequence[int]]]


class ExtractedVector(TypedDict):
    """A vector of a task, with its answers."""

    vector: Tensor
    """After every block, `[depth, width]`, in single precision."""
    heads: list[Head]
    """The heads that it sums, for a function vector."""
    comparison: Comparison
    """Baseline, ICL and the vector, which is called `vector`."""


def vectors(decoder: Decoder, prompts: Prompts, progress: Progress | None = None) -> Tensor:
    """The mean state at the last token of some prompts after every block, `[depth, width]`."""
    return task_vectors(last_states(decoder, [[]], [prompts["prompts"]]))[0]


def answers(
    decoder: Decoder,
    prompts: Prompts,
    patch: tuple[int, Tensor] | None,
    adds: bool = False,
    most: int = 1,
    stops: Sequence[int] = (),
    progress: Progress | None = None,
) -> list[list[int]]:
    """The tokens that follow each prompt, greedily.

    Args:
        patch: a block, and the vector `[width]` for the state at a prompt's last token after it.
        adds: whether the vector is added to that state. Otherwise it replaces it.
        most: the largest number of tokens.
        stops: tokens after which nothing follows.
    """
    cached = cache_prompts(decoder, prompts["prompts"])
    layer, vector = (None, torch.zeros(decoder.width)) if patch is None else patch
    count = len(prompts["prompts"])
    vectors = vector.to(decoder.device).expand(count, -1)
    patches = Patches(range(count), [layer] * count, vectors, [adds] * count)
    rows = generation.generate(decoder, cached, patches, most, stops).tolist()
    return [[token for token in row if token != ENDED] for row in rows]


def logits(
    decoder: Decoder,
    prompts: Prompts,
    patches: Sequence[tuple[int, Tensor, int]],
    progress: Progress | None = None,
) -> Tensor:
    """The logits of the next token of each prompt, `[prompts, vocabulary]`.

    Args:
        patches: as in `run_patched`.
    """
    asked = prompts["prompts"]

    def run(rows: list[int]) -> Tensor:
        states = run_patched(decoder, [asked[row] for row in rows], patches)
        return decoder.unembed(states[:, -1]).float().cpu()

    together = batches([len(prompt) for prompt in asked], positions_per_forward(decoder))
    parts = (part for batch in together for part in halving(run, batch))
    return torch.stack(in_order(parts, len(asked)))


def top_tokens(
    decoder: Decoder,
    prompts: Prompts,
    patches: Sequence[tuple[int, Tensor, int]],
    top: int,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    """The most probable tokens after each block of one prompt, and their probabilities, both
    `[depth, top]`.

    Args:
        patches: as in `run_patched`.
    """
    states = run_patched(decoder, prompts["prompts"][:1], patches)[0]
    found = decoder.unembed(states).float().softmax(dim=-1).topk(top)
    return found.indices.cpu(), found.values.cpu()


def attention(decoder: Decoder, prompts: Prompts, progress: Progress | None = None) -> Tensor:
    """The attention of every head in one prompt, `[depth, heads, tokens, tokens]`."""
    return attention_pattern(decoder, prompts["prompts"][0])


def swept(
    decoder: Decoder,
    prompts: Prompts,
    vectors: Tensor,
    use: Use,
    expected: int | None,
    layer: int,
    progress: Progress | None = None,
) -> tuple[int, Answers]:
    """The answers to one prompt with a vector after each block alone.

    Args:
        vectors: `[depth, width]`.
        expected: the token whose probability is read; None: the answer after block `layer`.

    Returns:
        That token, and the answers, every value `[depth]`.
    """
    asked = conditions.Prompts(decoder, prompts["prompts"][:1], [expected or 0])
    condition = conditions.Condition("vector", vectors, range(decoder.depth), use)
    states = asked.states([condition])
    read = asked.answers([condition], states)[0]["answers"]
    token = int(read["token"][0, layer]) if expected is None else expected
    if expected is None:
        asked.expected = [token]
        read = asked.answers([condition], states)[0]["answers"]
    return token, conditions.at(read, 0, 0)


def generated(
    decoder: Decoder,
    prompts: Prompts,
    most: int,
    added: Sequence[tuple[int, Tensor]],
    stops: Sequence[int] = (),
    progress: Progress | None = None,
) -> list[list[int]]:
    """The tokens that follow each prompt, greedily, in the model as it is edited.

    Args:
        most: the largest number of tokens.
        added: blocks, and vectors that are added after them at every generated position.
        stops: tokens that end a text, beside those of the checkpoint.
    """
    unsteered = decoder.nn
    try:
        for layer, vector in added:
            decoder.nn = steered(decoder, layer, vector)
        return generate(decoder, prompts["prompts"], most, stops)
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
    vectors, heads = with_heads(decoder, dev, method, settings)
    vector = vectors.mean(dim=0)
    on_dev, on_test = (
        Extracted({"vector": vector[None]}, in_context_learning(decoder, of)) for of in (dev, test)
    )
    comparison = compared(decoder, dev, test, {"vector": method}, on_dev, on_test)
    return {"vector": vector.float().cpu(), "heads": heads, "comparison": comparison}
