"""Ask for the vectors of a task in all contexts, and turn their answers into rows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from tvsight.errors import MeasurementError
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.function_vectors import effects
from tvsight.experiments.function_vectors.effects import (
    KnownHeads,
    check_enough_heads,
    with_known_heads,
)
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.main_results import request as main_results
from tvsight.experiments.main_results.layers import chosen_layer
from tvsight.experiments.rows import Asked, asked, frame
from tvsight.experiments.steering import (
    ALPHAS,
    CONTROLS,
    EPISODES,
    HEADS,
    METHODS,
    NAME,
    SWEPT,
    TOKENS,
    VECTOR,
    Options,
)
from tvsight.experiments.steering.contexts import NEUTRAL, in_contexts, other_template, sentences
from tvsight.experiments.steering.numbers import IN_TEXT, task_line
from tvsight.models import ModelSource
from tvsight.prompts import Episode, check_window, episodes_digest
from tvsight.prompts.generated import answer_text
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Experiment, Plan, Request, identity
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import Task
from tvsight.tasks.whole_answers import score

if TYPE_CHECKING:
    from tvsight.experiments.steering.measure import Application, Learnt, Steered
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
        found = runner.outcome(options, main_results.requests)
    else:
        found = main_results.collect_with_vectors(runner, options)
    thetas = None if options.dry_run else TaskVectors(Store(options.results), found.paths)
    # The blocks are part of the identity: take them from the store where they are known.
    central = (
        runner.stored(options, main_results.requests) if options.dry_run else found.only(CENTRAL)
    )
    config = replace(options, save_episodes=None)  # the central comparison has written them
    of_heads = runner.outcome(
        config, lambda plan, source: effects.requests(plan, source, least=HEADS)
    )

    def of(known: Outcome | None) -> Experiment:
        return lambda plan, source: requests(plan, source, central, known, thetas)

    steered = runner.outcome(config, of(None if options.dry_run else of_heads))
    found.add(of_heads)
    found.add(steered)
    return found


def requests(
    plan: Plan,
    source: ModelSource,
    central: Outcome,
    of_heads: Outcome | None,
    thetas: TaskVectors | None,
) -> "list[Steer]":
    """One request per task whose vectors and effects of heads are known.

    Args:
        central: the central comparison, which has swept the vectors that are written over.
        of_heads: the effects of heads; None for a dry run, which takes them to be there.
        thetas: the task vectors of the central comparison; None for a dry run.
    """
    tasks, known = with_known_heads(plan, source, of_heads, thetas)
    # By name, since the others take turns: the order of --tasks changes no number.
    every = sorted(tasks, key=lambda other: other.name)
    swept = {
        one.key.task: {f"{name}/overwrite": chosen_layer(one.rows, name) for name in SWEPT}
        for one in central.of(source.name).results
    }
    wanted = []
    for task in tasks:
        further = {
            "blocks": swept.get(task.name, {}),
            "alphas": list(ALPHAS),
            "heads": HEADS,
            "generated": [EPISODES, TOKENS],
            "other_template": other_template(plan.template).text,
            "sentences": sentences(task.category),
            "sources": {other.name: other.checksum for other in every if other != task},
        }
        if plan.replayed:
            digests = {other.name: episodes_digest(plan.replayed[other.name]) for other in every}
            further["source_episodes"] = digests
        of_task = identity(plan, NAME, source, task) | further
        wanted.append(Steer(plan, of_task, task, every, known, thetas))
    return wanted


def applications(context: str, alone: bool) -> "list[Application]":
    """The ways to apply a vector in a context, in the order of the answers.

    Args:
        alone: there is no other task, whose vector would be a control.
    """
    controls = CONTROLS if context == "zero_shot" else ()
    procedures = [name for name in controls if not (alone and name == "any_other_task")]
    found: list[Application] = []
    for procedure in (VECTOR, *procedures):
        for method in METHODS:
            applied: Application = {
                "procedure": procedure,
                "method": method,
                "mode": "overwrite",
                "alpha": None,
            }
            found += [applied] if procedure == VECTOR else []
            found += [{**applied, "mode": "add", "alpha": alpha} for alpha in ALPHAS]
    return found


@dataclass(frozen=True)
class Steer(Request):
    """The vectors of one task in all contexts."""

    task: Task
    every: list[Task]
    """All tasks in the order of their names, this one included."""
    known: KnownHeads | None
    """The heads of each; None for a dry run."""
    thetas: TaskVectors | None
    """Of the central comparison; None for a dry run."""

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
        from tvsight.experiments.measuring import check_no_op
        from tvsight.experiments.steering.measure import measure

        plan = self.plan
        learnt = self._learnt(model)
        episodes, notes = plan.episodes(self.task, model)
        dev = asked(model, self.task, episodes, plan.template)["dev"]
        contexts = in_contexts(plan, self.task, model, episodes, self._others(model))
        prompts = {
            name: list(zip(of.tokens["zero_shot"], of.tokens["expected"], strict=True))
            for name, of in contexts.items()
        }
        alone = len(self.every) == 1
        applied = {name: applications(name, alone) for name in (*contexts, "generated")}
        neutral = {"prompts": model.tokenizer(list(NEUTRAL)).input_ids}
        check_window(model, [[*prompt, *[0] * TOKENS] for prompt, _ in prompts["zero_shot"]])
        tokens = (dev.tokens, contexts["zero_shot"].tokens, prompts, neutral)
        generated = (EPISODES, TOKENS)
        small = (applied, _of_one_head(learnt), generated)
        job = Job(measure, (*tokens, applied, learnt, generated), prompts=4, small=small)
        (result,) = yield [job]
        on_dev = result["dev"]
        if not (on_dev["finite"] and result["divergence"].isfinite().all()):
            raise MeasurementError("a state holds NaN or infinity; try a wider --dtype.")
        check_no_op(on_dev["baseline"], on_dev["no_op"], model.dtype)
        rows = _dev_rows(dev, result) + self._test_rows(contexts, result, applied)
        return Measured(frame(rows, self.task.name, self.task.category, schema(NAME)), None, notes)

    def line(self, rows: pd.DataFrame) -> str:
        """The accuracy of each vector, written over and added, in zero-shot prompts."""
        return task_line(rows)

    def episodes(self, model: "Model") -> Sequence[Episode]:
        """The episodes of the task."""
        return self.plan.episodes(self.task, model)[0]

    def _test_rows(
        self, contexts: dict[str, Asked], result: "Steered", applied: "dict[str, list[Application]]"
    ) -> list[dict[str, Any]]:
        from tvsight.experiments.measuring import at

        rows = []
        for context, of in contexts.items():
            plain = PLAIN | {"context": context}
            for number in range(1 + len(applied[context])):
                read = at(result["test"][context], number)
                if number == 0:
                    found = of.rows(read, "baseline", **plain)
                else:
                    one = applied[context][number - 1]
                    layer = result["layers"][f"{one['method']}/{one['mode']}"]
                    labels: dict[str, Any] = {**plain, **one}
                    found = of.rows(read, layer=layer, **labels)
                if context == "zero_shot" and number <= len(applied["generated"]):
                    self._add_text(found, of, result, number)
                rows += found
        return rows

    def _add_text(
        self, rows: list[dict[str, Any]], of: Asked, result: "Steered", number: int
    ) -> None:
        """Add what was measured in text to the rows of one application on the first episodes."""
        for name, texts in zip(("once", "every"), result["generated"].tolist(), strict=True):
            for row, episode, of_episode in zip(rows, of.episodes, texts, strict=False):
                tokens = of_episode[number]
                answer = answer_text(of.model, tokens, self.plan.template)
                found = score(answer, episode.query, episode.accepted)
                row |= {f"exact_{name}": found.exact, f"repeated_{name}": repeated_bigrams(tokens)}
        if number:
            shifts = result["divergence"][:, number - 1].tolist()
            for row, shifted in zip(rows, shifts, strict=False):
                row["divergence"] = shifted

    def _others(self, model: "Model") -> list[Episode]:
        """The test episodes of the next task by name; none where there is one task."""
        after = self.every[(self.every.index(self.task) + 1) % len(self.every)]
        if after == self.task:
            return []
        return [one for one in self.plan.episodes(after, model)[0] if one.split == "test"]

    def _learnt(self, model: "Model") -> "Learnt":
        import torch

        check_enough_heads(model, HEADS)
        decoder, count = model.decoder, len(self.every)
        attention = decoder.attention
        thetas = torch.zeros(count, decoder.depth, decoder.width)
        heads = torch.zeros(count, decoder.depth, attention.heads, attention.head_width)
        first = [divmod(number, attention.heads) for number in range(HEADS)]
        top = [first for _ in self.every]
        if self.known is not None and self.thetas is not None:
            names = [task.name for task in self.every]
            thetas = torch.stack([self.thetas.mean(model.name, name) for name in names])
            heads = torch.stack([self.known.means(name) for name in names])
            top = [self.known.ranking(name)[:HEADS] for name in names]
        draw = f"{self.identity['seed']}/{self.task.name}/random addition"
        return {
            "thetas": thetas.half(),
            "heads": heads,
            "top": top,
            "own": self.every.index(self.task),
            "blocks": self.identity["blocks"],
            "seed": random.Random(draw).getrandbits(63),
        }


def _of_one_head(learnt: "Learnt") -> "Learnt":
    """The same of a model with one head of two numbers in each block, for a rehearsal."""
    top = [[(layer, 0) for layer, _ in heads] for heads in learnt["top"]]
    return {**learnt, "heads": learnt["heads"][:, :, :1, :2].contiguous(), "top": top}


def _dev_rows(dev: Asked, result: "Steered") -> list[dict[str, Any]]:
    """The rows that chose the blocks."""
    plain = PLAIN | {"context": "zero_shot"}
    rows = dev.rows(result["dev"]["baseline"], "baseline", **plain)
    for name, read in result["dev"]["sweep"].items():
        method, _, mode = name.partition("/")
        alpha = 1.0 if mode == "add" else None
        labels = plain | {"method": method, "mode": mode, "alpha": alpha}
        rows += dev.swept(read, VECTOR, **labels)
    return rows


def repeated_bigrams(tokens: Sequence[int]) -> float:
    """1 − different / all bigrams of a text of at least two tokens."""
    bigrams = list(pairwise(tokens))
    return 1 - len(set(bigrams)) / len(bigrams)
