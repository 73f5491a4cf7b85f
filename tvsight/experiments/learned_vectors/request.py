"""Build the job of learned vectors of a task and turn its output into rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.learned_vectors import NAME, Options
from tvsight.models import ModelSource
from tvsight.output.labels import number
from tvsight.prompts.episodes import SPLITS
from tvsight.protocol.central import each_seed
from tvsight.protocol.rows import asked, check_finite, frame, with_identified
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, TaskRequest, identity
from tvsight.storage.schemas import schema

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner

KEYS = ("procedure", "operation", "loss")
"""The columns that tell vectors apart."""


def collect(runner: "Runner", options: Options) -> Outcome:
    """The results of every model and task."""

    def requests(plan: Plan, source: ModelSource) -> list[LearnedVectors]:
        further = {"learned_blocks": options.learned_blocks}
        return [
            LearnedVectors(plan, identity(plan, NAME, source, task) | further, task)
            for task in plan.tasks
        ]

    return each_seed(options, lambda config: runner.outcome(config, requests))


@dataclass(frozen=True)
class LearnedVectors(TaskRequest):
    """Extracted and learned vectors of one task."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """Extract, learn and test, in one job.

        Raises:
            MeasurementError: when states, losses or logits hold NaN or infinity, a no-op patch
                changes an answer, or gradients are forbidden where the model runs.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        from tvsight.experiments.learned_vectors.measure import measure
        from tvsight.protocol.measure import check_no_op

        episodes, notes = self.plan.episodes(self.task, model)
        by_split = asked(model, self.task, episodes, self.plan.template)
        prompts = [by_split[split].tokens for split in SPLITS]
        how = (self.identity["learned_blocks"], self.plan.sampling.seed)
        (result,) = yield [Job(measure, (*prompts, *how), prompts=2)]
        check_no_op(result["dev"], model.dtype)
        check_finite(result["finite"], "a learned vector")
        details = {tuple(of[key] for key in (*KEYS, "layer")): of for of in result["details"]}
        rows = [
            row | details.get(tuple(row[key] for key in (*KEYS, "layer")), {})
            for split, reads in (("dev", result["dev"]), ("test", result["test"]))
            for row in by_split[split].all_labelled(reads)
        ]
        data = frame(with_identified(rows, KEYS), self.task.name, self.task.category, schema(NAME))
        return Measured(data, None, {**notes, "learned_from": result["labels"]})

    def line(self, rows: "pd.DataFrame") -> str:
        """The accuracy of extracted and learned vectors, written over and added."""
        shown = rows[(rows["split"] == "test") & rows["chosen"].fillna(False).astype(bool)]
        runs = shown[shown["loss"].isna() | (shown["loss"] == "answer")].groupby(
            ["procedure", "operation"], sort=False, observed=True
        )
        means = {key: number(run["correct"].mean()) for key, run in runs}
        return "  ".join(
            f"{name}: extracted {means['own_mean', use]}, learned {means['learned_vector', use]}"
            for use, name in (("overwrite", "written over"), ("add", "added"))
        )
