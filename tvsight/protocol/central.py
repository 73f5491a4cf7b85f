"""The central comparison: build the job of a task and turn its output into rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from tvsight.config import RunConfig, one_seed
from tvsight.errors import option
from tvsight.execution.jobs import Job, Steps
from tvsight.methods import TASK_VECTOR, MethodEntry
from tvsight.models import ModelSource
from tvsight.output.labels import NOT_IDENTIFIED, example, interval
from tvsight.output.procedures import COMPARED, title
from tvsight.prompts import PromptTokens, parts
from tvsight.protocol import methods, whole_answers
from tvsight.protocol.options import NAME, longest_answer, shown_score
from tvsight.protocol.rows import asked, finite_vectors, frame, scored, tabled
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, Request, TaskRequest, identity
from tvsight.statistics.intervals import accuracy

if TYPE_CHECKING:
    from tvsight.interventions.decoder import Decoder
    from tvsight.models.loading import Model
    from tvsight.protocol.measure import Comparison
    from tvsight.run.runner import Runner


def collect(runner: "Runner", options: RunConfig) -> Outcome:
    """The central comparison of every model, task and seed, in a further column `seed`, with the
    rows of further methods.

    The vectors of other seeds than the first are not looked at, and not stored.
    """

    def of_seed(config: RunConfig) -> Outcome:
        config = replace(config, vectors=options.vectors and config.seed[0] == options.seed[0])
        return methods.with_methods(runner, config, runner.outcome(config, requests))

    return each_seed(options, of_seed)


Options = TypeVar("Options", bound=RunConfig)


def each_seed(options: Options, collect: Callable[[Options], Outcome]) -> Outcome:
    """What is collected with each seed; with several, in a further column `seed`."""
    if options.save_episodes:
        one_seed(options)
    outcome = Outcome()
    for seed in options.seed:
        found = collect(replace(options, seed=(seed,)))
        outcome.add(found.labelled(seed=seed) if len(options.seed) > 1 else found)
    return outcome


def collect_with_vectors(runner: "Runner", options: RunConfig) -> Outcome:
    """The central comparison with its vectors, which are stored whatever --no-vectors says."""

    def with_vectors(plan: Plan, source: ModelSource) -> Sequence[Request]:
        return requests(plan, source, needs_vectors=True)

    return runner.outcome(replace(options, vectors=True), with_vectors)


def stored_vectors(runner: "Runner", options: RunConfig, method: MethodEntry) -> Outcome:
    """The results of a method with its vectors, which are stored whatever --no-vectors says: those
    of the task vector are in the central comparison."""
    if method == TASK_VECTOR:
        return collect_with_vectors(runner, options)
    return runner.outcome(options, partial(methods.requests, method=method, needs_vectors=True))


def requests(plan: Plan, source: ModelSource, needs_vectors: bool = False) -> Sequence[Request]:
    """One request per task, for its whole answers where --answer-tokens is above 1.

    Args:
        needs_vectors: measure again what was stored without vectors.
    """
    if longest_answer(plan.config) > 1:
        return whole_answers.requests(plan, source)
    needs_scores = shown_score(plan.config) != "accuracy"
    return [
        MainResults(
            plan,
            identity(plan, NAME, source, task),
            task,
            needs_vectors=needs_vectors,
            needs_scores=needs_scores,
        )
        for task in plan.tasks
    ]


@dataclass(frozen=True)
class MainResults(TaskRequest):
    """The central comparison of one task."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """Baseline, ICL and vectors on the same episodes.

        Splits of more than `--max-job-episodes` are measured in several jobs. Batches have other
        shapes then, so numbers change by rounding: in float32 the answers and chosen blocks are
        the same, and log-probabilities agree within 1e-5.

        Raises:
            MeasurementError: when states or logits hold NaN or infinity, or wanted vectors hold
                numbers that half precision does not have.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        plan = self.plan
        episodes, notes = plan.episodes(self.task, model)
        by_split = asked(model, self.task, episodes, plan.template)
        dev, test = by_split["dev"].tokens, by_split["test"].tokens
        result = yield from in_parts(
            model.decoder, dev, test, plan.config.vectors, plan.config.max_job_episodes
        )
        vectors = finite_vectors(result, f"{option('vectors', False)} keeps the rows alone.")
        data = frame(scored(by_split, result, model.dtype), self.task.name, self.task.category)
        return Measured(data, vectors if plan.config.vectors else None, notes, tabled(by_split))

    def line(self, rows: pd.DataFrame) -> str:
        """The comparison, and the first pair, by which a file that was read wrongly is seen."""
        return f"{task_line(rows)}  first pair {example(self.task.pairs[0])}"


def in_parts(
    decoder: "Decoder", dev: PromptTokens, test: PromptTokens, vectors: bool, most: int | None
) -> "Steps[Comparison]":
    """Run `measure`, in jobs of at most `most` episodes of a split: what a job holds in memory does
    not grow with their number."""
    import torch

    from tvsight.protocol import measure

    dev_parts, test_parts = parts(dev, most), parts(test, most)
    size = decoder.depth * decoder.width * torch.half.itemsize if vectors else 0
    if len(dev_parts) == len(test_parts) == 1:
        episodes = len(dev["shared"]) + len(test["shared"])
        (result,) = yield [Job(measure.measure, (dev, test, vectors), size * episodes, prompts=2)]
        return result

    def test_jobs(layers: dict[str, int]) -> list[Job]:
        return [
            Job(
                measure.measure_test, (part, layers, vectors), size * len(part["shared"]), prompts=1
            )
            for part in test_parts
        ]

    jobs = [
        Job(measure.measure_dev, (part, vectors), size * len(part["shared"]), prompts=1)
        for part in dev_parts
    ]
    jobs[0] = replace(jobs[0], later=tuple(test_jobs(dict.fromkeys(measure.VECTORS, 0))))
    on_dev = measure.joined((yield jobs))
    layers = measure.best_layers(on_dev["read"], dev["accepted"])
    on_test = measure.joined((yield test_jobs(layers)))
    return {"dev": on_dev, "layers": layers, "test": on_test}


def task_line(rows: pd.DataFrame) -> str:
    """The central comparison of one task in a line."""
    test = rows[rows["split"] == "test"]
    parts = []
    for name in COMPARED:
        own = test[test["procedure"] == name]
        columns = accuracy(own["correct"], own["query"]).columns(name)
        parts.append(f"{title(name)} {interval(pd.Series(columns), name)}")
    tested = test[test["procedure"] == "task_vector"]
    mark = "" if tested["layer_identified"].all() else f" ({NOT_IDENTIFIED})"
    return (
        f"{'  '.join(parts)}  block {tested['layer'].iloc[0]}{mark}  n {len(tested)} "
        f"({tested['query'].nunique()} queries)"
    )
