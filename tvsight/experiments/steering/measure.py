"""Measure vectors that are written over the residual stream or added to it, in several contexts.

Procedures: `vector`, the task's own; `random_addition`, a random direction of the same length;
`negated`, the vector with its sign changed; `any_other_task`, the mean task vector or the function
vector of another task, each in turn from episode to episode. A vector is applied at the last token,
after the block that is best on zero-shot dev prompts for its method and mode with a factor of 1.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tvsight.interventions.answers import Icl
from tvsight.interventions.attention import Head
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import generate
from tvsight.methods.function_vector import of_tasks
from tvsight.methods.method import Use
from tvsight.prompts.tokens import PromptTokens, TokenIds
from tvsight.protocol.conditions import BASELINE, Condition, Progress, Prompts, Read, no_op, silent
from tvsight.protocol.measure import best_layers, extract_with_icl

MODES: tuple[Use, ...] = ("overwrite", "add")
VECTOR = "vector"
"""The procedure that applies a task's own vector."""


class ExtractedMeans(TypedDict):
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

    dev: list[Read]
    """`baseline`, `no_op`, and each further `<method>/<mode>` after every block, with a factor of
    1."""
    layers: dict[str, int]
    """The chosen block of each `<method>/<mode>`."""
    test: dict[str, list[Read]]
    """By context; the first without a vector."""
    generated: Tensor
    """Tokens after the first zero-shot prompts, with the vector applied at their last token, and at
    every generated token too: `[2, conditions, episodes, tokens]`. The conditions are the first of
    the zero-shot context."""
    divergence: Tensor
    """KL divergence in nats of the next token of neutral sentences with a vector from that without,
    `[sentences, conditions - 1]`."""


Vectors = dict[str, dict[str, Tensor]]
"""The vectors of some episodes, by procedure and method, `[episodes, depth, width]`. Those of
another task are missing where there is none."""


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    contexts: Mapping[str, Sequence[tuple[TokenIds, int]]],
    neutral: Mapping[str, Sequence[TokenIds]],
    controls: Sequence[str],
    alphas: Sequence[float],
    extracted: ExtractedMeans,
    generated: tuple[int, int],
    progress: Progress | None = None,
) -> Steered:
    """Measure one task in one job.

    Args:
        contexts: the prompt and the expected token of each test episode, by context.
        neutral: under `prompts`, sentences that have nothing to do with a task.
        controls: the procedures beside the task's own vector, in zero-shot prompts.
        alphas: the factors of a vector that is added.
        generated: the number of zero-shot test prompts after which text is generated, and its
            length in tokens, at least 2.
    """
    say = progress or silent
    say("blocks on dev")
    heads = extracted["heads"].to(device=decoder.device, dtype=decoder.dtype)
    functions = of_tasks(decoder, heads, extracted["top"])
    on_dev = _sweep(decoder, dev, functions, extracted)
    layers = extracted["blocks"] | best_layers(on_dev, dev["accepted"], _swept)
    say("vectors on test")
    vectors, icl = make_vectors(decoder, test, functions, extracted)
    own = conditions(vectors, layers, [VECTOR], alphas)
    beside = [name for name in controls if name in vectors]
    read = {}
    for name, asked in contexts.items():
        say(name.replace("_", " "))
        applied = [BASELINE, *own]
        if name == "zero_shot":
            applied += conditions(vectors, layers, beside, alphas)
        applied = [condition.labelled(context=name) for condition in applied]
        spelled, expected = map(list, zip(*asked, strict=True))
        read[name] = Prompts(decoder, spelled, expected, icl).read(applied)
    say("generated text")
    episodes, tokens = generated
    first = Prompts(decoder, test["zero_shot"][:episodes], test["expected"][:episodes])
    texts = generated_text(first, own, tokens)
    say("neutral text")
    shifted = divergence(decoder, neutral["prompts"], own, len(test["expected"]))
    return {
        "dev": on_dev,
        "layers": layers,
        "test": read,
        "generated": texts,
        "divergence": shifted,
    }


def _swept(read: Read) -> str:
    return f"{read['labels']['method']}/{read['labels']['mode']}"


