"""Vectors extracted under one template and applied under another, and with other dummy queries.

Follow-up to section 3 of the paper, which has one template. Every variant is measured as the
central comparison measures its vector: after each block on the dev episodes, and after the best of
these blocks on the test episodes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar

import torch
from torch import Tensor

from tvsight.execution import Job, Steps
from tvsight.experiments.main_results.measure import best_layers, check_no_op, layer_is_identified
from tvsight.experiments.rows import frame, scored_rows
from tvsight.experiments.templates import NAME as TEMPLATES
from tvsight.interventions.answers import answers
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.prompts import Episode, PromptTokens, Template, tokenise
from tvsight.prompts.episodes import SPLITS, Split
from tvsight.storage.schemas import SCHEMAS
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model

TokenIds = list[int]
Progress = Callable[[str], None]

Entry = TypeVar("Entry")

VECTOR = "task_vector"
NO_VECTOR = dict.fromkeys(("extracted_under", "dummy_queries", "dummy_choice"))
"""What a prompt without a vector has in the columns that are about vectors."""


class Variant(NamedTuple):
    """One way to make a vector and to apply it. Stays on this machine; see `for_job`."""

    extracted_under: str
    applied_under: str
    dummy_queries: int
    dummy_choice: str
    """`task`: inputs of the task, as in the paper; `foreign`: inputs of another task; `query`: the
    query itself, which the paper avoids because θ may then hold its answer."""
    members: list[int]
    """The continuations over whose states θ is the mean."""


class TemplatePrompts(TypedDict):
    """The prompts of some episodes under several templates: an entry per episode, and in it, except
    in `accepted`, one per template. Plain lists, so that it crosses to a server unchanged."""

    shared: list[list[TokenIds]]
    """What the few-shot prompts of an episode begin with."""
    asked: list[list[list[TokenIds]]]
    """What follows it: each dummy query, and last the query."""
    zero_shot: list[list[TokenIds]]
    """The whole prompt `x→`."""
    accepted: list[TokenIds]
    """Tokens that count as correct. White space does not count, so they are common to all."""
    expected: list[list[int]]
    """First token of the most usual answer."""


def variants(
    names: Sequence[str], main: str, numbers: Sequence[int], standard: int
) -> list[Variant]:
    """What is measured: each template's vector under each template, and under the main template
    each number and choice of dummy queries.

    Args:
        numbers: of dummy queries of the task, `standard` among them; the prompts of the main
            template have as many as the largest, then `standard` foreign ones, then the query.
        standard: dummy queries that the vectors of the template matrix are made with.
    """
    most = max(numbers)
    first = list(range(standard))
    found = [Variant(one, other, standard, "task", first) for one in names for other in names]
    found += [
        Variant(main, main, number, "task", list(range(number)))
        for number in numbers
        if number != standard  # the main template's cell of the matrix
    ]
    foreign = list(range(most, most + standard))
    found.append(Variant(main, main, standard, "foreign", foreign))
    found.append(Variant(main, main, 1, "query", [-1]))
    return found


def measure_templates(
    model: "Model",
    task: Task,
    templates: Mapping[str, Template],
    main: str,
    spelled: Mapping[str, Sequence[Episode]],
    measured: Sequence[Variant],
) -> "Steps[pd.DataFrame]":
    """The steps that measure one task, in one job.

    Args:
        templates: by name.
        main: name of the template in whose spelling rows name queries and answers.
        spelled: the same episodes as they stand under each template, with the dummy queries that
            `variants` says.
        measured: from `variants`.

    Raises:
        MeasurementError: when logits hold NaN or infinity, or a no-op patch changes an answer.
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    names = list(templates)
    splits = {split: _of_split(spelled, split) for split in SPLITS}
    tokens = {
        split: {
            name: tokenise(model, splits[split][name], task.match, templates[name])
            for name in names
        }
        for split in SPLITS
    }
    dev, test = (side_by_side(list(tokens[split].values())) for split in SPLITS)
    (result,) = yield [Job(measure, (dev, test, [for_job(one, names) for one in measured]))]

    def rows(
        split: Split,
        read: dict[str, Tensor],
        column: int,
        procedure: str,
        name: str,
        **of_vector: Any,
    ) -> list[dict[str, Any]]:
        answered = {key: values[:, column] for key, values in read.items()}
        asked, scoring, labels = splits[split][main], tokens[split][name], NO_VECTOR | of_vector
        return scored_rows(model, asked, scoring, answered, procedure, applied_under=name, **labels)

    scored: list[dict[str, Any]] = []
    dev_baselines: dict[str, list[bool]] = {}
    for number, name in enumerate(names):
        for split in SPLITS:
            baseline, no_op = (
                {key: values[:, number] for key, values in result[split][of].items()}
                for of in ("baseline", "no_op")
            )
            check_no_op(baseline, no_op, model.dtype)
            scored += rows(split, result[split]["icl"], number, "icl", name)
            unpatched = rows(split, result[split]["baseline"], number, "baseline", name)
            if split == "dev":
                dev_baselines[name] = [row["correct"] for row in unpatched]
            scored += unpatched
    for number, variant in enumerate(measured):
        layer, name = result["layers"][number], variant.applied_under
        labels = {key: getattr(variant, key) for key in NO_VECTOR}
        of_variant = []
        for block in range(model.decoder.depth):
            swept = result["dev"]["patched"][number]
            of_variant += rows("dev", swept, block, VECTOR, name, layer=block, **labels)
        right = [row["correct"] for row in of_variant if row["layer"] == layer]
        tested = result["test"]["patched"][number]
        of_variant += rows("test", tested, 0, VECTOR, name, layer=layer, **labels)
        identified = layer_is_identified(right, dev_baselines[name])
        scored += [{**row, "layer_identified": identified} for row in of_variant]
    return frame(scored, task.name, task.category, SCHEMAS[TEMPLATES])


