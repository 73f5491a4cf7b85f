"""Ask for one further method on the episodes of the central comparison, and join its rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from tvsight.config import RunConfig
from tvsight.execution.jobs import Job, Steps
from tvsight.methods import CENTRAL, TASK_VECTOR, MethodEntry
from tvsight.methods.files import named_methods
from tvsight.models import ModelSource
from tvsight.output import procedures
from tvsight.output.labels import number
from tvsight.protocol import whole_answers
from tvsight.protocol.options import MethodOptions, longest_answer, shown_score
from tvsight.protocol.rows import asked, finite_vectors, frame, method_tokens, scored
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, Request, TaskRequest, identity
from tvsight.storage.manifests import Key

if TYPE_CHECKING:
    from tvsight.models.loading import Model
    from tvsight.output.drawn import Drawn
    from tvsight.run.runner import Runner

NAME = "methods"
"""The folder of these results."""


def with_methods(runner: "Runner", options: RunConfig, central: Outcome) -> Outcome:
    """The central comparison with the rows of further methods in those of their tasks.

    Raises:
        UsageError: for an unknown method, or a file that does not define one.
    """
    outcomes = {
        entry.title: runner.outcome(options, partial(requests, method=entry))
        for entry in further_methods(options)
    }
    return joined(central, outcomes)


def further_methods(options: RunConfig) -> list[MethodEntry]:
    """The methods that the options name beside those of the central comparison. Tables and figures
    can name them from now on.

    Raises:
        UsageError: for an unknown method, or a file that does not define one.
    """
    if not isinstance(options, MethodOptions):
        return []
    named = named_methods(options.methods, options.method_file)
    further = [entry for entry in named if entry.key not in CENTRAL]
    for entry in further:
        procedures.add(entry.key, entry.title)
    return further


def with_further_methods(options: RunConfig, measured: Callable[[MethodEntry], Outcome]) -> Outcome:
    """The results of an analysis of the task vector, and of each further method. What failed of
    these is named by the title too.

    Args:
        measured: the results of one method.

    Raises:
        UsageError: see `further_methods`.
    """
    outcome = measured(TASK_VECTOR)
    for entry in further_methods(options):
        outcome.add(measured(entry).titled(entry.title))
    return outcome


def each_vector(outcome: Outcome, drawn: "Drawn") -> "Iterator[tuple[str, Outcome, Drawn]]":
    """The procedure of the task vector and of each further method that there are results of, with
    these results and the place of its tables and figures."""
    for method in sorted({result.method for result in outcome.results}):
        found = outcome.of_method(method)
        yield method or "task_vector", found, drawn.of(method) if method else drawn


def requests(
    plan: Plan, source: ModelSource, method: MethodEntry, needs_vectors: bool = False
) -> Sequence[Request]:
    """One request per task, for its whole answers where --answer-tokens is above 1.

    Args:
        needs_vectors: measure again what was stored without vectors.
    """
    if longest_answer(plan.config) > 1:
        return whole_answers.requests(plan, source, method)
    return [
        MethodResults(
            plan,
            identity(plan, NAME, source, task) | method.identity,
            task,
            method,
            needs_vectors=needs_vectors,
            needs_scores=shown_score(plan.config) != "accuracy",
        )
        for task in plan.tasks
    ]


@dataclass(frozen=True)
class MethodResults(TaskRequest):
    """One method on one task."""

    method: MethodEntry

    def steps(self, model: "Model") -> Steps[Measured]:
        """Learn its vectors, apply them after every block on dev, and on test after the best.

        Raises:
            MeasurementError: when a vector has another shape, states or logits hold NaN or
                infinity, a no-op patch changes an answer, or wanted vectors hold numbers that half
                precision does not have.
            UsageError: when a prompt or an answer does not suit the tokenizer, or the method needs
                attention heads that the model does not show.
        """
        from tvsight.protocol.measure import measure_method

        episodes, notes = self.plan.episodes(self.task, model)
        by_split = asked(model, self.task, episodes, self.plan.template)
        prompts = method_tokens(self.plan, self.task, model, episodes, by_split)
        method, wanted = self.method.load(), self.needs_vectors
        how = (self.method.key, method, dict(self.method.settings), wanted)
        size = model.decoder.depth * model.decoder.width * 2 if wanted else 0
        size *= 2 if method.of == "task" else len(episodes)
        arguments = (prompts["dev"], prompts["test"], *how)
        (result,) = yield [Job(measure_method, arguments, size, prompts=2)]
        vectors = finite_vectors(result)
        known = ("baseline", "icl")  # of the central comparison
        rows = scored(by_split, result, model.dtype)
        rows = [row for row in rows if row["procedure"] not in known]
        data = frame(rows, self.task.name, self.task.category)
        return Measured(data, vectors if wanted else None, notes)

    def line(self, rows: pd.DataFrame) -> str:
        """Its accuracy and block."""
        test = rows[rows["split"] == "test"]
        layer = test["layer"].iloc[0]
        return f"{self.method.title} {number(test['correct'].mean())}  block {layer}"


def joined(central: Outcome, others: Mapping[str, Outcome]) -> Outcome:
    """The central comparison with the rows of further methods in those of their tasks.

    Args:
        others: by the title of the method. What failed is named by task and title.
    """
    further: dict[Key, list[pd.DataFrame]] = {}
    failures = dict(central.failures)
    for title, outcome in others.items():
        for result in outcome.results:
            further.setdefault(result.key, []).append(result.rows)
        failures |= outcome.titled(title).failures
    results = [
        replace(result, rows=pd.concat([result.rows, *further[result.key]], ignore_index=True))
        if result.key in further
        else result
        for result in central.results
    ]
    return Outcome(results, failures)
