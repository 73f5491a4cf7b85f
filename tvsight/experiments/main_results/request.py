"""Ask for the central comparison of a task, and turn its answers into rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tvsight.config import RunConfig, one_seed
from tvsight.errors import MeasurementError
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.main_results import NAME, longest_answer, shown_score
from tvsight.experiments.main_results import answers as whole_answers
from tvsight.experiments.main_results.methods import with_methods
from tvsight.experiments.main_results.numbers import task_line
from tvsight.experiments.rows import Asked, asked, frame, tabled
from tvsight.models import ModelSource
from tvsight.output.labels import example
from tvsight.prompts import Episode, PromptTokens, parts
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, Request, identity
from tvsight.statistics.summaries import layer_p
from tvsight.statistics.tests import SIGNIFICANCE
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.experiments.main_results.measure import Comparison
    from tvsight.interventions.decoder import Decoder
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner


def collect(runner: "Runner", options: RunConfig) -> Outcome:
    """The central comparison of every model, task and seed, in a further column `seed`, with the
    rows of further methods.

    The vectors of other seeds than the first are not looked at, and not stored.
    """
    if options.save_episodes:
        one_seed(options)
    outcome = Outcome()
    for seed in options.seed:
        vectors = options.vectors and seed == options.seed[0]
        config = replace(options, seed=(seed,), vectors=vectors)
        found = with_methods(runner, config, runner.outcome(config, requests))
        outcome.add(found.labelled(seed=seed) if len(options.seed) > 1 else found)
    return outcome


def collect_with_vectors(runner: "Runner", options: RunConfig) -> Outcome:
    """The central comparison with its vectors, which are stored whatever --no-vectors says."""

    def with_vectors(plan: Plan, source: ModelSource) -> Sequence[Request]:
        return requests(plan, source, needs_vectors=True)

    return runner.outcome(replace(options, vectors=True), with_vectors)


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
class MainResults(Request):
    """The central comparison of one task."""

    task: Task

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
        from tvsight.experiments.measuring import check_no_op  # torch, once all is in order

        plan = self.plan
        episodes, notes = plan.episodes(self.task, model)
        of_split = asked(model, self.task, episodes, plan.template)
        dev, test = of_split["dev"].tokens, of_split["test"].tokens
        keep_vectors = plan.config.vectors
        result = yield from in_parts(
            model.decoder, dev, test, keep_vectors, plan.config.max_job_episodes
        )
        if not (result["dev"]["finite"] and result["test"]["finite"]):
            raise MeasurementError(
                "the residual stream holds NaN or infinity; try a wider --dtype."
            )
        vectors = {split: result[split]["vectors"] for split in ("dev", "test")}
        if not all(half.isfinite().all() for half in vectors.values()):
            raise MeasurementError(
                "task vectors hold numbers beyond 65504, so they cannot be stored in half "
                "precision. --no-vectors keeps the rows alone."
            )
        check_no_op(result["dev"]["baseline"], result["dev"]["no_op"], model.dtype)
        rows = scored(of_split, result)
        data = frame(rows, self.task.name, self.task.category)
        return Measured(data, vectors if keep_vectors else None, notes, tabled(of_split))

    def line(self, rows: "pd.DataFrame") -> str:
        """The comparison, and the first pair, by which a file that was read wrongly is seen."""
        return f"{task_line(rows)}  first pair {example(self.task.pairs[0])}"

    def episodes(self, model: "Model") -> Sequence[Episode]:
        """The episodes of the task."""
        return self.plan.episodes(self.task, model)[0]


def scored(of_split: dict[str, Asked], result: "Comparison") -> "list[dict[str, object]]":
    """Rows of all answers. Those of a vector say whether its layer is identified."""
    dev, test = of_split["dev"], of_split["test"]
    on_dev, on_test = result["dev"], result["test"]["answers"]
    baseline = dev.rows(on_dev["baseline"], "baseline")
    rows = [
        *baseline,
        *test.rows(on_test["baseline"], "baseline"),
        *test.rows(on_test["icl"], "icl"),
    ]
    for procedure, layer in result["layers"].items():
        on_blocks = dev.swept(on_dev["sweep"][procedure], procedure)
        patched = test.rows(on_test[procedure], procedure, layer)
        identified = layer_p(on_blocks, baseline) < SIGNIFICANCE
        rows += [row | {"layer_identified": identified} for row in (*on_blocks, *patched)]
    return rows


def in_parts(
    decoder: "Decoder", dev: PromptTokens, test: PromptTokens, vectors: bool, most: int | None
) -> "Steps[Comparison]":
    """Run `measure`, in jobs of at most `most` episodes of a split: what a job holds in memory does
    not grow with their number."""
    import torch

    from tvsight.experiments.main_results import measure

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
    layers = measure.best_layers(on_dev["sweep"], dev["accepted"])
    on_test = measure.joined((yield test_jobs(layers)))
    return {"dev": on_dev, "layers": layers, "test": on_test}