def _sweep(
    decoder: Decoder, dev: PromptTokens, functions: Tensor, extracted: ExtractedMeans
) -> list[Read]:
    """The dev prompts with each vector and mode that is not swept yet, after every block."""
    own, icl = own_vectors(decoder, dev, functions[extracted["own"]])
    context = {"context": "zero_shot"}
    swept = [
        Condition(
            VECTOR,
            vectors,
            range(decoder.depth),
            mode,
            context | {"method": method, "mode": mode, "alpha": 1.0 if mode == "add" else None},
        )
        for method, vectors in own.items()
        for mode in MODES
        if f"{method}/{mode}" not in extracted["blocks"]
    ]
    prompts = Prompts(decoder, dev["zero_shot"], dev["expected"], icl)
    return prompts.read(
        [BASELINE.labelled(**context), no_op([decoder.depth // 2], **context), *swept]
    )


def own_vectors(
    decoder: Decoder, prompts: PromptTokens, function: Tensor
) -> tuple[dict[str, Tensor], Icl]:
    """The vectors of a task for some episodes, by method, `[episodes, depth, width]`, and
    in-context learning on them.

    Args:
        function: the function vector, `[width]`.
    """
    vectors, icl = extract_with_icl(decoder, prompts)
    theta = vectors["task_vector"]
    return {**vectors, "function_vector": function.to(theta).expand(theta.shape)}, icl


def make_vectors(
    decoder: Decoder, prompts: PromptTokens, functions: Tensor, extracted: ExtractedMeans
) -> tuple[Vectors, Icl]:
    """All vectors of some episodes, and in-context learning on them.

    Args:
        functions: the function vector of every task, `[tasks, width]`.
    """
    tasks, task = len(functions), extracted["own"]
    own, icl = own_vectors(decoder, prompts, functions[task])
    theta = own["task_vector"]
    drawn = torch.randn(
        (len(theta), decoder.width), generator=torch.Generator().manual_seed(extracted["seed"])
    )
    directions = normalize(drawn, dim=-1).to(theta)[:, None]
    vectors = {
        VECTOR: own,
        "negated": {name: -of for name, of in own.items()},
        "random_addition": {
            name: directions * of.norm(dim=-1, keepdim=True) for name, of in own.items()
        },
    }
    if in_turn := [other for other in range(tasks) if other != task]:
        turn = [in_turn[episode % len(in_turn)] for episode in range(len(theta))]
        means = extracted["thetas"].to(theta)[turn]
        function = functions.to(theta)[turn, None].expand(theta.shape)
        others = {"task_vector": means, "averaged_vector": means, "function_vector": function}
        vectors["any_other_task"] = others
    return vectors, icl


def conditions(
    vectors: Vectors, layers: Mapping[str, int], procedures: Sequence[str], alphas: Sequence[float]
) -> list[Condition]:
    """Every way to apply the vectors: written over, and added with each factor. Controls are only
    added.

    Args:
        layers: the block of each `<method>/<mode>`.
    """
    added: list[tuple[Use, float | None]] = [("add", alpha) for alpha in alphas]
    applied = []
    for procedure in procedures:
        for method, block_vectors in vectors[procedure].items():
            for mode, alpha in [("overwrite", None), *added] if procedure == VECTOR else added:
                block = layers[f"{method}/{mode}"]
                made = block_vectors[:, [block]] * (1 if alpha is None else alpha)
                labels = {"method": method, "mode": mode, "alpha": alpha}
                applied.append(Condition(procedure, made, [block], mode, labels))
    return applied


def generated_text(prompts: Prompts, applied: Sequence[Condition], tokens: int) -> Tensor:
    """The tokens that follow some prompts, `[2, 1 + conditions, prompts, tokens]`: without a
    vector and with each, applied once, and at every generated token.

    Args:
        applied: conditions of at least as many episodes.
        tokens: the length of each text.
    """
    count = len(prompts.index)
    first_conditions = [BASELINE, *_of_first(applied, count)]
    texts = [
        generate(
            prompts.decoder, prompts.cached, prompts.patches(first_conditions, every), tokens, ()
        )
        for every in (False, True)
    ]
    return torch.stack(texts).view(2, len(first_conditions), count, tokens).int()


def divergence(
    decoder: Decoder, sentences: Sequence[TokenIds], applied: Sequence[Condition], episodes: int
) -> Tensor:
    """The KL divergence in nats of the next token with a vector from that without,
    `[sentences, conditions]`. The n-th sentence has the vector of the n-th episode; sentences
    beyond the number of episodes are left out."""
    count = min(len(sentences), episodes)
    # No token is expected here; numbers keep equal sentences apart.
    prompts = Prompts(decoder, sentences[:count], range(count))
    before = decoder.unembed(prompts.own[:, -1]).float().log_softmax(dim=-1)
    weights = before.exp()
    divergences = []
    for states in prompts.states(_of_first(applied, count)):
        after = decoder.unembed(states[:, 0]).float().log_softmax(dim=-1)
        divergences.append((weights * (before - after)).sum(dim=-1))
    return torch.stack(divergences, dim=1).cpu()


def _of_first(applied: Sequence[Condition], count: int) -> list[Condition]:
    """The conditions of the first episodes."""
    vectors = ((condition, condition.vectors) for condition in applied)
    return [condition._replace(vectors=of[:count]) for condition, of in vectors if of is not None]
