"""Controls: what is patched in place of the task vector, on the same episodes.

The paper compares its vector with no patch at all. That leaves open whether what carries the effect
is the task's own vector: another one of its length might do, or any task's, or one that knows the
labels and not which input they belong to. Each control is applied as the task vector is, after
every block on the dev episodes and after the block that was chosen for the task vector on the test
episodes.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import torch
from torch import Tensor

from tvsight.execution import Job, Steps
from tvsight.experiments.controls import NAME as CONTROLS
from tvsight.experiments.main_results.measure import check_no_op
from tvsight.experiments.rows import frame, scored_rows
from tvsight.interventions.answers import answers
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.learning import last_states, task_vectors
from tvsight.prompts import Episode, Template, tokenise
from tvsight.prompts.episodes import SPLITS, Split
from tvsight.storage.schemas import schema
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model

TokenIds = list[int]
Progress = Callable[[str], None]

OF_EPISODE = ("random_vector", "shuffled_labels", "any_other_task")
"""Controls that differ between episodes of one query; the others are measured once per query."""


@dataclass(frozen=True)
class Comparison:
    """What the central comparison says of a task and of the others. Stays on this machine."""

    layer: int
    """The block that was chosen for the task vector."""
    norms: dict[str, Tensor]
    """The length of each episode's θ, `[episodes, depth]`, by split."""
    others: Tensor
    """The mean dev vector of each other task, `[tasks, depth, width]`; of no task where there is
    no other."""
    names: list[str]
    """Their names."""


class ControlPrompts(TypedDict):
    """What a job knows of some episodes, one entry per episode: plain lists, and one tensor."""

    zero_shot: list[TokenIds]
    """The whole prompt `x→`."""
    expected: list[int]
    """First token of the most usual answer."""
    shared: list[TokenIds]
    """What the few-shot prompts with shuffled labels begin with."""
    dummies: list[list[TokenIds]]
    """What follows it, for each dummy query."""
    seeds: list[int]
    """Of the random direction."""
    norms: Tensor
    """Its length after each block, `[episodes, depth]`."""


