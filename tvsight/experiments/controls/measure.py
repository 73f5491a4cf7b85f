"""Measure the controls of one task, on the episodes of the central comparison.

The paper compares its vector with no patch at all. That leaves open whether the effect comes from
the task's own vector: another one of its length might do, or that of any task, or one that knows
the labels and not which input they belong to. Each control is applied as the task vector is: after
every block on the dev episodes, and after the block chosen for the task vector on the test
episodes.

Procedures: `no_op`, the query's own state written back; `random_vector`, a random direction of the
length of the episode's own θ; `other_tasks_mean`, the mean of the other tasks' vectors;
`any_other_task`, the vector of one other task, each in turn from episode to episode;
`shuffled_labels`, θ of the episode's own demonstrations with their answers permuted; and, on test,
the vector of each other task.
"""

from typing import TypedDict

import torch
from torch import Tensor

from tvsight.experiments.measuring import (
    Patch,
    Progress,
    at,
    distinct,
    patch_together,
    read_together,
    silent,
)
from tvsight.interventions.answers import Answers
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.prompts.tokens import TokenIds

OF_EPISODE = ("random_vector", "shuffled_labels", "any_other_task")
"""Controls that differ between episodes of one query; the others are measured once per query."""


class ControlPrompts(TypedDict):
    """The prompts of some episodes, one entry per episode: plain lists, and one tensor."""

    zero_shot: list[TokenIds]
    """The whole prompt `x→`."""
    expected: list[int]
    """First token of the most usual answer."""
    shared: list[TokenIds]
    """The beginning of the few-shot prompts with shuffled labels."""
    dummies: list[list[TokenIds]]
    """Their continuation for each dummy query."""
    seeds: list[int]
    """Of the random direction."""
    norms: Tensor
    """Its length after each block, `[episodes, depth]`."""


class SplitAnswers(TypedDict):
    """The answers of one split. Every tensor begins with the episodes."""

    baseline: Answers
    """Every value `[episodes]`."""
    controls: dict[str, Answers]
    """By control, every value `[episodes, layers]`."""
    other_tasks: list[Answers]
    """With the vector of each other task, every value `[episodes, layers]`; none on dev."""


class ControlAnswers(TypedDict):
    """Everything that is measured of one task."""

    dev: SplitAnswers
    test: SplitAnswers


def measure(
    decoder: Decoder,
    dev: ControlPrompts,
    test: ControlPrompts,
    others: Tensor,
    layer: int,
    shuffled: bool,
    progress: Progress | None = None,
) -> ControlAnswers:
    """Measure every control of one task in one job.

    Args:
        others: the mean dev vectors of the other tasks, `[tasks, depth, width]`.
        layer: the block after which the test episodes are patched.
        shuffled: whether the few-shot prompts have shuffled labels, and are of interest.
    """
    say = progress or silent
    say("controls on dev")
    on_dev = measure_split(decoder, dev, others, list(range(decoder.depth)), shuffled, False)
    say("controls on test")
    on_test = measure_split(decoder, test, others, [layer], shuffled, True)
    return {"dev": on_dev, "test": on_test}


def measure_split(
    decoder: Decoder,
    prompts: ControlPrompts,
    others: Tensor,
    layers: list[int],
    shuffled: bool,
    each_other: bool,
) -> SplitAnswers:
    """Apply the controls after some blocks, and unembed them together.

    Args:
        each_other: apply the vector of every other task to every episode, and not only one.
    """
    keys = zip(map(tuple, prompts["zero_shot"]), prompts["expected"], strict=True)
    queries, index = distinct(list(keys))
    once = range(len(queries))
    cached = cache_prompts(decoder, [prompt for prompt, _ in queries])
    unpatched = unpatched_states(decoder, cached)
    random = _random_vectors(prompts, decoder)[:, layers]
    patches = {
        "no_op": Patch(once, layers, unpatched[:, layers]),
        "random_vector": Patch(index, layers, random.to(unpatched)),
    }
    if shuffled:
        own = task_vectors(last_states(decoder, prompts["shared"], prompts["dummies"]))
        patches["shuffled_labels"] = Patch(index, layers, own[:, layers])
    tasks = len(others)
    turn = [episode % max(1, tasks) for episode in range(len(index))]
    if tasks:
        vectors = others[:, layers].float()
        mean = vectors.mean(dim=0).expand(len(once), -1, -1)
        patches["other_tasks_mean"] = Patch(once, layers, mean.to(unpatched))
        if each_other:
            every = vectors.repeat(len(once), 1, 1).to(unpatched)
            patches["each_other"] = Patch([n for n in once for _ in others], layers, every)
        else:
            patches["any_other_task"] = Patch(index, layers, vectors[turn].to(unpatched))

    states = {"baseline": unpatched[:, -1], **patch_together(decoder, cached, patches)}
    asked = {"baseline": once, **{name: patch.prompts for name, patch in patches.items()}}
    expected = {name: [queries[number][1] for number in of] for name, of in asked.items()}
    read = read_together(decoder, {name: (of, expected[name]) for name, of in states.items()})
    other_tasks: list[Answers] = []
    if "each_other" in read:
        pairs = read.pop("each_other")
        first = [query * tasks for query in index]
        other_tasks = [at(pairs, [row + task for row in first], 0) for task in range(tasks)]
        # One of these answers, so that a tie cannot fall one way here and another there.
        in_turn = [row + task for row, task in zip(first, turn, strict=True)]
        read["any_other_task"] = at(pairs, in_turn, 0)
    of_episodes = {
        name: of if name in OF_EPISODE else at(of, index, 0) for name, of in read.items()
    }
    baseline = of_episodes.pop("baseline")
    return {"baseline": baseline, "controls": of_episodes, "other_tasks": other_tasks}


def _random_vectors(prompts: ControlPrompts, decoder: Decoder) -> Tensor:
    """For each episode and block a random direction of the length in `norms`,
    `[episodes, depth, width]`. Drawn on the CPU, so that every device gets the same ones."""
    shape = (decoder.depth, decoder.width)
    drawn = torch.stack(
        [
            torch.randn(shape, generator=torch.Generator().manual_seed(seed))
            for seed in prompts["seeds"]
        ]
    )
    return torch.nn.functional.normalize(drawn, dim=-1) * prompts["norms"][..., None].cpu()
