"""Build the job of learned vectors of a task and turn its output into rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvsight.config import RunConfig
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.learned_vectors import BLOCKS, NAME
from tvsight.experiments.learned_vectors.numbers import CONDITION, task_line
from tvsight.methods import METHODS
from tvsight.models import ModelSource
from tvsight.prompts.episodes import SPLITS
from tvsight.protocol.rows import asked, frame, with_identified
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, TaskRequest, identity
from tvsight.storage.schemas import schema

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner


def collect(runner: "Runner", options: RunConfig) -> Outcome:
    """The results of every model and task."""
    return runner.outcome(options, requests)


def requests(plan: Plan, source: ModelSource) -> "list[LearnedVectors]":
    """One request per task."""
    further = {"blocks": BLOCKS, "training": dict(METHODS["learned_vector"].settings)}
    return [
        LearnedVectors(plan, identity(plan, NAME, source, task) | further, task)
        for task in plan.tasks
    ]


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
        from tvsight.methods.learned_vector import Training
        from tvsight.protocol.measure import check_no_op

        episodes, notes = self.plan.episodes(self.task, model)
        by_split = asked(model, self.task, episodes, self.plan.template)
        prompts = [by_split[split].tokens for split in SPLITS]
        training = Training(**self.identity["training"])
        arguments = (*prompts, self.identity["blocks"], training, self.plan.sampling.seed)
        (result,) = yield [Job(measure, arguments, prompts=2)]
        check_no_op(result["dev"], model.dtype)
        rows = [row for split in SPLITS for row in by_split[split].all_labelled(result[split])]
        rows = with_identified(rows, CONDITION)
        data = frame(rows, self.task.name, self.task.category, schema(NAME))
        return Measured(data, None, notes)

    def line(self, rows: "pd.DataFrame") -> str:
        """The accuracy of extracted and learned vectors, written over and added."""
        return task_line(rows)