def measure_controls(
    model: "Model",
    task: Task,
    episodes: Sequence[Episode],
    shuffled: Sequence[Episode],
    template: Template,
    comparison: Comparison,
    seed: str,
) -> "Steps[pd.DataFrame]":
    """The steps that measure one task, in one job.

    Up to a server travel, besides the prompts, the mean vectors of the other tasks in half
    precision (392 kB for 17 tasks, 18 blocks and a width of 640; 22 MB for 80 blocks and 8192) and
    a length per episode and block. Answers come back, no vectors.

    Procedures: `no_op`, the query's own state written back; `random_vector`, a random direction of
    the length of the episode's own θ; `other_tasks_mean`, the mean of the other tasks' vectors;
    `any_other_task`, the vector of one other task, each in turn from episode to episode;
    `shuffled_labels`, θ of the episode's own demonstrations with their answers dealt anew; and, on
    test, `other_task` with its `source`, the vector of each other task.

    Args:
        shuffled: the same episodes with the answers of their demonstrations dealt anew. Where
            nothing could be dealt in any of them, this control is left out.
        seed: names the draw of random directions.

    Raises:
        MeasurementError: when logits hold NaN or infinity, or a no-op patch changes an answer.
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    dealt = any(one != other for one, other in zip(episodes, shuffled, strict=True))
    asked = {split: [e for e in episodes if e.split == split] for split in SPLITS}
    prompts = {split: tokenise(model, asked[split], task.match, template) for split in SPLITS}
    sent = []
    for split in SPLITS:
        few_shot = [episode for episode in shuffled if episode.split == split]
        learnt = tokenise(model, few_shot, task.match, template)
        sent.append(
            ControlPrompts(
                zero_shot=prompts[split]["zero_shot"],
                expected=prompts[split]["expected"],
                shared=learnt["shared"],
                dummies=learnt["dummies"],
                seeds=[
                    _number(f"{seed}/{task.name}/{split}/{number}/random direction")
                    for number in range(len(few_shot))
                ],
                norms=comparison.norms[split],
            )
        )
    (found,) = yield [Job(measure, (*sent, comparison.others, comparison.layer, dealt))]

    def rows(
        split: Split, answered: dict[str, Tensor], procedure: str, block: int, source: str | None
    ) -> list[dict[str, Any]]:
        of_split = (asked[split], prompts[split])
        return scored_rows(model, *of_split, answered, procedure, block, source=source)

    scored: list[dict[str, Any]] = []
    for split in SPLITS:
        blocks = range(model.decoder.depth) if split == "dev" else [comparison.layer]
        baseline, matrix = found[split].pop("baseline"), found[split].pop("other_task", {})
        for procedure, read in found[split].items():
            for column, block in enumerate(blocks):
                answered = {name: values[:, column] for name, values in read.items()}
                if procedure == "no_op":
                    check_no_op(baseline, answered, model.dtype)
                scored += rows(split, answered, procedure, block, None)
        for column, name in enumerate(comparison.names if matrix else []):
            answered = {key: values[:, column] for key, values in matrix.items()}
            scored += rows(split, answered, "other_task", comparison.layer, name)
    return frame(scored, task.name, task.category, schema(CONTROLS))


def measure(
    decoder: Decoder,
    dev: ControlPrompts,
    test: ControlPrompts,
    others: Tensor,
    layer: int,
    shuffled: bool,
    progress: Progress | None = None,
) -> dict[str, dict[str, dict[str, Tensor]]]:
    """Every control of one task, in one job.

    Args:
        others: the mean dev vectors of the other tasks, `[tasks, depth, width]`.
        layer: the block at which the test episodes are measured.
        shuffled: whether the few-shot prompts have shuffled labels, and are of interest.

    Returns:
        `dev` and `test`, as `measure_split` returns them.
    """
    say = progress or _silent
    say("controls on dev")
    on_dev = measure_split(decoder, dev, others, list(range(decoder.depth)), shuffled, False)
    say("controls on test")
    return {
        "dev": on_dev,
        "test": measure_split(decoder, test, others, [layer], shuffled, True),
    }


def measure_split(
    decoder: Decoder,
    prompts: ControlPrompts,
    others: Tensor,
    layers: list[int],
    shuffled: bool,
    each_other: bool,
) -> dict[str, dict[str, Tensor]]:
    """The controls after some blocks, unembedded together.

    Args:
        each_other: apply the vector of every other task to every episode, and not only one.

    Returns:
        Answers (see `interventions.answers`): `baseline`, each value `[episodes]`; each control,
        `[episodes, layers]`; and with `each_other` also `other_task`, `[episodes, tasks]`.
    """
    distinct, index = _distinct(prompts["zero_shot"], prompts["expected"])
    alone = list(range(len(distinct)))
    cached = cache_prompts(decoder, [key[:-1] for key in distinct])
    unpatched = unpatched_states(decoder, cached)
    patches = {
        "no_op": (alone, unpatched[:, layers]),
        "random_vector": (index, _random_vectors(prompts, decoder)[:, layers].to(unpatched)),
    }
    if shuffled:
        own = task_vectors(last_states(decoder, prompts["shared"], prompts["dummies"]))
        patches["shuffled_labels"] = (index, own[:, layers])
    vectors = others[:, layers].float()
    turn = [number % max(1, len(vectors)) for number in range(len(index))]
    if len(vectors):
        mean = vectors.mean(dim=0).expand(len(alone), -1, -1)
        patches["other_tasks_mean"] = (alone, mean.to(unpatched))
        if each_other:
            every = [prompt for prompt in alone for _ in vectors]
            patches["other_task"] = (every, vectors.repeat(len(alone), 1, 1).to(unpatched))
        else:
            patches["any_other_task"] = (index, vectors[turn].to(unpatched))

    prompt = [number for numbers, _ in patches.values() for number in numbers for _ in layers]
    places = layers * (len(prompt) // len(layers))
    states = torch.cat([of_control.flatten(0, 1) for _, of_control in patches.values()])
    patched = apply_vectors(decoder, cached, prompt, places, states)
    expected = [distinct[number][-1] for number in [*alone, *prompt]]
    read = answers(decoder, torch.cat([unpatched[:, -1], patched]), expected)

    sizes = [len(alone), *(len(numbers) * len(layers) for numbers, _ in patches.values())]
    names = ["baseline", *patches]
    tables: dict[str, dict[str, Tensor]] = {name: {} for name in names}
    for key, values in read.items():
        for name, of_control in zip(names, values.split(sizes), strict=True):
            tables[name][key] = of_control
    found: dict[str, dict[str, Tensor]] = {}
    for name, table in tables.items():
        columns = {"baseline": 1, "other_task": len(vectors)}.get(name, len(layers))
        each = range(len(index)) if name in OF_EPISODE else index
        found[name] = {key: values.view(-1, columns)[list(each)] for key, values in table.items()}
    found["baseline"] = {key: values[:, 0] for key, values in found["baseline"].items()}
    if "other_task" in found:
        # One of the answers above, so that a tie cannot fall one way here and another there.
        found["any_other_task"] = {
            key: values.gather(1, torch.tensor(turn)[:, None])
            for key, values in found["other_task"].items()
        }
    return found


def _random_vectors(prompts: ControlPrompts, decoder: Decoder) -> Tensor:
    """For each episode and block a random direction of the length asked for,
    `[episodes, depth, width]`. Drawn on the CPU, so that every device gets the same ones."""
    drawn = torch.stack(
        [
            torch.randn(decoder.depth, decoder.width, generator=torch.Generator().manual_seed(seed))
            for seed in prompts["seeds"]
        ]
    )
    return torch.nn.functional.normalize(drawn, dim=-1) * prompts["norms"][..., None].cpu()


def _distinct(prompts: list[TokenIds], expected: list[int]) -> tuple[list[TokenIds], list[int]]:
    """Each prompt once, followed by the expected token, and which of them every given prompt is."""
    numbers: dict[tuple[int, ...], int] = {}
    keys = [(*prompt, token) for prompt, token in zip(prompts, expected, strict=True)]
    index = [numbers.setdefault(key, len(numbers)) for key in keys]
    return [list(key) for key in numbers], index


def _number(text: str) -> int:
    """A seed that stands for a text, below 2^63."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def _silent(phase: str) -> None:
    pass
