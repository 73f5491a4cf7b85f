"""Generate whole answers of one task: without a vector, and with vectors at the last token.

The block is chosen where texts can be compared, so dev and test are jobs of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from tvsight.experiments.main_results.measure import VECTORS, in_context_learning, learn_with_icl
from tvsight.experiments.measuring import Progress, distinct, silent
from tvsight.interventions.answers import Answers, Icl, part, scores
from tvsight.interventions.application import CachedPrompts, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import Patches, force, generate
from tvsight.methods.method import Method, learn
from tvsight.prompts.tokens import AnswerTokens

OWN = "method"
"""The name of a further method among procedures."""


class WholeAnswers(TypedDict):
    """The answers of one procedure. Every value begins with `[episodes, blocks]`, where prompts
    without a vector have one block."""

    first: Answers
    """Read at the prompt's last token."""
    generated: Tensor
    """Tokens, `[episodes, blocks, most]`, negative after the end."""
    answer_log_probability: Tensor
    """Natural logarithm of the probability of the whole usual answer, `[episodes, blocks]`."""


class DevAnswers(TypedDict):
    """Whole answers of the dev episodes of a task, or of a part of them."""

    answers: dict[str, WholeAnswers]
    """`baseline`, `no_op` and each method after every block."""
    taught: dict[str, Tensor]
    """The vectors of methods that have one for the task, `[depth, width]`."""


class Group(NamedTuple):
    """Rows of one procedure: each prompt after each block; None: nothing is patched."""

    prompts: Sequence[int]
    layers: Sequence[int | None]
    vectors: Tensor
    """`[prompts, layers, width]`."""


def answer_dev(
    decoder: Decoder,
    dev: AnswerTokens,
    method: Method | None,
    settings: Mapping[str, Any],
    most: int,
    stops: Sequence[int],
    progress: Progress | None = None,
) -> DevAnswers:
    """Answer the dev queries without a vector, and with one after every block.

    Args:
        method: a further method; None: the vectors of the central comparison.
        settings: named arguments of that method.
        most: the largest number of tokens of an answer.
        stops: tokens that end an answer.
    """
    say = progress or silent
    say("dev demonstrations")
    methods = VECTORS if method is None else {OWN: method}
    if method is None:
        learnt, icl = learn_with_icl(decoder, dev)
    else:
        learnt = {OWN: learn(decoder, dev, method, settings)}
        icl = in_context_learning(decoder, dev)
    say("layer sweep")
    prompts, index = distinct([tuple(prompt) for prompt in dev["zero_shot"]])
    cached = cache_prompts(decoder, prompts)
    states = unpatched_states(decoder, cached)[index]
    blocks, middle = range(decoder.depth), decoder.depth // 2
    groups = {
        "baseline": Group(index, [None], states[:, :1]),
        "no_op": Group(index, [middle], states[:, [middle]]),
    }
    for name, one in methods.items():
        groups[name] = Group(index, blocks, one.applied(learnt[name], states))
    taught = {name: learnt[name][0].cpu() for name, one in methods.items() if one.of == "task"}
    return {
        "answers": _whole_answers(decoder, cached, groups, dev["answers"], icl, most, set(stops)),
        "taught": taught,
    }


def answer_test(
    decoder: Decoder,
    test: AnswerTokens,
    method: Method | None,
    settings: Mapping[str, Any],
    most: int,
    stops: Sequence[int],
    layers: Mapping[str, int],
    taught: Mapping[str, Tensor],
    progress: Progress | None = None,
) -> dict[str, WholeAnswers]:
    """Answer the test queries with each vector after its block in `layers`; in the central
    comparison also with demonstrations, and without either.

    Args:
        taught: from `answer_dev`; the other arguments as there.
    """
    say = progress or silent
    say("test demonstrations")
    methods = VECTORS if method is None else {OWN: method}
    if method is None:
        learnt, icl = learn_with_icl(decoder, test)
    else:
        if method.of == "task":
            learnt = {OWN: taught[OWN].to(decoder.device).expand(len(test["query"]), -1, -1)}
        else:
            learnt = {OWN: learn(decoder, test, method, settings)}
        icl = in_context_learning(decoder, test)
    say("test queries")
    prompts, index = distinct([tuple(prompt) for prompt in test["zero_shot"]])
    few_shot: list[tuple[int, ...]] = []
    if method is None:
        few_shot = [
            (*shared, *query) for shared, query in zip(test["shared"], test["query"], strict=True)
        ]
    cached = cache_prompts(decoder, [*prompts, *few_shot])
    every = unpatched_states(decoder, cached)
    states = every[index]
    groups = {}
    if method is None:
        demonstrated = range(len(prompts), len(prompts) + len(few_shot))
        groups["baseline"] = Group(index, [None], states[:, :1])
        groups["icl"] = Group(demonstrated, [None], every[len(prompts) :, :1])
    for name, one in methods.items():
        block = [layers[name]]
        patched = one.applied(learnt[name][:, block], states[:, block])
        groups[name] = Group(index, block, patched)
    return _whole_answers(decoder, cached, groups, test["answers"], icl, most, set(stops))


def _whole_answers(
    decoder: Decoder,
    cached: CachedPrompts,
    groups: Mapping[str, Group],
    given: Sequence[Sequence[int]],
    icl: Icl,
    most: int,
    stops: set[int],
) -> dict[str, WholeAnswers]:
    """Generate the answers of several groups in one run.

    Args:
        given: the tokens of each episode's usual answer.
        icl: in-context learning on the same episodes.
    """
    rows = [
        (prompt, layer, answer)
        for group in groups.values()
        for prompt, answer in zip(group.prompts, given, strict=True)
        for layer in group.layers
    ]
    patches = Patches(
        [prompt for prompt, _, _ in rows],
        [layer for _, layer, _ in rows],
        torch.cat([group.vectors.flatten(0, 1) for group in groups.values()]),
    )
    generated = generate(decoder, cached, patches, most, stops)
    forced = force(decoder, cached, patches, [answer for _, _, answer in rows])
    found: dict[str, WholeAnswers] = {}
    start = 0
    for name, group in groups.items():
        shape = (len(group.prompts), len(group.layers))
        own = slice(start, start + shape[0] * shape[1])
        start = own.stop
        first = part(forced["first"], own, shape)
        states = forced["states"][own].view(*shape, -1)
        found[name] = {
            "first": {**first, **scores(decoder, states, icl.expected, icl)},
            "generated": generated[own].view(*shape, most),
            "answer_log_probability": forced["answer_log_probability"][own].view(shape),
        }
    return found
