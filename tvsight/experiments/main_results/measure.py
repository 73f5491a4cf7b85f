"""Measure baseline, in-context learning and task vectors of one task (section 3 of the paper).

The vectors are applied after every block on the dev episodes; the block with the best dev accuracy
is chosen, and the test episodes are measured there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar

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
from tvsight.interventions.answers import Answers, Icl
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.methods import averaged_vector, task_vector
from tvsight.methods.method import Method, learn_both
from tvsight.prompts.tokens import MethodTokens, PromptTokens, TokenIds

VECTORS = {"task_vector": task_vector.METHOD, "averaged_vector": averaged_vector.METHOD}
"""θ of the episode itself, and the mean θ of the episodes that do not contain its query."""
PHASES = ("dev demonstrations", "layer sweep", "test demonstrations", "test queries")


class OnDev(TypedDict):
    """The dev episodes of a task, or a part of them. Every tensor begins with the episodes."""

    baseline: Answers
    """Every value `[episodes]`."""
    no_op: Answers
    """The baseline again, with each prompt's own state patched into it."""
    sweep: dict[str, Answers]
    """By vector, every value `[episodes, depth]`."""
    finite: bool
    """Whether all vectors and all states that were unembedded are finite."""
    vectors: Tensor
    """θ in half precision, where it may have become infinite, `[episodes, depth, width]`; of no
    episodes when vectors are not wanted."""


class OnTest(TypedDict):
    """The test episodes of a task, or a part of them. Every tensor begins with the episodes."""

    answers: dict[str, Answers]
    """`baseline`, `icl` and each vector after its chosen block, every value `[episodes]`."""
    finite: bool
    vectors: Tensor


class Comparison(TypedDict):
    """Everything that is measured of one task."""

    dev: OnDev
    layers: dict[str, int]
    """The chosen block of each vector."""
    test: OnTest


class OneMethod(TypedDict):
    """The answers of one task with one method."""

    dev: OnDev
    layer: int
    """The chosen block."""
    test: Answers
    """With the vector after that block, every value `[episodes]`."""
    finite: bool
    vectors: dict[str, Tensor]
    """By split, as `OnDev` has them; those of a task once, `[1, depth, width]`."""


