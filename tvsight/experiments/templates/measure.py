"""Measure vectors under other templates and of other dummy queries (a follow-up to section 3).

Every variant of the vector is measured as in the central comparison: it is applied after each block
on the dev episodes, and after the best of these blocks on the test episodes. Of another method than
the task vector the templates alone vary.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

import torch
from torch import Tensor

from tvsight.interventions.answers import Icl
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.methods import task_vector
from tvsight.methods.method import Method, extract_both
from tvsight.prompts.tokens import PromptTokens, TokenIds
from tvsight.protocol.conditions import (
    BASELINE,
    Condition,
    Progress,
    Prompts,
    Read,
    no_op,
    read_states,
    silent,
)
from tvsight.protocol.measure import best_layers


class Variant(TypedDict):
    """One way to make a vector and to apply it. Templates are numbers, so that no text travels."""

    extracted: int
    """The template of the prompts that θ is read from."""
    applied: int
    """The template of the prompts that θ is applied to."""
    dummy_choice: str
    """`task`: inputs of the task, as in the paper; `foreign`: inputs of another task; `query`: the
    query itself, which the paper avoids because θ may then hold its answer."""
    members: list[int]
    """The continuations over whose states θ is the mean: one for each dummy query."""


TemplatePrompts = dict[str, list[Any]]
"""The prompts of some episodes under several templates: under each name of `PromptTokens` an entry
per episode, and in it, except in `COMMON`, one per template. It crosses to a server unchanged."""
COMMON = ("accepted", "others")
"""White space does not count, so the accepted tokens are common to all templates."""


class TemplateAnswers(TypedDict):
    """Everything that is measured of one task, by template that prompts are spelled under."""

    dev: list[list[Read]]
    """`baseline`, `icl`, `no_op`, and each variant after every block, labelled by its number as
    `variant`."""
    test: list[list[Read]]
    """With each variant after its chosen block."""


def variants_of(templates: int, main: int, numbers: Sequence[int], standard: int) -> list[Variant]:
    """Each template's vector under each template, and under the main one each number and choice of
    dummy queries.

    Args:
        numbers: of dummy queries of the task, `standard` among them; the prompts of the main
            template have as many as the largest, then `standard` foreign ones, then the query.
        standard: dummy queries that the vectors of the template matrix are made with.
    """
    most, first = max(numbers), list(range(standard))
    matrix = [
        Variant(extracted=one, applied=other, dummy_choice="task", members=first)
        for one in range(templates)
        for other in range(templates)
    ]
    main_variants = [("task", list(range(number))) for number in numbers if number != standard]
    main_variants += [("foreign", list(range(most, most + standard))), ("query", [-1])]
    return matrix + [
        Variant(extracted=main, applied=main, dummy_choice=choice, members=members)
        for choice, members in main_variants
    ]


def side_by_side(
    tokens: Sequence[PromptTokens], shuffled: Sequence[Sequence[TokenIds]] = ()
) -> TemplatePrompts:
    """The prompts of the same episodes under several templates, episode by episode.

    Args:
        shuffled: the prompts with permuted answers, by template.
    """
    by_template: dict[str, Sequence[Sequence[Any]]] = {
        name: [cast("dict[str, list[Any]]", of)[name] for of in tokens] for name in tokens[0]
    }
    common = {name: list(by_template.pop(name)[0]) for name in COMMON}
    if shuffled:
        by_template["shuffled"] = shuffled
    return common | {
        name: [list(episode_entries) for episode_entries in zip(*of, strict=True)]
        for name, of in by_template.items()
    }


def under(prompts: TemplatePrompts, variant: Variant) -> PromptTokens:
    """The prompts that the vector of a variant is extracted from, as a method learns from them."""
    template_prompts = _of_template(prompts, variant["extracted"])
    template_prompts["dummies"] = [
        [of[n] for n in variant["members"]] for of in template_prompts["dummies"]
    ]
    return cast(PromptTokens, template_prompts)


def _of_template(prompts: TemplatePrompts, template: int) -> dict[str, list[Any]]:
    return {
        name: entries
        if name in COMMON
        else [episode_entries[template] for episode_entries in entries]
        for name, entries in prompts.items()
    }


def measure(
    decoder: Decoder,
    dev: TemplatePrompts,
    test: TemplatePrompts,
    variants: Sequence[Variant],
    method: Method | None = None,
    settings: Mapping[str, Any] = {},
    progress: Progress | None = None,
) -> TemplateAnswers:
    """Measure a whole task in one job.

    Args:
        method: makes the vectors; None for task vectors.
        settings: named arguments of the method.
    """
    method_vectors: dict[str, dict[int, Tensor]] = {"dev": {}, "test": {}}
    for variant in variants:
        template = variant["extracted"]
        if method is not None and template not in method_vectors["dev"]:
            template_prompts = (under(dev, variant), under(test, variant))
            both = extract_both(decoder, *template_prompts, method, settings)
            method_vectors["dev"][template], method_vectors["test"][template] = both
    made = method or task_vector.METHOD
    every = [range(decoder.depth)] * len(variants)
    on_dev = measure_split(
        decoder, dev, variants, every, "dev", made, method_vectors["dev"], progress
    )
    layers = best_layers(_in_a_row(on_dev), dev["accepted"], lambda read: read["labels"]["variant"])
    chosen = [[layers[number]] for number in range(len(variants))]
    on_test = measure_split(
        decoder, test, variants, chosen, "test", made, method_vectors["test"], progress
    )
    return {"dev": on_dev, "test": on_test}


def measure_split(
    decoder: Decoder,
    prompts: TemplatePrompts,
    variants: Sequence[Variant],
    layers: Sequence[Sequence[int]],
    split: str,
    method: Method,
    method_vectors: Mapping[int, Tensor],
    progress: Progress | None = None,
) -> list[list[Read]]:
    """Answer prompts under each template without a vector, and with each variant after some blocks.

    Every few-shot prompt runs once, for any number of variants, and all answers under one template
    are read together.

    Args:
        layers: the blocks of each variant.
        method_vectors: the vectors of `method` by template, each `[episodes, depth, width]`; none
            for task vectors, which are made here of the members of each variant.
    """
    say = progress or silent
    # Prompts are numbered episode by episode, so those of a template are every `templates`-th.
    templates = len(prompts["shared"][0])
    say(f"{split} demonstrations")
    shared, dummies, queries = (_in_a_row(prompts[of]) for of in ("shared", "dummies", "query"))
    rest = [[*of, query] for of, query in zip(dummies, queries, strict=True)]
    last = last_states(decoder, shared, rest)
    say(f"{split} queries")
    read = []
    for template in range(templates):
        asked = _of_template(prompts, template)
        few_shot = torch.stack(
            [episode_states[-1, -1] for episode_states in last[template::templates]]
        )
        icl = Icl(few_shot, asked["expected"], asked["accepted"])
        own = Prompts(decoder, asked["zero_shot"], asked["expected"], icl)
        conditions = [BASELINE, no_op([decoder.depth // 2])]
        states = own.states(conditions)
        # One variant after the other: the vectors of all together would not fit where these do.
        for number, variant in enumerate(variants):
            if variant["applied"] != template:
                continue
            extracted, labels = variant["extracted"], {"variant": number}
            states_of = [
                episode_states[variant["members"]] for episode_states in last[extracted::templates]
            ]
            vectors = method_vectors[extracted] if method_vectors else task_vectors(states_of)
            condition = Condition("vector", vectors, layers[number], method.use, labels)
            states += own.states([condition])
            conditions.append(condition._replace(vectors=vectors.new_empty(len(vectors), 0, 0)))
        in_context = read_states(decoder, "icl", icl.states, icl)
        read.append([in_context, *own.answers(conditions, states)])
    return read


def _in_a_row(by_episode: Sequence[Sequence[Any]]) -> list[Any]:
    return [entry for episode_entries in by_episode for entry in episode_entries]
