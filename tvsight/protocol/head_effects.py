"""Causal mediation: build the job of the effect of every attention head on a task, and turn its
output into rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tvsight.errors import RefusedError, option
from tvsight.execution.jobs import Job, Steps
from tvsight.models import ModelSource
from tvsight.protocol.head_numbers import effects, ranking
from tvsight.protocol.options import EFFECTS
from tvsight.protocol.rows import asked, check_finite, method_tokens
from tvsight.run.outcome import Measured, Outcome, Stored
from tvsight.run.planning import Plan, TaskRequest, identity
from tvsight.storage.contents import HEAD_MEANS
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.interventions.attention import Head
    from tvsight.models.loading import Model
    from tvsight.protocol.causal_effects import HeadEffects as Found
    from tvsight.protocol.rows import Asked


class KnownHeads:
    """Rankings and means of the heads of some tasks of one model. Each is read once.

    Args:
        results: the effects of heads, by task.
    """

    def __init__(self, store: Store, results: Mapping[str, Stored]) -> None:
        self.results = results
        self._store = store
        self._rankings: dict[str, list[Head]] = {}
        self._means: dict[str, Tensor] = {}

    def ranking(self, task: str) -> "list[Head]":
        """All heads, those of the largest mean effect on a task first."""
        if task not in self._rankings:
            self._rankings[task] = ranking(self.results[task].rows)
        return self._rankings[task]

    def means(self, task: str) -> "Tensor":
        """The mean of every head on a task, `[depth, heads, head_width]`."""
        if task not in self._means:
            self._means[task] = self._store.vectors(self.results[task].path)[HEAD_MEANS]
        return self._means[task]


def with_known_heads(
    plan: Plan, source: ModelSource, head_outcome: Outcome, thetas: TaskVectors
) -> tuple[list[Task], KnownHeads]:
    """The tasks whose task vectors and effects of heads are known, and these."""
    results = {result.key.task: result for result in head_outcome.of(source.name).results}
    tasks = [
        task
        for task in plan.tasks
        if task.name in results and (source.name, task.name) in thetas.paths
    ]
    return tasks, KnownHeads(Store(plan.config.results), results)


def requests(
    plan: Plan, source: ModelSource, least: int = 1, solved: bool = False
) -> "list[HeadEffects]":
    """One request per task. Only a redraw does without the means of the heads.

    Args:
        least: the number of heads that a model must have.
        solved: only of dev episodes that in-context learning answers right.
    """
    needs = not plan.config.redraw
    return [
        HeadEffects(
            plan,
            identity(plan, EFFECTS, source, task) | chosen_queries(solved),
            task,
            least,
            needs_vectors=needs,
        )
        for task in plan.tasks
    ]


def chosen_queries(solved: bool) -> dict[str, str]:
    """The part of an identity that says which dev queries means and effects are of; empty for all
    of them."""
    return {"queries": "solved"} if solved else {}


def check_enough_heads(model: "Model", count: int) -> None:
    """Check that a model has `count` attention heads that can be told apart.

    Raises:
        RefusedError: when it has not.
    """
    attention = model.decoder.attention
    attention.check()
    total = model.decoder.depth * attention.heads
    if count > total:
        raise RefusedError(f"{option('heads', count)}: {model.name} has {total} heads.")


@dataclass(frozen=True)
class HeadEffects(TaskRequest):
    """The causal effect of every head on one task, and the mean of every head."""

    least: int
    """The number of heads that the model must have."""

    def steps(self, model: "Model") -> Steps[Measured]:
        """Means over the few-shot dev prompts, and effects on dev prompts with shuffled labels.

        Raises:
            MeasurementError: when an effect is NaN or infinite.
            RefusedError: when the heads of the model cannot be told apart, or are too few.
            UsageError: when a prompt does not suit the tokenizer.
        """
        from tvsight.protocol.causal_effects import measure_effects

        attention, depth = model.decoder.attention, model.decoder.depth
        check_enough_heads(model, self.least)
        episodes, notes = self.plan.episodes(self.task, model)
        by_split = asked(model, self.task, episodes, self.plan.template)
        dev = method_tokens(self.plan, self.task, model, episodes, by_split)["dev"]
        size = 4 * depth * attention.heads * attention.head_width
        solved = "queries" in self.identity
        # A rehearsal's model answers nothing right.
        (measured,) = yield [Job(measure_effects, (dev, solved), size, prompts=1, small=(False,))]
        is_finite = measured["effect"].isfinite().all() and measured["means"].isfinite().all()
        check_finite(is_finite, "an effect or a head")
        data = self._frame(by_split["dev"], measured, model)
        return Measured(data, {HEAD_MEANS: measured["means"].cpu().contiguous()}, notes)

    def line(self, rows: pd.DataFrame) -> str:
        """The heads of largest effect."""
        means = effects(rows).sort_values("rank").head(3)
        named = [
            f"({head['layer']}, {head['head']}) {head['effect']:.3f}"
            for _, head in means.iterrows()
        ]
        return f"largest effects {', '.join(named)}"

    def _frame(self, dev: "Asked", measured: "Found", model: "Model") -> pd.DataFrame:
        effect, log_effect = (measured[name].double().numpy() for name in ("effect", "log_effect"))
        number, layer, head = (axis.ravel() for axis in np.indices(effect.shape))
        asked = [dev.episodes[episode] for episode in measured["episodes"]]
        prompt_rows = pd.DataFrame(
            {
                "episode": measured["episodes"],
                "query": [episode.query for episode in asked],
                "expected": [episode.accepted[0] for episode in asked],
                "probability": measured["probability"].double().tolist(),
                "log_probability": measured["log_probability"].double().tolist(),
            }
        )
        rows = prompt_rows.iloc[number].reset_index(drop=True)
        rows = rows.assign(
            model=model.name,
            task=self.task.name,
            category=self.task.category,
            layer=layer,
            head=head,
            effect=effect.ravel(),
            log_effect=log_effect.ravel(),
            measured_on=model.device,
        )
        columns = schema(EFFECTS).columns
        return rows[list(columns)].astype(columns)