def for_job(variant: Variant, names: Sequence[str]) -> dict[str, Any]:
    """A variant in plain Python: its templates by number."""
    return {
        "extracted": names.index(variant.extracted_under),
        "applied": names.index(variant.applied_under),
        "members": variant.members,
    }


def side_by_side(tokens: Sequence[PromptTokens]) -> TemplatePrompts:
    """The prompts of the same episodes under several templates, episode by episode."""
    asked = [
        [[*dummies, query] for dummies, query in zip(of["dummies"], of["query"], strict=True)]
        for of in tokens
    ]
    return {
        "shared": _turned([of["shared"] for of in tokens]),
        "asked": _turned(asked),
        "zero_shot": _turned([of["zero_shot"] for of in tokens]),
        "accepted": tokens[0]["accepted"],
        "expected": _turned([of["expected"] for of in tokens]),
    }


def measure(
    decoder: Decoder,
    dev: TemplatePrompts,
    test: TemplatePrompts,
    measured: Sequence[dict[str, Any]],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything that is measured of one task, in one job.

    Args:
        measured: from `for_job`.

    Returns:
        `dev` and `test`, as `measure_split` returns them, each variant applied after every block
        and after its best one; and `layers`: that block of each variant.
    """
    every = [list(range(decoder.depth))] * len(measured)
    on_dev = measure_split(decoder, dev, measured, every, "dev", progress)
    sweeps = {str(number): read for number, read in enumerate(on_dev["patched"])}
    layers = list(best_layers(sweeps, dev["accepted"]).values())
    chosen = [[layer] for layer in layers]
    on_test = measure_split(decoder, test, measured, chosen, "test", progress)
    return {"dev": on_dev, "layers": layers, "test": on_test}


def measure_split(
    decoder: Decoder,
    prompts: TemplatePrompts,
    measured: Sequence[dict[str, Any]],
    layers: Sequence[Sequence[int]],
    split: str,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Prompts under each template without a vector, and each variant after some blocks.

    Every few-shot prompt runs once, whatever the number of variants that are made of it, and all
    answers are read together.

    Args:
        layers: the blocks of each variant.

    Returns:
        Answers (see `interventions.answers`): `baseline`, `icl` and `no_op` (the baseline again,
        with each prompt's own state patched into it), each value `[episodes, templates]`; and
        `patched`, per variant, each value `[episodes, its blocks]`.
    """
    say = progress or _silent
    say(f"{split} demonstrations")
    # Prompts are numbered episode by episode, so those of a template are every `templates`-th.
    templates, expected = len(prompts["shared"][0]), _in_a_row(prompts["expected"])
    states = last_states(decoder, _in_a_row(prompts["shared"]), _in_a_row(prompts["asked"]))
    say(f"{split} queries")
    cached, every = cache_prompts(decoder, _in_a_row(prompts["zero_shot"])), range(len(expected))
    own, middle = unpatched_states(decoder, cached), decoder.depth // 2
    no_op = apply_vectors(decoder, cached, every, [middle] * len(own), own[:, middle])
    icl = torch.stack([of_prompt[-1, -1] for of_prompt in states])
    final, wanted = [own[:, -1], icl, no_op], expected * 3
    for variant, blocks in zip(measured, layers, strict=True):
        made_of = states[variant["extracted"] :: templates]
        vectors = task_vectors([of_prompt[variant["members"]] for of_prompt in made_of])
        patched = [n for n in every[variant["applied"] :: templates] for _ in blocks]
        at = [*blocks] * len(made_of)
        patches = vectors[:, list(blocks)].flatten(0, 1)
        final.append(apply_vectors(decoder, cached, patched, at, patches))
        wanted += [expected[number] for number in patched]
    sizes, episodes = [len(of) for of in final], len(prompts["shared"])
    read = answers(decoder, torch.cat(final), wanted)
    split_up = {name: values.split(sizes) for name, values in read.items()}
    tables = [
        {name: parts[number].view(episodes, -1) for name, parts in split_up.items()}
        for number in range(len(final))
    ]
    return {"baseline": tables[0], "icl": tables[1], "no_op": tables[2], "patched": tables[3:]}


def _of_split(spelled: Mapping[str, Sequence[Episode]], split: str) -> dict[str, list[Episode]]:
    return {name: [e for e in of if e.split == split] for name, of in spelled.items()}


def _in_a_row(by_episode: Sequence[Sequence[Entry]]) -> list[Entry]:
    return [entry for of_episode in by_episode for entry in of_episode]


def _turned(by_template: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """From an entry per template, and in it one per episode, to the other way round."""
    return [list(of_episode) for of_episode in zip(*by_template, strict=True)]


def _silent(phase: str) -> None:
    pass
