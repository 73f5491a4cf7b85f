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

from tvsight.experiments.main_results.measure import in_context_learning
from tvsight.experiments.measuring import (
    Patch,
    Progress,
    at,
    distinct,
    patch_together,
    read_together,
    silent,
)
from tvsight.interventions.answers import Answers, scores
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.methods import task_vector
from tvsight.methods.method import Method, learn_both
from tvsight.prompts.tokens import TokenIds

UNPATCHED = ("baseline", "icl_shuffled")
"""Procedures without a patch."""
OF_EPISODE = (
    *("random_vector", "random_deviation", "any_other_task"),
    *("shuffled_labels", "icl_shuffled"),
)
"""Procedures that differ between episodes of one query; the others are measured once per query."""


class ControlPrompts(TypedDict):
    """The prompts of some episodes, one entry per episode: the fields of `MethodTokens`, whose
    few-shot prompts all have shuffled labels, and further ones."""

    shared: list[TokenIds]
    query: list[TokenIds]
    dummies: list[list[TokenIds]]
    zero_shot: list[TokenIds]
    accepted: list[TokenIds]
    expected: list[int]
    others: list[list[int]]
    shuffled: list[TokenIds]
    right: list[TokenIds]
    """`shared` with the right labels."""
    seeds: list[int]
    """Of the random direction."""
    norms: Tensor
    """The length of θ after each block, `[episodes, depth]`."""
    deviations: Tensor
    """The length of θ minus the mean vector of all tasks, `[episodes, depth]`."""


class SplitAnswers(TypedDict):
    """The answers of one split. Every tensor begins with the episodes."""

    unpatched: dict[str, Answers]
    """`baseline`, and `icl_shuffled` where labels are shuffled, every value `[episodes]`."""
    controls: dict[str, Answers]
    """By control, every value `[episodes, layers]`."""
    mean_vectors: list[Answers]
    """With the mean vector of each task after the chosen block, every value `[episodes, 1]`."""


class ControlAnswers(TypedDict):
    """Everything that is measured of one task."""

    dev: SplitAnswers
    test: SplitAnswers


