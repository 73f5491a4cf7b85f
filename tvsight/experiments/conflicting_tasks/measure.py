"""Measure conflicting tasks: demonstrations of A, a task vector of B (section 4 of the paper).

The few-shot prompt `S_A, x→` is patched at its last token with θ_B, from demonstrations of B. If
the model then answers as B does, the vector overrides the demonstrations. The vector of another
method takes the place of θ_B, and is applied as that method says.

The block is chosen by two rules, each on dev. `zero_shot` is the paper's: the block where θ_B is
best at B in the zero-shot prompt `x→`. `conflict` takes the block where θ_B is best at B in the
conflict itself: where B is easy without any vector, the first rule picks an early block, at which
nothing is transferred.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.experiments.main_results.measure import in_context_learning
from tvsight.experiments.measuring import (
    Patch,
    Progress,
    at,
    best_layer,
    patch_together,
    read_together,
    silent,
)
from tvsight.interventions.answers import Answers, Icl
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.methods import task_vector
from tvsight.methods.method import Method, learn_both
from tvsight.prompts.tokens import PromptTokens, TokenIds


class Swept(TypedDict):
    """Some dev prompts, scored as one task."""

    unpatched: Answers
    """Without a vector, every value `[episodes]`."""
    blocks: Answers
    """With θ_B after every block, every value `[episodes, depth]`."""
    no_op: Answers
    """With each prompt's own state patched into it, every value `[episodes]`."""


OnDev = dict[str, Swept]
"""Dev prompts by the rule that chooses a block in them: `zero_shot` and `conflict`."""
OnTest = dict[str, Answers]
"""Conflicting test prompts, every value `[episodes]`: without a vector (`icl`), and with θ_B after
the block of each rule."""


class PairAnswers(TypedDict):
    """Everything that is measured of one pair. Answers are by the task that they are scored as,
    `demonstrations` or `patched`, whose expected tokens the log-probabilities are of, and whose
    in-context learning the divergences are from."""

    dev: dict[str, OnDev]
    """Zero-shot prompts are scored as `patched` only."""
    layers: dict[str, int]
    """The chosen block of each rule."""
    test: dict[str, OnTest]


def measure(
    decoder: Decoder,
    dev_demonstrations: PromptTokens,
    dev_patched: PromptTokens,
    test_demonstrations: PromptTokens,
    test_patched: PromptTokens,
    method: Method = task_vector.METHOD,
    settings: Mapping[str, Any] = {},
    progress: Progress | None = None,
) -> PairAnswers:
    """Measure a pair in one job.

    Args:
        dev_demonstrations: the dev prompts `S_A, x→`.
        dev_patched: the prompts that θ_B is read from, and the zero-shot prompts `x→` of B.
        test_demonstrations: as on dev.
        test_patched: as on dev.
        method: makes the vector of B, from `MethodTokens`.
        settings: named arguments of the method.
    """
    say = progress or silent
    say("dev conflicts")
    own, tested = learn_both(decoder, dev_patched, test_patched, method, settings)
    dev = measure_dev(decoder, dev_demonstrations, dev_patched, own, method)
    accepted = dev_patched["accepted"]
    layers = {rule: best_layer(swept["blocks"], accepted) for rule, swept in dev["patched"].items()}
    say("test conflicts")
    test = measure_test(decoder, test_demonstrations, test_patched, layers, tested, method)
    return {"dev": dev, "layers": layers, "test": test}


def measure_dev(
    decoder: Decoder,
    demonstrations: PromptTokens,
    patched: PromptTokens,
    vectors: Tensor,
    method: Method,
) -> dict[str, OnDev]:
    """Apply θ_B after every block, in both kinds of prompts: this chooses the layer.

    Args:
        vectors: θ_B, `[episodes, depth, width]`.
    """
    zero_shot = _swept(decoder, patched["zero_shot"], vectors, method)
    conflict = _swept(decoder, _conflicting(demonstrations), vectors, method)
    as_patched = {
        "zero_shot": (zero_shot, patched["expected"]),
        "conflict": (conflict, patched["expected"]),
    }
    as_demonstrated = {"conflict": (conflict, demonstrations["expected"])}
    read = {
        "patched": read_together(decoder, as_patched, in_context_learning(decoder, patched)),
        "demonstrations": read_together(
            decoder, as_demonstrated, _known(conflict[:, 0], demonstrations)
        ),
    }
    return {
        side: {rule: _parted(runs) for rule, runs in of_side.items()}
        for side, of_side in read.items()
    }


def measure_test(
    decoder: Decoder,
    demonstrations: PromptTokens,
    patched: PromptTokens,
    layers: dict[str, int],
    vectors: Tensor,
    method: Method,
) -> dict[str, OnTest]:
    """Answer the conflicting prompts as they are, and with θ_B after its blocks in `layers`.

    Args:
        vectors: θ_B, `[episodes, depth, width]`.
    """
    prompts = _conflicting(demonstrations)
    cached = cache_prompts(decoder, prompts)
    every = range(len(prompts))
    unpatched = unpatched_states(decoder, cached)
    states = [unpatched[:, -1]]
    for layer in layers.values():
        placed = method.applied(vectors[:, layer], unpatched[:, layer])
        states.append(apply_vectors(decoder, cached, every, [layer] * len(every), placed))
    runs = torch.stack(states, dim=1)
    icl = {
        "demonstrations": _known(unpatched[:, -1], demonstrations),
        "patched": in_context_learning(decoder, patched),
    }
    names = ["icl", *layers]
    found = {}
    for scored_as, of_task in icl.items():
        read = read_together(decoder, {"": (runs, of_task.expected)}, of_task)[""]
        found[scored_as] = {name: at(read, run) for run, name in enumerate(names)}
    return found


def _known(states: Tensor, prompts: PromptTokens) -> Icl:
    return Icl(states, prompts["expected"], prompts["accepted"])


def _conflicting(demonstrations: PromptTokens) -> list[TokenIds]:
    """The whole prompts `S_A, x→`."""
    both = zip(demonstrations["shared"], demonstrations["query"], strict=True)
    return [shared + query for shared, query in both]


def _swept(decoder: Decoder, prompts: list[TokenIds], vectors: Tensor, method: Method) -> Tensor:
    """States after the last block of each prompt as it is, with its vector `[depth, width]` after
    each block, and with its own state after the middle one: `[prompts, 1 + depth + 1, width]`."""
    middle = decoder.depth // 2
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)
    own = torch.cat([method.applied(vectors, unpatched), unpatched[:, [middle]]], dim=1)
    patch = Patch(range(len(prompts)), [*range(decoder.depth), middle], own)
    patched = patch_together(decoder, cached, {"swept": patch})["swept"]
    return torch.cat([unpatched[:, [-1]], patched], dim=1)


def _parted(runs: Answers) -> Swept:
    """The answers to what `_swept` returned."""
    last = runs["token"].shape[1] - 1
    blocks = range(1, last)
    return {"unpatched": at(runs, 0), "blocks": at(runs, blocks), "no_op": at(runs, last)}
