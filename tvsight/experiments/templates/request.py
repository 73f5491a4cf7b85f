"""Build the job of vectors under other templates and of other dummy queries, and turn its output
into rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tvsight.errors import UsageError, refuse_repeated
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.templates import DUMMY_NUMBERS, NAME, Options
from tvsight.experiments.templates.episodes import (
    common_pairs,
    foreign_queries,
    foreign_task,
    under_templates,
)
from tvsight.experiments.templates.numbers import CHOICES, VARIANT, task_line
from tvsight.methods import TASK_VECTOR, MethodEntry
from tvsight.models import ModelSource
from tvsight.prompts import Template, sample_episodes, template
from tvsight.prompts.episodes import SPLITS, Split, check_enough_pairs
from tvsight.prompts.filtering import shared_first_tokens, spaced_pair
from tvsight.prompts.templates import template_name
from tvsight.protocol.methods import with_further_methods
from tvsight.protocol.rows import Asked, asked, frame, method_tokens, with_identified
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, Request, identity
from tvsight.storage.schemas import schema
from tvsight.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.experiments.templates.measure import TemplateAnswers, Variant
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner

ADVICE = "Lower --shots or --dummy-queries."


def collect(runner: "Runner", options: Options) -> Outcome:
    """Every variant of the vector, of every model and task, and the template matrix of each further
    method."""

    def measured(method: MethodEntry) -> Outcome:
        def experiment(plan: Plan, source: ModelSource) -> list[Templates]:
            return requests(plan, source, options.templates, DUMMY_NUMBERS, method)

        return runner.outcome(options, experiment)

    return with_further_methods(options, measured)


def requests(
    plan: Plan,
    source: ModelSource,
    names: Sequence[str],
    numbers: Sequence[int],
    method: MethodEntry = TASK_VECTOR,
) -> "list[Templates]":
    """One request per task.

    Args:
        names: of the templates that are compared, or their texts; the plan's own joins them.
        numbers: of dummy queries that are compared; the plan's own joins them. Another method than
            the task vector has the same episodes, and these are not compared.
        method: makes the vectors.

    Raises:
        UsageError: for an unknown template, for episodes from a file, or when a task has too few
            pairs.
    """
    _check_sampled(plan)
    compared = compared_templates(plan.template, names)
    counts = sorted({*numbers, plan.config.dummy_queries})
    wanted = []
    for task in plan.tasks:
        check_enough_pairs(task.name, len(task.pairs), plan.config.shots, counts[-1], ADVICE)
        other = foreign_task(task)
        settings = {
            "templates": sorted(template.text for template in compared.values()),
            "dummy_numbers": counts,
            "dummy_choices": list(CHOICES),
            "sources": {other.name: other.checksum},
        }
        task_identity = identity(plan, NAME, source, task) | settings | method.further_identity
        wanted.append(Templates(plan, task_identity, task, other, compared, counts, method=method))
    return wanted


def compared_templates(main: Template, names: Sequence[str]) -> dict[str, Template]:
    """The templates of `names`, by the name that rows give them. `main` comes first where it is not
    among them.

    Raises:
        UsageError: for an unknown template, or two names of one.
    """
    found = [template(name) for name in names]
    refuse_repeated("templates", names, found)
    compared = found if main in found else [main, *found]
    return {template_name(variant): variant for variant in compared}


@dataclass(frozen=True)
class Templates(Request):
    """The vectors of one task under several templates, and of several sets of dummy queries."""

    task: Task
    other: Task
    """The task whose inputs serve as foreign dummy queries."""
    templates: dict[str, Template]
    """By the name that rows give them."""
    numbers: list[int]
    """Numbers of dummy queries, ascending."""
    method: MethodEntry = field(default=TASK_VECTOR, kw_only=True)

    def steps(self, model: "Model") -> Steps[Measured]:
        """Every variant on the same episodes, in one job.

        Raises:
            MeasurementError: when logits hold NaN or infinity, or a no-op patch changes an answer.
            UsageError: when too few pairs suit the tokenizer, or a prompt or an answer does not.
        """
        from tvsight.experiments.templates import measure
        from tvsight.protocol.measure import check_no_op

        plan, most = self.plan, self.numbers[-1]
        shots, standard, seed = plan.config.shots, plan.config.dummy_queries, plan.sampling.seed
        main = template_name(plan.template)
        common = common_pairs(self.task, model.tokenizer, self.templates, model.name)
        usable = common.pairs
        check_enough_pairs(self.task.name, len(usable.pairs), shots, most, ADVICE)
        sampling = replace(plan.sampling, dummy_queries=most)
        episodes = sample_episodes(self.task.name, usable, sampling)
        foreign = foreign_queries(self.task, self.other, episodes, standard, seed)
        spelled = under_templates(episodes, foreign, common.spaced, main, standard)
        under = [
            asked(model, self.task, spelled[n], template) for n, template in self.templates.items()
        ]

        names = list(self.templates)
        number = names.index(main)
        variants = measure.variants_of(len(names), number, self.numbers, standard)
        shuffled: dict[str, list[Any]] = {split: [] for split in SPLITS}
        if self.method != TASK_VECTOR:
            variants = variants[: len(names) ** 2]
            for (name, template), of in zip(self.templates.items(), under, strict=True):
                template_plan = replace(plan, template=template)
                known = method_tokens(template_plan, self.task, model, spelled[name], of)
                for split in SPLITS:
                    shuffled[split].append(known[split]["shuffled"])
        prompts = [
            measure.side_by_side([of[split].tokens for of in under], shuffled[split])
            for split in SPLITS
        ]
        arguments = (*prompts, variants, *self.method.further)
        (result,) = yield [Job(measure.measure, arguments, prompts=2)]
        for split in SPLITS:
            for reads in result[split]:
                check_no_op(reads, model.dtype)
        rows = scored(names, under, number, variants, result, self.method.key)
        data = frame(rows, self.task.name, self.task.category, schema(NAME))
        pairs = {"usable": len(usable.pairs), "of": usable.total, "spaced": common.spaced}
        written = map(spaced_pair, usable.pairs) if common.spaced[main] else usable.pairs
        shared = shared_first_tokens(model.tokenizer, written, plan.template)
        return Measured(data, notes={"pairs": pairs, "shared_first_token": shared})

    def line(self, rows: "pd.DataFrame") -> str:
        """The vector of the main template, and those of the others under it."""
        return task_line(rows, self.method.key)


def scored(
    names: Sequence[str],
    under: Sequence[dict[str, Asked]],
    main: int,
    variants: "Sequence[Variant]",
    result: "TemplateAnswers",
    vector: str = "task_vector",
) -> list[dict[str, Any]]:
    """Rows of all answers. Those of a vector say whether its layer is identified.

    Args:
        names: of the templates.
        under: the episodes under each template, by split.
        main: the template in whose spelling rows name queries and answers.
        vector: the procedure of the vectors.
    """
    named: dict[int | None, dict[str, Any]] = {
        number: {
            "procedure": vector,
            "extracted_under": names[variant["extracted"]],
            "dummy_queries": len(variant["members"]),
            "dummy_choice": variant["dummy_choice"],
        }
        for number, variant in enumerate(variants)
    }

    def in_main(asked: Asked, split: Split) -> Asked:
        return asked._replace(episodes=under[main][split].episodes)

    rows: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        own = [
            {**row, "applied_under": name, **named.get(row.get("variant"), {})}
            for split in SPLITS
            for row in in_main(under[number][split], split).all_labelled(result[split][number])
        ]
        rows += with_identified(own, ["procedure", *VARIANT])
    order = [None, *names]
    return sorted(rows, key=lambda row: order.index(row.get("extracted_under")))


def _check_sampled(plan: Plan) -> None:
    """Check that episodes are sampled: those of a file have the words of one template, and too few
    dummy queries."""
    config = plan.config
    for option, path in (("episodes", config.episodes), ("save-episodes", config.save_episodes)):
        if path is not None:
            raise UsageError(
                f"--{option} {path}: analyses.templates samples its episodes, which are spelled "
                "differently under each template. Leave the option out."
            )