def measure(
    decoder: Decoder,
    dev: ControlPrompts,
    test: ControlPrompts,
    means: Tensor,
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
        own: the number of this task among them.
        layer: the block after which the test episodes are patched.
        shuffled: whether the few-shot prompts have shuffled labels, and are of interest.
        method: makes the vectors, and applies them and the controls; None for the task vector.
        settings: named arguments of the method.
    """
    say = progress or silent
    blocks = list(range(decoder.depth))
    learnt: tuple[Tensor, Tensor] | tuple[None, None] = (None, None)
    if method is not None and shuffled:
        learnt = learn_both(decoder, dev, test, method, settings)
    say("controls on dev")
    on_dev = measure_split(decoder, dev, means, own, layer, blocks, shuffled, method, learnt[0])
    say("controls on test")
    on_test = measure_split(decoder, test, means, own, layer, [layer], shuffled, method, learnt[1])
    return {"dev": on_dev, "test": on_test}


def measure_split(
    decoder: Decoder,
    prompts: ControlPrompts,
    means: Tensor,
    own: int,
    layer: int,
    layers: list[int],
    shuffled: bool,
    method: Method | None = None,
    learnt: Tensor | None = None,
) -> SplitAnswers:
    """Apply the controls after some blocks, and unembed them together.

    Args:
        means, own, shuffled, method: as `measure` takes them.
        layer: the block after which the mean vector of each task is applied.
        layers: the blocks after which the controls are applied.
        learnt: the vectors of `method` from shuffled labels, `[episodes, depth, width]`.
    """
    keys = zip(map(tuple, prompts["zero_shot"]), prompts["expected"], strict=True)
    queries, index = distinct(list(keys))
    once = range(len(queries))
    cached = cache_prompts(decoder, [prompt for prompt, _ in queries])
    unpatched = unpatched_states(decoder, cached)
    tasks = len(means)
    others = [task for task in range(tasks) if task != own]
    turn = [others[episode % len(others)] for episode in range(len(index)) if others]

    applied = (task_vector.METHOD if method is None else method).applied
    states = {"baseline": unpatched[:, -1]}
    vectors = _random_vectors(decoder, prompts, means.float())
    if shuffled:
        own_shuffled, states["icl_shuffled"] = _few_shot(decoder, prompts)
        vectors["shuffled_labels"] = own_shuffled if learnt is None else learnt
    if others and layers != [layer]:
        vectors["any_other_task"] = means[turn]
    patches = {
        name: Patch(index, layers, applied(of_episodes[:, layers], unpatched[:, layers][index]))
        for name, of_episodes in vectors.items()
    }
    patches["no_op"] = Patch(once, layers, unpatched[:, layers])
    if others:
        mean = means[others][:, layers].float().mean(dim=0).expand(len(once), -1, -1)
        patches["other_tasks_mean"] = Patch(once, layers, applied(mean, unpatched[:, layers]))
    asked = [query for query in once for _ in means]
    each = applied(means[:, [layer]].repeat(len(once), 1, 1), unpatched[:, [layer]][asked])
    patches["mean_vector"] = Patch(asked, [layer], each)
    states |= patch_together(decoder, cached, patches)

    prompted = {"baseline": once, "icl_shuffled": index}
    prompted |= {name: patch.prompts for name, patch in patches.items()}
    expected = {name: [queries[number][1] for number in prompted[name]] for name in states}
    read = read_together(decoder, {name: (of, expected[name]) for name, of in states.items()})
    icl = in_context_learning(decoder, prompts, prompts["right"])

    def of_rows(name: str, rows: Sequence[int]) -> Answers:
        """The answers of one procedure, the row of each episode."""
        taken = at(read[name], rows, 0)
        taken |= scores(decoder, states[name][rows], prompts["expected"], icl)
        return taken

    def with_means(chosen: list[int]) -> Answers:
        """With the mean vector of one task for each episode, every value `[episodes, 1]`."""
        pairs = zip(index, chosen, strict=True)
        return of_rows("mean_vector", [query * tasks + task for query, task in pairs])

    every = list(range(len(index)))
    of_episodes = {
        name: of_rows(name, every if name in OF_EPISODE else index)
        for name in read
        if name != "mean_vector"
    }
    if others and layers == [layer]:
        # One of these answers, so that a tie cannot fall one way here and another there.
        of_episodes["any_other_task"] = with_means(turn)
    return {
        "unpatched": {name: of_episodes.pop(name) for name in UNPATCHED if name in of_episodes},
        "controls": of_episodes,
        "mean_vectors": [with_means([task] * len(index)) for task in range(tasks)],
    }


def _few_shot(decoder: Decoder, prompts: ControlPrompts) -> tuple[Tensor, Tensor]:
    """θ of the few-shot prompts, `[episodes, depth, width]`, and the states after the last block
    from which they answer their query, `[episodes, width]`."""
    continuations = zip(prompts["dummies"], prompts["query"], strict=True)
    few_shot = [[*dummies, query] for dummies, query in continuations]
    last = last_states(decoder, prompts["shared"], few_shot)
    own = task_vectors([of_episode[:-1] for of_episode in last])
    return own, torch.stack([of_episode[-1, -1] for of_episode in last])


def _random_vectors(decoder: Decoder, prompts: ControlPrompts, means: Tensor) -> dict[str, Tensor]:
    """The random vectors of each episode, `[episodes, depth, width]`, by procedure.

    Drawn on the CPU, so that every device gets the same ones. One direction serves both, and where
    there is one task only, there is no mean of all tasks to deviate from.
    """
    shape = (decoder.depth, decoder.width)
    drawn = torch.stack(
        [
            torch.randn(shape, generator=torch.Generator().manual_seed(seed))
            for seed in prompts["seeds"]
        ]
    )
    directions = torch.nn.functional.normalize(drawn, dim=-1)
    found = {"random_vector": directions * prompts["norms"][..., None].cpu()}
    if len(means) > 1:
        deviations = directions * prompts["deviations"][..., None].cpu()
        found["random_deviation"] = means.mean(dim=0).cpu() + deviations
    return found
