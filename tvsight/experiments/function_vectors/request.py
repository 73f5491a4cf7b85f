"""Build the job of a task's function vectors in both contexts and turn its output into rows."""

import random
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import pandas as pd

from tvsight.errors import RefusedError
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.function_vectors import FACTORS, NAME, SETTINGS, TRIED, Options
from tvsight.experiments.function_vectors.numbers import setting_line, task_line
from tvsight.methods import METHODS
from tvsight.models import ModelSource
from tvsight.prompts.episodes import SPLITS
from tvsight.protocol import central, methods
from tvsight.protocol import head_effects as effects
from tvsight.protocol.head_effects import KnownHeads, check_enough_heads, with_known_heads
from tvsight.protocol.head_numbers import by_fv
from tvsight.protocol.head_numbers import effects as effects_of
from tvsight.protocol.rows import asked, check_finite, frame, method_tokens
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, TaskRequest, identity, read_plan, source_identity, sources
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.experiments.function_vectors.measure import ExtractedHeads
    from tvsight.experiments.function_vectors.settings import OwnAndOthers
    from tvsight.interventions.attention import Head
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner

COUNTS = (1, 2, 3, 5, 10, 20, 40)
"""Numbers of heads of the curve, as far as a model has them."""
DRAWS = 3
"""Sets of random heads."""


def collect(runner: "Runner", options: Options) -> Outcome:
    """The central comparison with the mean state, the effects of heads, and function vectors, with
    every seed.

    Raises:
        RefusedError: when a model has fewer heads than `--heads`, or they cannot be told apart.
            Nothing is measured with it then.
    """
    options = options.with_protocol
    if not options.redraw:
        _check_configurations(options)
    with runner.requiring(lambda model: check_enough_heads(model, options.heads)):
        return central.each_seed(options, lambda config: _collect(runner, config))


def _collect(runner: "Runner", options: Options) -> Outcome:
    if options.redraw:
        compared = runner.outcome(options, central.requests)
    else:
        compared = central.collect_with_vectors(runner, options)
    thetas = TaskVectors(Store(options.results), compared.paths)
    mean_state = METHODS["mean_state"]  # section 2.2 of Todd et al.
    mean_outcome = runner.outcome(
        options, lambda plan, source: methods.requests(plan, source, mean_state)
    )
    outcome = methods.joined(compared, {mean_state.title: mean_outcome})
    solved = options.protocol == "todd"
    head_outcome = runner.outcome(
        options, lambda plan, source: effects.requests(plan, source, options.heads, solved)
    )
    if options.redraw:
        for result in head_outcome.results:
            total = len(result.rows[["layer", "head"]].drop_duplicates())
            _check_number(options, result.key.model, total)

    def experiment(plan: Plan, source: ModelSource) -> list[FunctionVectors]:
        return requests(plan, source, options, head_outcome, thetas)

    def at_equal_freedom(plan: Plan, source: ModelSource) -> list[VectorSettings]:
        return setting_requests(plan, source, options, head_outcome, thetas)

    outcome.add(head_outcome)
    outcome.add(runner.after(effects.EFFECTS, options, NAME, experiment))
    outcome.add(runner.after(effects.EFFECTS, options, SETTINGS, at_equal_freedom))
    return outcome


def _check_configurations(options: Options) -> None:
    """Check the number of heads of every model by its configuration, before one is loaded."""
    read_plan(options)  # a mistake in it is told without waiting for torch
    models = sources(options)
    from tvsight.models.loading import configured_heads

    for source in models:
        _check_number(options, source.name, configured_heads(source, options.trust_remote_code))


def _check_number(options: Options, model: str, total: int | None) -> None:
    if total is not None and options.heads > total:
        raise RefusedError(f"--heads {options.heads}: {model} has {total} heads.")


