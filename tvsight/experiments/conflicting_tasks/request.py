"""Build the job of each pair of conflicting tasks and turn its output into rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from tvsight.config import RunConfig
from tvsight.errors import UsageError, nearest
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.conflicting_tasks import NAME, Options
from tvsight.experiments.conflicting_tasks.episodes import (
    Conflict,
    check_conflict,
    conflicting_queries,
    pair_name,
    sample_conflicts,
)
from tvsight.experiments.conflicting_tasks.numbers import UNPATCHED, pair_line
from tvsight.methods import TASK_VECTOR, MethodEntry
from tvsight.models import ModelSource
from tvsight.prompts.episodes import SPLITS
from tvsight.prompts.filtering import shared_first_tokens, usable_pairs
from tvsight.protocol.methods import with_further_methods
from tvsight.protocol.rows import Asked, asked, frame, method_tokens
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, Request, identity
from tvsight.statistics.summaries import layer_p
from tvsight.statistics.tests import SIGNIFICANCE
from tvsight.storage.schemas import schema
from tvsight.tasks import Task, packaged_tasks

if TYPE_CHECKING:
    from tvsight.experiments.conflicting_tasks.measure import PairAnswers
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner


def collect(runner: "Runner", options: Options) -> Outcome:
    """The results of every model and pair.

    Raises:
        UsageError: see `requests`.
    """
    if options.tasks != RunConfig.tasks:
        runner.display.note(f"--tasks {options.tasks}: --pairs chooses here, not --tasks.")

    def measured(method: MethodEntry) -> Outcome:
        pairs = options.pairs
        return runner.outcome(options, lambda plan, source: requests(plan, source, pairs, method))

    return with_further_methods(options, measured)


def requests(
    plan: Plan, source: ModelSource, pairs: Sequence[str], method: MethodEntry = TASK_VECTOR
) -> "list[ConflictingTasks]":
    """One request per pair of tasks.

    Args:
        pairs: as `--pairs` has them, `A:B`: demonstrations of A, the vector of B.
        method: makes the vector of B.

    Raises:
        UsageError: for a pair that is not one, an unknown task, two tasks that share too few
            queries, or episodes from a file.
    """
    wanted = []
    for demonstrated, patched in _pairs_of_tasks(plan, pairs):
        whole = identity(plan, NAME, source, demonstrated) | method.further_identity
        whole["task"] = pair_name(demonstrated.name, patched.name)
        whole["sources"] = {patched.name: patched.checksum}
        wanted.append(ConflictingTasks(plan, whole, demonstrated, patched, method=method))
    return wanted


@dataclass(frozen=True)
class ConflictingTasks(Request):
    """One pair of tasks."""

    demonstrated: Task
    patched: Task
    method: MethodEntry = field(default=TASK_VECTOR, kw_only=True)

    def steps(self, model: "Model") -> Steps[Measured]:
        """θ of the patched task in zero-shot prompts and in conflicting ones.

        Predictions in the conflict have two rows: `scored_as` `demonstrations`, by the answers of
        the demonstrated task, and `patched`, by those of the other. Zero-shot prompts have the
        second only.

        Raises:
            MeasurementError: when logits hold NaN or infinity, or a no-op patch changes an answer.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        from tvsight.experiments.conflicting_tasks import measure
        from tvsight.protocol.measure import check_no_op

        plan = self.plan
        conflicts, notes = self.conflicts(model)
        ours = [conflict.demonstrated for conflict in conflicts]
        theirs = [conflict.patched for conflict in conflicts]
        asked_as = {
            "demonstrations": asked(model, self.demonstrated, ours, plan.template),
            "patched": asked(model, self.patched, theirs, plan.template),
        }
        tokens = {split: [of[split].tokens for of in asked_as.values()] for split in SPLITS}
        if self.method != TASK_VECTOR:
            known = method_tokens(plan, self.patched, model, theirs, asked_as["patched"])
            tokens = {split: [tokens[split][0], known[split]] for split in SPLITS}
        prompts = (*tokens["dev"], *tokens["test"])
        arguments = (*prompts, *self.method.further)
        (result,) = yield [Job(measure.measure, arguments, prompts=len(prompts))]
        check_no_op(result["dev"]["demonstrations"], model.dtype, "icl")
        rows = scored(asked_as, result, self.method.key)
        data = frame(rows, self.name, self.demonstrated.category, schema(NAME))
        return Measured(data, notes=notes)

    def conflicts(self, model: "Model") -> tuple[list[Conflict], dict[str, Any]]:
        """The episodes of the pair, and what the manifest says of them.

        Raises:
            UsageError: when too few pairs or queries suit the tokenizer.
        """
        tasks, template = (self.demonstrated, self.patched), self.plan.template
        ours, theirs = (usable_pairs(task, model.tokenizer, template, model.name) for task in tasks)
        queries = conflicting_queries(tasks, (ours, theirs), model, template)
        shared = shared_first_tokens(model.tokenizer, [*ours.pairs, *theirs.pairs], template)
        notes = {"pairs": {"conflicting": len(queries)}, "shared_first_token": shared}
        names = (self.demonstrated.name, self.patched.name)
        return sample_conflicts(names, (ours, theirs), queries, self.plan.sampling), notes

    def line(self, rows: pd.DataFrame) -> str:
        """Accuracy on both tasks, without the vector and with it."""
        return pair_line(rows, self.method.key)