Part = TypeVar("Part")


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    vectors: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Measure a whole task in one job.

    Args:
        vectors: return the vectors too; without them little has to travel from a server.
    """
    on_dev = measure_dev(decoder, dev, vectors, progress)
    layers = best_layers(on_dev["sweep"], dev["accepted"])
    on_test = measure_test(decoder, test, layers, vectors, progress)
    return {"dev": on_dev, "layers": layers, "test": on_test}


def measure_dev(
    decoder: Decoder, dev: PromptTokens, vectors: bool = True, progress: Progress | None = None
) -> OnDev:
    """Apply the vectors of the dev episodes after every block: this chooses the layer."""
    say = progress or silent
    say("dev demonstrations")
    learnt, icl = learn_with_icl(decoder, dev)
    say("layer sweep")
    return sweep(decoder, dev, VECTORS, learnt, icl, vectors)


def learn_with_icl(decoder: Decoder, prompts: PromptTokens) -> tuple[dict[str, Tensor], Icl]:
    """The vectors of `VECTORS` for some episodes, `[episodes, depth, width]`, and in-context
    learning on them. Both continue the same demonstrations."""
    few_shot = [
        [*dummies, query]
        for dummies, query in zip(prompts["dummies"], prompts["query"], strict=True)
    ]
    last = last_states(decoder, prompts["shared"], few_shot)
    own = task_vectors([of_episode[:-1] for of_episode in last])
    averaged = averaged_vector.learn(decoder, prompts, own)
    icl = torch.stack([of_episode[-1, -1] for of_episode in last])
    known = Icl(icl, prompts["expected"], prompts["accepted"])
    return {"task_vector": own, "averaged_vector": averaged}, known


def sweep(
    decoder: Decoder,
    dev: PromptTokens,
    methods: Mapping[str, Method],
    learnt: dict[str, Tensor],
    icl: Icl,
    vectors: bool,
) -> OnDev:
    """Apply the vectors of some methods after every block.

    Args:
        methods: by name.
        learnt: their vectors, `[episodes, depth, width]`.
        icl: in-context learning on the same episodes.
        vectors: return those of the first method.
    """
    prompts, index = distinct([tuple(prompt) for prompt in dev["zero_shot"]])
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)[index]
    blocks = range(decoder.depth)
    middle = decoder.depth // 2
    patches = {
        name: Patch(index, blocks, method.applied(learnt[name], unpatched))
        for name, method in methods.items()
    }
    patches["no_op"] = Patch(index, [middle], unpatched[:, [middle]])
    states = {"baseline": unpatched[:, [-1]], **patch_together(decoder, cached, patches)}
    groups = {name: (of, dev["expected"]) for name, of in states.items()}
    read = read_together(decoder, groups, icl)
    own = learnt[next(iter(methods))]
    return {
        "baseline": at(read["baseline"], 0),
        "no_op": at(read["no_op"], 0),
        "sweep": {name: read[name] for name in methods},
        "finite": _finite(own, *states.values()),
        "vectors": _halved(own, vectors),
    }


def measure_test(
    decoder: Decoder,
    test: PromptTokens,
    layers: dict[str, int],
    vectors: bool = True,
    progress: Progress | None = None,
) -> OnTest:
    """Answer the test queries: baseline, ICL, and each vector after its block in `layers`."""
    say = progress or silent
    say("test demonstrations")
    learnt, icl = learn_with_icl(decoder, test)

    say("test queries")
    prompts, index = distinct([tuple(prompt) for prompt in test["zero_shot"]])
    cached = cache_prompts(decoder, prompts)
    states = {"baseline": unpatched_states(decoder, cached)[index, -1], "icl": icl.states}
    for name, layer in layers.items():
        vector = learnt[name][:, layer]
        states[name] = apply_vectors(decoder, cached, index, [layer] * len(index), vector)
    groups = {name: (of, test["expected"]) for name, of in states.items()}
    return {
        "answers": read_together(decoder, groups, icl),
        "finite": _finite(learnt["task_vector"], *states.values()),
        "vectors": _halved(learnt["task_vector"], vectors),
    }


def measure_method(
    decoder: Decoder,
    dev: MethodTokens,
    test: MethodTokens,
    method: Method,
    settings: Mapping[str, Any],
    wanted: bool = False,
    icl: Icl | None = None,
    progress: Progress | None = None,
) -> OneMethod:
    """Measure one method by the same protocol: its block is chosen on dev, and reported on test.

    A vector of the task is learnt from the dev episodes, and applied to both splits.

    Args:
        settings: named arguments of the method.
        wanted: return the vectors too.
        icl: in-context learning on the test episodes, where it is known.
    """
    say = progress or silent
    say("learning")
    own, vectors = learn_both(decoder, dev, test, method, settings)
    say("dev")
    dev_icl = in_context_learning(decoder, dev)
    on_dev = sweep(decoder, dev, {"method": method}, {"method": own}, dev_icl, vectors=False)
    layer = best_layer(on_dev["sweep"]["method"], dev["accepted"])
    say("test")
    prompts, index = distinct([tuple(prompt) for prompt in test["zero_shot"]])
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)[index]
    patched = method.applied(vectors[:, layer], unpatched[:, layer])
    states = apply_vectors(decoder, cached, index, [layer] * len(index), patched)
    if icl is None:
        icl = in_context_learning(decoder, test)
    read = read_together(decoder, {"method": (states, test["expected"])}, icl)
    once = 1 if method.of == "task" else None
    kept = {"dev": own[:once], "test": vectors[:once]}
    return {
        "dev": on_dev,
        "layer": layer,
        "test": read["method"],
        "finite": on_dev["finite"] and _finite(vectors, states),
        # Copies, for the vector of a task is one tensor for both splits.
        "vectors": {split: _halved(of, wanted).clone() for split, of in kept.items()},
    }


def in_context_learning(
    decoder: Decoder, prompts: PromptTokens, shared: Sequence[TokenIds] | None = None
) -> Icl:
    """In-context learning on some episodes.

    Args:
        shared: demonstrations in place of those of the prompts, as `PromptTokens` has them.
    """
    few_shot = last_states(
        decoder, shared or prompts["shared"], [[query] for query in prompts["query"]]
    )
    states = torch.stack([of_episode[0, -1] for of_episode in few_shot])
    return Icl(states, prompts["expected"], prompts["accepted"])


def best_layers(sweep: dict[str, Answers], accepted: Sequence[Sequence[int]]) -> dict[str, int]:
    """The block with the best dev accuracy, for each vector."""
    return {name: best_layer(swept, accepted) for name, swept in sweep.items()}


def joined(parts: Sequence[Part]) -> Part:
    """The parts of a split as one: tensors one after the other."""
    whole: Part = _joined(parts)
    return whole


def _joined(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        return {name: _joined([value[name] for value in values]) for name in first}
    return all(values) if isinstance(first, bool) else torch.cat(list(values))


def _finite(*tensors: Tensor) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _halved(vectors: Tensor, wanted: bool) -> Tensor:
    return vectors.half().cpu() if wanted else vectors.new_empty(0, dtype=torch.half).cpu()