def requests(
    plan: Plan, source: ModelSource, options: Options, head_outcome: Outcome, thetas: TaskVectors
) -> "list[FunctionVectors]":
    """One request per task whose effects are known.

    Args:
        head_outcome: the effects of heads.
        thetas: the task vectors of the central comparison.
    """
    tasks, known = with_known_heads(plan, source, head_outcome, thetas)
    wanted = []
    for task in tasks:
        # By name, since the others take turns: the order of --tasks changes no number.
        every = sorted(tasks, key=lambda other: other.name)
        further = {
            "heads": options.heads,
            "counts": list(COUNTS),
            "draws": DRAWS,
            **source_identity(plan, (other for other in every if other != task)),
        }
        further |= effects.chosen_queries(options.protocol == "todd")
        task_identity = identity(plan, NAME, source, task) | further
        wanted.append(
            FunctionVectors(plan, task_identity, task, [o.name for o in every], known, thetas)
        )
    return wanted


def setting_requests(
    plan: Plan, source: ModelSource, options: Options, head_outcome: Outcome, thetas: TaskVectors
) -> "list[VectorSettings]":
    """One request per task whose effects are known; see `requests`."""
    tasks, known = with_known_heads(plan, source, head_outcome, thetas)
    tables = {task.name: effects_of(known.results[task.name].rows) for task in tasks}
    wanted = []
    for task in tasks:
        others = sorted((other for other in tasks if other != task), key=lambda other: other.name)
        ranking = {"own": known.ranking(task.name)}
        if others:
            ranking["others"] = by_fv(pd.concat([tables[other.name] for other in others]))
        task_identity = identity(plan, SETTINGS, source, task) | {
            "heads": options.heads,
            "counts": sorted({*TRIED, options.heads}),
            "factors": list(FACTORS),
            **source_identity(plan, others),
            **effects.chosen_queries(options.protocol == "todd"),
        }
        wanted.append(VectorSettings(plan, task_identity, task, known, ranking))
    return wanted


@dataclass(frozen=True)
class FunctionVectors(TaskRequest):
    """The function vector of one task, and its controls."""

    names: list[str]
    """All tasks in the order of their names, this one included."""
    known: KnownHeads
    """The heads of each."""
    thetas: TaskVectors
    """Of the central comparison."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """The vectors in both contexts, in one job.

        Up to a server travel, besides the prompts, the mean heads of all tasks (1.3 MB for 18
        tasks, 18 blocks and heads of 1,024 together). Answers come back, no vectors.

        Raises:
            MeasurementError: when vectors or logits hold NaN or infinity.
            RefusedError: when the model has fewer heads than asked for.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        from tvsight.experiments.function_vectors.measure import measure

        plan = self.plan
        extracted = self._extracted(model)
        episodes, notes = plan.episodes(self.task, model)
        by_split = asked(model, self.task, episodes, plan.template)
        prompts = method_tokens(plan, self.task, model, episodes, by_split)
        arguments = (prompts["dev"], prompts["test"], extracted)
        (result,) = yield [Job(measure, arguments, prompts=2, small=(_of_one_head(extracted),))]
        check_finite(result["finite"], "a vector")
        plain = dict.fromkeys(("heads", "draw", "layer_rule", "cosine", "cosine_centred"))
        rows: list[dict[str, Any]] = [
            plain | row for split in SPLITS for row in by_split[split].all_labelled(result[split])
        ]
        cosines = self._cosines(model, result["vectors"])
        for row in rows:
            if row["split"] == "dev" and row["procedure"] == "function_vector":
                row |= {name: by_block[row["layer"]] for name, by_block in cosines.items()}
        data = frame(rows, self.task.name, self.task.category, schema(NAME))
        return Measured(data, None, {**notes, "vector_lengths": result["norms"]})

    def line(self, rows: pd.DataFrame) -> str:
        """The accuracy in both contexts."""
        return task_line(rows)

    def _extracted(self, model: "Model") -> "ExtractedHeads":
        import torch

        count, decoder = self.identity["heads"], model.decoder
        check_enough_heads(model, count)
        every = list(product(range(decoder.depth), range(decoder.attention.heads)))
        draw = f"{self.identity['seed']}/{self.task.name}"
        return {
            "means": torch.stack([self.known.means(name) for name in self.names]),
            "ranking": [self.known.ranking(name) for name in self.names],
            "own": self.names.index(self.task.name),
            "counts": [size for size in COUNTS if size <= len(every)],
            "heads": count,
            "random_heads": [
                random.Random(f"{draw}/random heads/{number}").sample(every, count)
                for number in range(DRAWS)
            ],
            "seed": random.Random(f"{draw}/random addition").getrandbits(63),
        }

    def _cosines(self, model: "Model", vectors: "Tensor") -> dict[str, list[float]]:
        """The cosines of the function vector and the mean task vector after each block, as they are
        and both without their mean over tasks."""
        import torch

        thetas = torch.stack([self.thetas.mean(model.name, name) for name in self.names])
        own, every = self.names.index(self.task.name), vectors.float()[:, None]
        pairs = {"cosine": (every[own], thetas[own])}
        if len(self.names) > 1:
            pairs["cosine_centred"] = (
                (every - every.mean(dim=0))[own],
                (thetas - thetas.mean(dim=0))[own],
            )
        return {
            name: torch.cosine_similarity(first, second, dim=-1).tolist()
            for name, (first, second) in pairs.items()
        }