def scored(
    asked_as: dict[str, dict[str, Asked]], result: "PairAnswers", vector: str = "task_vector"
) -> list[dict[str, Any]]:
    """Rows of all answers. Those of a vector say whether its layer is identified.

    Args:
        asked_as: the episodes of each split, by the task that answers are scored as.
        vector: the procedure of the vector.
    """
    rows = [
        row | ({"procedure": vector} if row["layer_rule"] is not None else {})
        for scored_as in ("patched", "demonstrations")  # zero-shot prompts are of the first alone
        for split in SPLITS
        for row in asked_as[scored_as][split].all_labelled(result[split][scored_as])
    ]
    table = pd.DataFrame(rows)
    on_dev = table[(table["split"] == "dev") & (table["scored_as"] == "patched")]
    identified = {
        rule: layer_p(swept, on_dev[on_dev["procedure"] == UNPATCHED[str(rule)]]) < SIGNIFICANCE
        for rule, swept in on_dev.groupby("layer_rule")
    }
    return [row | {"layer_identified": identified.get(row["layer_rule"])} for row in rows]


def _pairs_of_tasks(plan: Plan, pairs: Sequence[str]) -> list[tuple[Task, Task]]:
    """The tasks that `--pairs` names, each pair once. Tasks of --task-file are known too."""
    config = plan.config
    if config.episodes is not None or config.save_episodes is not None:
        option = "--save-episodes" if config.episodes is None else "--episodes"
        raise UsageError(
            f"{option}: an episode of conflicting tasks has demonstrations of two tasks, which "
            "files of episodes do not hold. Leave it out; --seed fixes what is sampled."
        )
    if config.division != "halves":
        raise UsageError(f"--division {config.division}: conflicting tasks halve their queries.")
    if not pairs:
        raise UsageError("--pairs: at least one pair was expected, such as next_letter:to_upper.")
    known = packaged_tasks() | {task.name: task for task in plan.tasks}
    tasks = []
    for pair in dict.fromkeys(pairs):
        names = pair.split(":")
        if len(names) != 2 or not all(names):
            raise UsageError(
                f"--pairs {pair!r}: two tasks with a colon between them were expected, such as "
                "next_letter:to_upper (demonstrations of the first, the vector of the second)."
            )
        for name in names:
            if name not in known:
                raise UsageError(
                    f"--pairs {pair!r}: unknown task {name!r}.{nearest(name, known)} "
                    "`python -m analyses.tasks` lists the tasks; --task-file adds one of your own."
                )
        demonstrated, patched = known[names[0]], known[names[1]]
        check_conflict(demonstrated, patched, config.shots, config.dummy_queries)
        tasks.append((demonstrated, patched))
    return tasks
