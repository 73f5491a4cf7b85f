"""Measure the controls of one task, on the episodes of the central comparison.

The paper compares its vector with no patch at all. That leaves open whether the effect comes from
the task's own vector: another one of its length might do, or that of any task, or one that knows
the labels and not which input they belong to. Each control is applied as the task vector is: after
every block on the dev episodes, and after the block chosen for the task vector on the test
episodes.

Procedures: `no_op`, the query's own state written back; `random_vector`, a random direction of the
length of the episode's own θ; `random_deviation`, the mean vector of all tasks plus that direction,
as long as the episode's θ is far from that mean; `other_tasks_mean`, the mean of the other tasks'
vectors; `any_other_task`, the vector of one other task, each in turn from episode to episode;
`shuffled_labels`, θ of the episode's own demonstrations with their answers permuted. After the
chosen block also `mean_vector`, the mean dev vector of each task, the task's own included. Without
a patch `icl_shuffled`, the query after the demonstrations with permuted answers (Min et al. 2022).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor

from tvsight.interventions.decoder import Decoder
from tvsight.methods import task_vector
from tvsight.methods.method import Method, extract_both
from tvsight.prompts.tokens import PromptTokens
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
from tvsight.protocol.measure import extract_with_icl, in_context_learning


class ControlAnswers(TypedDict):
    """Everything that is measured of one task: on dev after every block, on test after one."""

    dev: list[Read]
    test: list[Read]


def measure(
    decoder: Decoder,
    dev: PromptTokens,
    test: PromptTokens,
    means: Tensor,
    names: Sequence[str],
    own: int,
    layer: int,
    shuffled: bool,
    method: Method | None = None,
    settings: Mapping[str, Any] = {},
    progress: Progress | None = None,
) -> ControlAnswers:
    """Measure every control of one task in one job.

    Args:
        means: the mean dev vector of every task, `[tasks, depth, width]`.
        names: of these tasks.
        own: the number of this task among them.
        layer: the block after which the test episodes are patched.
        shuffled: whether the few-shot prompts have shuffled labels, and are of interest.
        method: makes the vectors, and says how they and the controls are applied; None for the
            task vector.
        settings: named arguments of the method.
    """
    say = progress or silent
    use = (method or task_vector.METHOD).use
    method_vectors: tuple[Tensor | None, Tensor | None] = (None, None)
    if method is not None and shuffled:
        method_vectors = extract_both(decoder, dev, test, method, settings)
    task_conditions = [
        Condition("mean_vector", mean[None], [layer], use, {"source": name})
        for mean, name in zip(means, names, strict=True)
    ]
    others = [task for task in range(len(names)) if task != own]

    def split(prompts: PromptTokens, blocks: Sequence[int], vectors: Tensor | None) -> list[Read]:
        icl = in_context_learning(decoder, prompts, prompts["right"])
        zero_shot = Prompts(decoder, prompts["zero_shot"], prompts["expected"], icl)
        applied = _random_vectors(decoder, prompts, means.float())
        read = []
        if shuffled:
            own, few_shot = extract_with_icl(decoder, prompts)
            applied["shuffled_labels"] = own["task_vector"] if vectors is None else vectors
            read.append(read_states(decoder, "icl_shuffled", few_shot.states, icl, source=None))
        turn = [others[episode % len(others)] for episode in range(len(icl.expected)) if others]
        other_vectors = {}
        if others:
            other_vectors["other_tasks_mean"] = means[others].float().mean(dim=0, keepdim=True)
        if others and blocks != [layer]:
            other_vectors["any_other_task"] = means[turn]
        controls, beside = (
            [
                Condition(name, vectors_of, blocks, use, {"source": None})
                for name, vectors_of in of.items()
            ]
            for of in (applied, other_vectors)
        )
        conditions = [BASELINE, *controls, no_op(blocks, source=None), *beside, *task_conditions]
        read += zero_shot.read(conditions)
        if others and blocks == [layer]:
            # One of these answers, so that a tie cannot fall one way here and another there.
            read.append(_in_turn(read[-len(names) :], turn))
        return read

    say("controls on dev")
    on_dev = split(dev, list(range(decoder.depth)), method_vectors[0])
    say("controls on test")
    return {"dev": on_dev, "test": split(test, [layer], method_vectors[1])}


def _in_turn(task_reads: Sequence[Read], turn: Sequence[int]) -> Read:
    """The answers of each episode with the vector of another task, `turn[episode]`."""
    every: Any = [read["answers"] for read in task_reads]
    rows = range(len(turn))
    answers: Any = {name: torch.stack([of[name] for of in every])[turn, rows] for name in every[0]}
    return {
        **task_reads[0],
        "procedure": "any_other_task",
        "labels": {"source": None},
        "answers": answers,
    }


def _random_vectors(decoder: Decoder, prompts: PromptTokens, means: Tensor) -> dict[str, Tensor]:
    """The random vectors of each episode, `[episodes, depth, width]`, by procedure.

    Drawn on the CPU, so that every device gets the same ones. One direction serves both, and where
    there is one task only, there is no mean of all tasks to deviate from.
    """
    shape = (decoder.depth, decoder.width)
    generators = [torch.Generator().manual_seed(seed) for seed in prompts["seeds"]]
    drawn = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
    directions = torch.nn.functional.normalize(drawn, dim=-1)
    vectors = {"random_vector": directions * prompts["norms"][..., None].cpu()}
    if len(means) > 1:
        deviations = directions * prompts["deviations"][..., None].cpu()
        vectors["random_deviation"] = means.mean(dim=0).cpu() + deviations
    return vectors
