"""Measure vectors that are written over the residual stream or added to it, in several contexts.

Procedures: `vector`, the task's own; `random_addition`, a random direction of the same length;
`negated`, the vector with its sign changed; `any_other_task`, the mean task vector or the function
vector of another task, each in turn from episode to episode. A vector is applied at the last token,
after the block that is best on zero-shot dev prompts for its method and mode with a factor of 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tvsight.experiments.main_results.measure import OnDev, best_layers, learn_with_icl, sweep
from tvsight.experiments.measuring import (
    Patch,
    Progress,
    distinct,
    patch_together,
    read_together,
    silent,
)
from tvsight.interventions.answers import Answers, Icl
from tvsight.interventions.application import CachedPrompts, cache_prompts, unpatched_states
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import Patches, generate
from tvsight.interventions.heads import contributions
from tvsight.methods import task_vector
from tvsight.methods.function_vector import summed
from tvsight.prompts.tokens import PromptTokens, TokenIds


class Application(TypedDict):
    """One way to apply a vector."""

    procedure: str
    method: str
    mode: str
    """`overwrite` or `add`."""
    alpha: float | None
    """The factor of a vector that is added; None for one that is written over."""


class Learnt(TypedDict):
    """Mean vectors and heads of all tasks of a model, in the order of their names."""

    thetas: Tensor
    """The mean task vector after every block, `[tasks, depth, width]`."""
    heads: Tensor
    """The mean of every head, `[tasks, depth, heads, head_width]`."""
    top: list[list[Head]]
    """The heads of each function vector."""
    own: int
    """The number of the task that is measured."""
    blocks: dict[str, int]
    """The chosen block of each `<method>/<mode>` that is swept already."""
    seed: int
    """Of the random directions."""


class Steered(TypedDict):
    """Everything that is measured of one task."""

    dev: OnDev
    """Each further `<method>/<mode>` after every block, with a factor of 1."""
    layers: dict[str, int]
    """The chosen block of each `<method>/<mode>`."""
    test: dict[str, Answers]
    """By context, every value `[episodes, 1 + applications]`; the first without a vector."""
    generated: Tensor
    """Tokens after the first zero-shot prompts, with the vector applied at their last token, and at
    every generated token too: `[2, episodes, 1 + applications, tokens]`."""
    divergence: Tensor
    """KL divergence in nats of the next token of neutral sentences with a vector from that without,
    `[sentences, applications]`."""


class Vectors(NamedTuple):
    """The vectors of some episodes, by method `[episodes, depth, width]`."""

    own: dict[str, Tensor]
    others: dict[str, Tensor]
    """Those of another task; empty where there is none."""
    directions: Tensor
    """Random, of length 1, `[episodes, width]`."""
    icl: Icl
    """In-context learning on these episodes."""


class Steering(NamedTuple):
    """Vectors, and where and how they are applied."""

    vectors: Vectors
    layers: Mapping[str, int]
    """By `<method>/<mode>`."""
    applications: Sequence[Application]

    @property
    def blocks(self) -> list[int]:
        """The block of each application."""
        return [self.layers[f"{one['method']}/{one['mode']}"] for one in self.applications]


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    contexts: Mapping[str, Sequence[tuple[TokenIds, int]]],
    neutral: Mapping[str, Sequence[TokenIds]],
    applications: Mapping[str, Sequence[Application]],
    learnt: Learnt,
    generated: tuple[int, int],
    progress: Progress | None = None,
) -> Steered:
    """Measure one task in one job.

    Args:
        contexts: the prompt and the expected token of each test episode, by context.
        neutral: under `prompts`, sentences that have nothing to do with a task.
        applications: by context, and `generated` for text and neutral sentences.
        generated: the number of zero-shot test prompts after which text is generated, and its
            length in tokens, at least 2.
    """
    say = progress or silent
    say("blocks on dev")
    functions = function_vectors(decoder, learnt)
    own, icl = own_vectors(decoder, dev, functions[learnt["own"]])
    methods = {
        f"{name}/{mode}": replace(task_vector.METHOD, use=mode)
        for name in own
        for mode in ("overwrite", "add")
        if f"{name}/{mode}" not in learnt["blocks"]
    }
    learnt_by = {name: own[name.partition("/")[0]] for name in methods}
    on_dev = sweep(decoder, dev, methods, learnt_by, icl, vectors=False)
    layers = {**learnt["blocks"], **best_layers(on_dev["sweep"], dev["accepted"])}

    say("vectors on test")
    vectors = make_vectors(decoder, test, functions, learnt)
    answers = {}
    for name, asked in contexts.items():
        say(name.replace("_", " "))
        answers[name] = in_context(decoder, asked, Steering(vectors, layers, applications[name]))
    steering = Steering(vectors, layers, applications["generated"])
    say("generated text")
    episodes, tokens = generated
    texts = generated_text(decoder, test["zero_shot"][:episodes], tokens, steering)
    say("neutral text")
    shifted = divergence(decoder, neutral["prompts"], steering)
    return {
        "dev": on_dev,
        "layers": layers,
        "test": answers,
        "generated": texts,
        "divergence": shifted,
    }


def function_vectors(decoder: Decoder, learnt: Learnt) -> Tensor:
    """The function vector of every task as it arrives in the residual stream, `[tasks, width]`."""
    means = learnt["heads"].to(device=decoder.device, dtype=decoder.dtype)
    return torch.stack(
        [
            summed(contributions(decoder, of_task, normalised=True).float(), top)
            for of_task, top in zip(means, learnt["top"], strict=True)
        ]
    )


def own_vectors(
    decoder: Decoder, prompts: PromptTokens, function: Tensor
) -> tuple[dict[str, Tensor], Icl]:
    """The vectors of a task for some episodes, by method, `[episodes, depth, width]`, and
    in-context learning on them.

    Args:
        function: the function vector, `[width]`.
    """
    learnt, icl = learn_with_icl(decoder, prompts)
    theta = learnt["task_vector"]
    return {**learnt, "function_vector": function.to(theta).expand(theta.shape)}, icl


def make_vectors(
    decoder: Decoder, prompts: PromptTokens, functions: Tensor, learnt: Learnt
) -> Vectors:
    """All vectors of some episodes.

    Args:
        functions: from `function_vectors`.
    """
    tasks, task = len(functions), learnt["own"]
    own, icl = own_vectors(decoder, prompts, functions[task])
    theta = own["task_vector"]
    drawn = torch.randn(
        (len(theta), decoder.width), generator=torch.Generator().manual_seed(learnt["seed"])
    )
    others = {}
    if tasks > 1:
        in_turn = [other for other in range(tasks) if other != task]
        turn = [in_turn[episode % len(in_turn)] for episode in range(len(theta))]
        means = learnt["thetas"].to(theta)[turn]
        function = functions.to(theta)[turn, None].expand(theta.shape)
        others = {"task_vector": means, "averaged_vector": means, "function_vector": function}
    return Vectors(own, others, normalize(drawn, dim=-1).to(theta), icl)


def in_context(
    decoder: Decoder, asked: Sequence[tuple[TokenIds, int]], steering: Steering
) -> Answers:
    """The answers in one context, every value `[episodes, 1 + applications]`.

    Args:
        asked: the prompt and the expected token of each episode.
    """
    prompts, index = distinct([tuple(prompt) for prompt, _ in asked])
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)[index]
    final = steered(decoder, cached, index, unpatched, steering)
    states = torch.cat([unpatched[:, -1:], final], dim=1)
    groups = {"": (states, [expected for _, expected in asked])}
    return read_together(decoder, groups, steering.vectors.icl)[""]


def steered(
    decoder: Decoder,
    cached: CachedPrompts,
    index: Sequence[int],
    unpatched: Tensor,
    steering: Steering,
) -> Tensor:
    """The states after the last block, `[episodes, applications, width]`.

    Args:
        index: the prompt of each episode.
        unpatched: the state of each episode after every block, `[episodes, depth, width]`.
    """
    applied = [
        (unpatched[:, block] if one["mode"] == "add" else 0)
        + scaled(steering.vectors, one, block)[: len(index)]
        for one, block in zip(steering.applications, steering.blocks, strict=True)
    ]
    patch = Patch(index, steering.blocks, torch.stack(applied, dim=1).to(unpatched))
    return patch_together(decoder, cached, {"": patch})[""]


def scaled(vectors: Vectors, application: Application, block: int) -> Tensor:
    """The vector of each episode that an application writes or adds, `[episodes, width]`."""
    method, procedure = application["method"], application["procedure"]
    found = vectors.own[method][:, block]
    if procedure == "negated":
        found = -found
    elif procedure == "random_addition":
        found = vectors.directions * found.norm(dim=-1, keepdim=True)
    elif procedure == "any_other_task":
        found = vectors.others[method][:, block]
    return found if application["alpha"] is None else application["alpha"] * found


def generated_text(
    decoder: Decoder, prompts: Sequence[TokenIds], tokens: int, steering: Steering
) -> Tensor:
    """The tokens that follow some prompts, `[2, prompts, 1 + applications, tokens]`: with the
    vector applied once, and at every generated token.

    Args:
        tokens: the length of each text.
    """
    cached = cache_prompts(decoder, prompts)
    applications = steering.applications
    vectors = [
        scaled(steering.vectors, one, block)[: len(prompts)]
        for one, block in zip(applications, steering.blocks, strict=True)
    ]
    shape = (len(prompts), 1 + len(applications))
    unpatched = torch.zeros_like(vectors[0])
    flat = torch.stack([unpatched, *vectors], dim=1).flatten(0, 1)
    rows = [prompt for prompt in range(shape[0]) for _ in range(shape[1])]
    layers = [None, *steering.blocks] * len(prompts)
    added = [False, *(one["mode"] == "add" for one in applications)] * len(prompts)
    found = []
    for every in (False, True):
        patches = Patches(rows, layers, flat, added, every)
        found.append(generate(decoder, cached, patches, tokens, ()).view(*shape, tokens))
    return torch.stack(found).int()


def divergence(decoder: Decoder, prompts: Sequence[TokenIds], steering: Steering) -> Tensor:
    """The KL divergence in nats of the next token with a vector from that without,
    `[prompts, applications]`. The n-th prompt has the vector of the n-th episode; prompts beyond
    the number of episodes are left out."""
    count = min(len(prompts), len(steering.vectors.directions))
    cached = cache_prompts(decoder, prompts[:count])
    unpatched = unpatched_states(decoder, cached)
    final = steered(decoder, cached, range(count), unpatched, steering)
    before = decoder.unembed(unpatched[:, -1]).float().log_softmax(dim=-1)
    weights = before.exp()
    found = [
        (weights * (before - decoder.unembed(states).float().log_softmax(dim=-1))).sum(dim=-1)
        for states in final.unbind(dim=1)
    ]
    return torch.stack(found, dim=1).cpu()