@dataclass(frozen=True)
class VectorSettings(TaskRequest):
    """The vectors of one task at equal freedom."""

    known: KnownHeads
    ranking: "dict[str, list[Head]]"
    """All heads by their effect on the task itself, `own`, and on the `others`."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """The settings chosen on dev and measured on test, in one job.

        Raises:
            MeasurementError: when vectors or logits hold NaN or infinity.
            RefusedError: when the model has fewer heads than asked for.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        from tvsight.experiments.function_vectors.settings import LABELS, measure

        check_enough_heads(model, self.identity["heads"])
        episodes, notes = self.plan.episodes(self.task, model)
        by_split = asked(model, self.task, episodes, self.plan.template)
        prompts = method_tokens(self.plan, self.task, model, episodes, by_split)
        total = model.decoder.depth * model.decoder.attention.heads
        known: OwnAndOthers = {
            "means": self.known.means(self.task.name),
            "ranking": self.ranking,
            "counts": [size for size in self.identity["counts"] if size <= total],
            "factors": list(FACTORS),
            "fixed": self.identity["heads"],
        }
        every = [(layer, 0) for layer in range(model.decoder.depth)]
        small: OwnAndOthers = {
            **known,
            "means": known["means"][:, :1, :2].contiguous(),
            "ranking": dict.fromkeys(known["ranking"], every),
            "counts": [1],
            "fixed": 1,
        }
        arguments = (prompts["dev"], prompts["test"], known)
        (result,) = yield [Job(measure, arguments, prompts=2, small=(small,))]
        check_finite(result["finite"], "a vector")
        plain = dict.fromkeys(LABELS)
        rows = [plain | row for row in by_split["test"].all_labelled(result["test"])]
        data = frame(rows, self.task.name, self.task.category, schema(SETTINGS))
        return Measured(data, None, notes)

    def line(self, rows: pd.DataFrame) -> str:
        """The accuracy of each tuned vector."""
        return setting_line(rows)


def _of_one_head(extracted: "ExtractedHeads") -> "ExtractedHeads":
    """The same of a model with one head of two numbers in each block, for a rehearsal."""
    every = [(layer, 0) for layer in range(extracted["means"].shape[1])]
    heads = min(extracted["heads"], len(every))
    return {
        **extracted,
        "means": extracted["means"][:, :, :1, :2].contiguous(),
        "ranking": [every for _ in extracted["ranking"]],
        "counts": [size for size in extracted["counts"] if size <= len(every)],
        "heads": heads,
        "random_heads": [every[:heads] for _ in extracted["random_heads"]],
    }
