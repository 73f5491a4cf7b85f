"""Build the controls job of a task and turn its output into rows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tvsight.config import RunConfig
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.controls import NAME, RENAMED
from tvsight.experiments.controls.numbers import task_line
from tvsight.methods import TASK_VECTOR, MethodEntry
from tvsight.models import ModelSource
from tvsight.output.labels import number
from tvsight.prompts import shuffling
from tvsight.prompts.episodes import SPLITS, Episode, Split
from tvsight.prompts.tokens import whole_prompts
from tvsight.protocol import central
from tvsight.protocol.layers import chosen_layer
from tvsight.protocol.methods import with_further_methods
from tvsight.protocol.rows import Asked, asked, frame
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, TaskRequest, identity, source_identity
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import Task, packaged_tasks

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from tvsight.experiments.controls.measure import PromptTokens
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner

MOST_ANSWERS = 12
"""Different answers of a task at most whose labels are renamed."""


def collect(runner: "Runner", options: RunConfig) -> Outcome:
    """The central comparison with its vectors, and the controls of each task that has one; the same
    for each further method. With every seed renamed labels, and with the first one the rest."""
    seeds, options = options, replace(options, seed=options.seed[:1])

    def measured(method: MethodEntry) -> Outcome:
        applied = central.stored_vectors(runner, options, method)
        vectors = TaskVectors(Store(options.results), applied.paths)

        def experiment(plan: Plan, source: ModelSource) -> list[Controls]:
            return requests(plan, source, applied, vectors, method)

        applied.add(runner.after(central.NAME, options, NAME, experiment))
        return applied

    outcome = with_further_methods(options, measured)
    outcome.add(central.each_seed(seeds, lambda config: runner.outcome(config, renamed_requests)))
    return outcome


def requests(
    plan: Plan,
    source: ModelSource,
    applied: Outcome,
    vectors: TaskVectors,
    method: MethodEntry = TASK_VECTOR,
) -> "list[Controls]":
    """One request per task whose vector was applied.

    Args:
        applied: the central comparison, or another method.
        vectors: of `applied`.
    """
    layers = {
        result.key.task: chosen_layer(result.rows, method.key)
        for result in applied.of(source.name).results
    }
    # By name, since the others take turns: the order of --tasks changes no number.
    every = sorted((task for task in plan.tasks if task.name in layers), key=lambda of: of.name)
    wanted = []
    for task in (task for task in plan.tasks if task in every):
        others = [other for other in every if other != task]
        layer = layers[task.name]
        further = {"layer": layer, **source_identity(plan, others)}
        task_identity = identity(plan, NAME, source, task) | further | method.further_identity
        wanted.append(Controls(plan, task_identity, task, others, layer, vectors, method=method))
    return wanted


def renamed_requests(plan: Plan, source: ModelSource) -> "list[RenamedLabels]":
    """One request per task with few answers. With the paper's tasks, which have two, there are
    those of the other packaged tasks too."""
    tasks = {task.name: task for task in plan.tasks}
    if plan.config.tasks == RunConfig.tasks and not plan.replayed:
        tasks = packaged_tasks() | tasks
    return [
        RenamedLabels(plan, identity(plan, RENAMED, source, task), task)
        for task in tasks.values()
        if 1 < len({pair.answer for pair in task.pairs}) <= MOST_ANSWERS
    ]


@dataclass(frozen=True)
class Controls(TaskRequest):
    """The controls of one task."""

    others: list[Task]
    """The tasks whose vectors are applied to it."""
    layer: int
    """The block that was chosen for its vector."""
    vectors: TaskVectors
    """Of all tasks."""
    method: MethodEntry = field(default=TASK_VECTOR, kw_only=True)

    def steps(self, model: "Model") -> Steps[Measured]:
        """Every control on the episodes of the central comparison, in one job.

        Up to a server travel, besides the prompts, the mean vectors of all tasks in half precision
        (415 kB for 18 tasks, 18 blocks and a width of 640; 24 MB for 80 blocks and 8192) and two
        lengths per episode and block. Answers come back, no vectors. Where no permutation changes
        an answer of any episode, there are no shuffled labels.

        Raises:
            MeasurementError: when logits hold NaN or infinity, or a no-op patch changes an answer.
            UsageError: when a prompt or an answer does not suit the tokenizer, or only a part of
                the task's vectors is stored.
        """
        from tvsight.experiments.controls import measure
        from tvsight.protocol.measure import check_no_op

        plan = self.plan
        episodes, notes = plan.episodes(self.task, model)
        shuffled = [
            shuffling.shuffled_labels(episode, f"{self._draw}/{number}")
            for number, episode in enumerate(episodes)
        ]
        by_split = asked(model, self.task, episodes, plan.template)
        few_shot = asked(model, self.task, shuffled, plan.template)
        means = self._means(model)
        prompts = {
            split: self._prompts(model, split, by_split[split], few_shot[split], means)
            for split in SPLITS
        }
        names = [task.name for task in self._all]
        arguments = (
            *(prompts["dev"], prompts["test"], means, names, names.index(self.task.name)),
            *(self.layer, list(episodes) != shuffled),
        )
        (result,) = yield [Job(measure.measure, (*arguments, *self.method.further), prompts=2)]
        for split in SPLITS:
            check_no_op(result[split], model.dtype)
        rows = [
            row
            for split in SPLITS
            for row in by_split[split].all_labelled(result[split], but="baseline")
        ]
        kept = sum(map(shuffling.kept_labels, episodes, shuffled))
        total = sum(len(episode.demonstrations) for episode in episodes)
        data = frame(rows, self.task.name, self.task.category, schema(NAME))
        return Measured(data, None, {**notes, "shuffled_labels": {"kept": kept, "of": total}})

    def line(self, rows: "pd.DataFrame") -> str:
        """The accuracy of each control."""
        return task_line(rows)

    @property
    def _draw(self) -> str:
        """Names what is drawn at random."""
        return f"{self.identity['seed']}/{self.task.name}"

    @property
    def _all(self) -> list[Task]:
        """This task and the others, in the order of their names."""
        return sorted([self.task, *self.others], key=lambda task: task.name)

    def _prompts(
        self, model: "Model", split: Split, right: Asked, few_shot: Asked, means: "Tensor"
    ) -> "PromptTokens":
        numbers, tokens = range(len(few_shot.episodes)), few_shot.tokens
        of = (model.name, self.task.name, split)
        distances = self.vectors.distances(*of, means.float().mean(dim=0))
        return {
            **tokens,
            "shuffled": whole_prompts(tokens),
            "right": right.tokens["shared"],
            "seeds": [_seed(f"{self._draw}/{split}/{n}/random direction") for n in numbers],
            # The vector of a task is the same for every episode.
            "norms": self.vectors.norms(*of).expand(len(numbers), -1),
            "deviations": distances.expand(len(numbers), -1),
        }

    def _means(self, model: "Model") -> "Tensor":
        """The mean dev vector of every task, `[tasks, depth, width]`.

        In half precision, as a part of the vectors is stored: from all of them come the same
        numbers.
        """
        import torch

        return torch.stack([self.vectors.mean(model.name, task.name).half() for task in self._all])


@dataclass(frozen=True)
class RenamedLabels(TaskRequest):
    """Consistently renamed labels of one task."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """Demonstrations with right and with renamed labels, in one job.

        Raises:
            MeasurementError: when logits hold NaN or infinity.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        from tvsight.experiments.controls.renamed_measure import measure

        episodes, notes = self.plan.episodes(self.task, model)
        given, names = self._renamed(episodes)
        of = {name: asked(model, self.task, e, self.plan.template) for name, e in given.items()}
        dev = (of["right"]["dev"].tokens, of["renamed"]["dev"].tokens)
        test = [by_split["test"].tokens for by_split in of.values()]
        (result,) = yield [Job(measure, (*dev, *test), prompts=5)]
        shares: dict[str | None, Sequence[float | None]] = {
            name: [*map(shuffling.share_shown, of[name]["test"].episodes)] for name in of
        }
        shares[None] = [None] * len(shares["right"])
        rows = [
            row | {"scored_as": kind, "share": shares[row["demonstrations"]][row["episode"]]}
            for kind in ("right", "renamed")
            for row in of[kind]["test"].all_labelled(result[kind])
        ]
        data = frame(rows, self.task.name, self.task.category, schema(RENAMED))
        return Measured(data, None, {**notes, "renamed_labels": names})

    def _renamed(
        self, episodes: Sequence[Episode]
    ) -> tuple[dict[str, list[Episode]], dict[str, str]]:
        """The episodes with each kind of demonstrations, and what each answer stands for."""
        draw = f"{self.identity['seed']}/{self.task.name}"
        pool = sorted({pair for episode in episodes for pair in episode.demonstrations})
        answers = {answer for _, answer in pool} | {episode.accepted[0] for episode in episodes}
        names = shuffling.renaming(answers, draw)

        def showing(is_shown: bool) -> list[Episode]:
            each = enumerate(episodes)
            return [shuffling.showing(e, pool, is_shown, f"{draw}/{n}") for n, e in each]

        given = {"right": showing(True), "renamed": showing(True), "absent": showing(False)}
        for name in ("renamed", "absent"):
            given[name] = [shuffling.renamed_labels(episode, names) for episode in given[name]]
        return given, names

    def line(self, rows: "pd.DataFrame") -> str:
        """How often the vector of renamed labels gives the right and the renamed answer."""
        own = rows[(rows["demonstrations"] == "renamed") & (rows["layer_rule"] == "renamed")]
        given = [f"{kind} {number(of['correct'].mean())}" for kind, of in own.groupby("scored_as")]
        return f"answers of the task vector: {', '.join(given)}"


def _seed(text: str) -> int:
    """A seed made from a text, below 2^63."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
