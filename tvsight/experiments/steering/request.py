"""Build the job of a task's vectors in all contexts and turn its output into rows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.steering import (
    ALPHAS,
    CONTROLS,
    EPISODES,
    HEADS,
    NAME,
    SWEPT,
    TOKENS,
    Options,
)
from tvsight.experiments.steering.contexts import NEUTRAL, in_contexts, other_template, sentences
from tvsight.experiments.steering.numbers import IN_TEXT, task_line
from tvsight.models import ModelSource
from tvsight.prompts import Episode, check_window
from tvsight.prompts.generated import answer_text
from tvsight.protocol import central
from tvsight.protocol import head_effects as effects
from tvsight.protocol.head_effects import KnownHeads, check_enough_heads, with_known_heads
from tvsight.protocol.layers import chosen_layer
from tvsight.protocol.rows import Asked, asked, check_finite, frame
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, TaskRequest, identity, source_identity
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import Task
from tvsight.tasks.whole_answers import score

if TYPE_CHECKING:
    from tvsight.experiments.steering.measure import ExtractedMeans, Steered
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner

PLAIN: dict[str, Any] = dict.fromkeys(("method", "mode", "alpha", *IN_TEXT))
"""The columns of an answer without a vector."""


def collect(runner: "Runner", options: Options) -> Outcome:
    """The central comparison with its vectors, the effects of heads, and steering.

    Raises:
        RefusedError: when the heads of a model cannot be told apart, or are too few. Nothing is
            measured with it then.
    """
    with runner.requiring(lambda model: check_enough_heads(model, HEADS)):
        return _collect(runner, options)


def _collect(runner: "Runner", options: Options) -> Outcome:
    if options.redraw:
        outcome = runner.outcome(options, central.requests)
    else:
        outcome = central.collect_with_vectors(runner, options)
    thetas, swept = TaskVectors(Store(options.results), outcome.paths), outcome.only(CENTRAL)
    heads = runner.outcome(
        options, lambda plan, source: effects.requests(plan, source, least=HEADS)
    )

    def experiment(plan: Plan, source: ModelSource) -> list[Steer]:
        return requests(plan, source, swept, heads, thetas)

    steered = runner.after(effects.EFFECTS, options, NAME, experiment)
    outcome.add(heads)
    outcome.add(steered)
    return outcome


def requests(
    plan: Plan, source: ModelSource, central: Outcome, head_outcome: Outcome, thetas: TaskVectors
) -> "list[Steer]":
    """One request per task whose vectors and effects of heads are known.

    Args:
        central: the central comparison, which has swept the vectors that are written over.
        head_outcome: the effects of heads.
        thetas: the task vectors of the central comparison.
    """
    tasks, known = with_known_heads(plan, source, head_outcome, thetas)
    # By name, since the others take turns: the order of --tasks changes no number.
    every = sorted(tasks, key=lambda other: other.name)
    swept = {
        result.key.task: {f"{name}/overwrite": chosen_layer(result.rows, name) for name in SWEPT}
        for result in central.of(source.name).results
    }
    wanted = []
    for task in tasks:
        further = {
            "blocks": swept[task.name],
            "alphas": list(ALPHAS),
            "heads": HEADS,
            "generated": [EPISODES, TOKENS],
            "other_template": other_template(plan.template).text,
            "sentences": sentences(task.category),
            **source_identity(plan, (other for other in every if other != task)),
        }
        task_identity = identity(plan, NAME, source, task) | further
        wanted.append(Steer(plan, task_identity, task, every, known, thetas))
    return wanted


@dataclass(frozen=True)
class Steer(TaskRequest):
    """The vectors of one task in all contexts."""

    every: list[Task]
    """All tasks in the order of their names, this one included."""
    known: KnownHeads
    """The heads of each."""
    thetas: TaskVectors
    """Of the central comparison."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """Every context, generated text and neutral text, in one job.

        Up to a server travel, besides the prompts, the mean vectors and mean heads of all tasks
        (2.1 MB for 18 tasks, 18 blocks, a width of 640 and heads of 1,024 together).

        Raises:
            MeasurementError: when vectors or logits hold NaN or infinity, or a no-op patch changes
                an answer.
            RefusedError: when the heads of the model cannot be told apart, or are too few.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        from tvsight.experiments.steering.measure import measure
        from tvsight.protocol.measure import check_no_op

        plan = self.plan
        extracted = self._extracted(model)
        episodes, notes = plan.episodes(self.task, model)
        dev = asked(model, self.task, episodes, plan.template)["dev"]
        contexts = in_contexts(plan, self.task, model, episodes, self._others(model))
        prompts = {
            name: list(zip(of.tokens["zero_shot"], of.tokens["expected"], strict=True))
            for name, of in contexts.items()
        }
        neutral = {"prompts": model.tokenizer(list(NEUTRAL)).input_ids}
        check_window(model, [[*prompt, *[0] * TOKENS] for prompt, _ in prompts["zero_shot"]])
        tokens = (dev.tokens, contexts["zero_shot"].tokens, prompts, neutral)
        how, generated = (CONTROLS, ALPHAS), (EPISODES, TOKENS)
        small = (*how, _of_one_head(extracted), generated)
        (result,) = yield [
            Job(measure, (*tokens, *how, extracted, generated), prompts=4, small=small)
        ]
        check_finite(result["divergence"].isfinite().all(), "a state")
        check_no_op(result["dev"], model.dtype)
        rows = [PLAIN | row for row in dev.all_labelled(result["dev"])]
        for context, reads in result["test"].items():
            for number, read in enumerate(reads):
                read_rows = [PLAIN | row for row in contexts[context].labelled(read)]
                if context == "zero_shot" and number < result["generated"].shape[1]:
                    self._add_text(read_rows, contexts[context], result, number)
                rows += read_rows
        return Measured(frame(rows, self.task.name, self.task.category, schema(NAME)), None, notes)

    def line(self, rows: pd.DataFrame) -> str:
        """The accuracy of each vector, written over and added, in zero-shot prompts."""
        return task_line(rows)

    def _add_text(
        self, rows: list[dict[str, Any]], of: Asked, result: "Steered", number: int
    ) -> None:
        """Add what was measured in text to the rows of one application on the first episodes."""
        for name, texts in zip(("once", "every"), result["generated"].tolist(), strict=True):
            for row, episode, tokens in zip(rows, of.episodes, texts[number], strict=False):
                answer = answer_text(of.model, tokens, self.plan.template)
                scores = score(answer, episode.query, episode.accepted)
                row |= {f"exact_{name}": scores.exact, f"repeated_{name}": repeated_bigrams(tokens)}
        if number:
            shifts = result["divergence"][:, number - 1].tolist()
            for row, shifted in zip(rows, shifts, strict=False):
                row["divergence"] = shifted

    def _others(self, model: "Model") -> list[Episode]:
        """The test episodes of the next task by name; none where there is one task."""
        after = self.every[(self.every.index(self.task) + 1) % len(self.every)]
        if after == self.task:
            return []
        return [each for each in self.plan.episodes(after, model)[0] if each.split == "test"]

    def _extracted(self, model: "Model") -> "ExtractedMeans":
        import torch

        check_enough_heads(model, HEADS)
        names = [task.name for task in self.every]
        thetas = torch.stack([self.thetas.mean(model.name, name) for name in names])
        draw = f"{self.identity['seed']}/{self.task.name}/random addition"
        return {
            "thetas": thetas.half(),
            "heads": torch.stack([self.known.means(name) for name in names]),
            "top": [self.known.ranking(name)[:HEADS] for name in names],
            "own": self.every.index(self.task),
            "blocks": self.identity["blocks"],
            "seed": random.Random(draw).getrandbits(63),
        }


def _of_one_head(extracted: "ExtractedMeans") -> "ExtractedMeans":
    """The same of a model with one head of two numbers in each block, for a rehearsal."""
    top = [[(layer, 0) for layer, _ in heads] for heads in extracted["top"]]
    return {**extracted, "heads": extracted["heads"][:, :, :1, :2].contiguous(), "top": top}


def repeated_bigrams(tokens: Sequence[int]) -> float:
    """1 − different / all bigrams of a text of at least two tokens."""
    bigrams = list(pairwise(tokens))
    return 1 - len(set(bigrams)) / len(bigrams)
