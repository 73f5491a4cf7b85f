"""Build the job of in-context learning without some heads and turn its output into rows."""

import math
import random
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.heads import (
    CHOOSES,
    DEFINITIONS,
    DRAWS,
    NAME,
    REPLACEMENTS,
    SHARES,
    Options,
)
from tvsight.experiments.heads import induction as induction_scores
from tvsight.experiments.heads.numbers import AGAINST, by_induction, task_line
from tvsight.models import ModelSource
from tvsight.protocol import head_effects as effects
from tvsight.protocol.central import each_seed
from tvsight.protocol.head_numbers import by_fv
from tvsight.protocol.head_numbers import effects as mean_effects
from tvsight.protocol.rows import asked, frame
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, TaskRequest, identity, source_identity
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.interventions.attention import Head
    from tvsight.models.loading import Model
    from tvsight.run.runner import Runner


class Ablation(NamedTuple):
    """One set of heads that is ablated."""

    kind: str
    """One of `KINDS`."""
    share: float
    draw: int | None
    """Which random set; None for other kinds."""
    heads: "list[Head]"


class Ranked(NamedTuple):
    """Heads of a model, ranked before a task is measured."""

    fv: "list[Head]"
    """The heads of the largest mean effect on the other tasks, the largest first."""
    induction: "list[Head]"
    known: effects.KnownHeads
    """The means of the heads of each task."""
    others: list[str]
    """The tasks that chose."""


def collect(runner: "Runner", options: Options) -> Outcome:
    """The effects of heads, their induction scores, and ICL without them, with every seed."""
    return each_seed(options, lambda config: _collect(runner, config))


def _collect(runner: "Runner", options: Options) -> Outcome:
    head_outcome = runner.outcome(options, effects.requests)
    scores = runner.outcome(options, induction_scores.requests)

    def experiment(plan: Plan, source: ModelSource) -> "list[Ablations]":
        return requests(plan, source, head_outcome.of(source.name), scores.of(source.name))

    together = Outcome()
    for outcome in (head_outcome, scores, runner.after(effects.EFFECTS, options, NAME, experiment)):
        together.add(outcome)
    return together


def requests(
    plan: Plan, source: ModelSource, head_outcome: Outcome, scores: Outcome
) -> "list[Ablations]":
    """One request per task whose effects are known, where another task can choose its heads.

    Args:
        head_outcome: the effects of heads of the model.
        scores: its induction scores.
    """
    known = {result.key.task: result for result in head_outcome.results}
    heads = effects.KnownHeads(Store(plan.config.results), known)
    tasks = [task for task in plan.tasks if task.name in known]
    if len(tasks) < 2 or not scores.results:
        return []
    tables = {name: mean_effects(result.rows) for name, result in known.items()}
    by_score = by_induction(scores.table, CHOOSES)
    wanted = []
    for task in tasks:
        # By name: the order of --tasks changes no number.
        others = sorted((other for other in tasks if other != task), key=lambda result: result.name)
        task_identity = identity(plan, NAME, source, task) | {
            "shares": list(SHARES),
            "draws": DRAWS,
            "replacements": list(REPLACEMENTS),
            "definitions": {CHOOSES: list(DEFINITIONS[CHOOSES])},
            **source_identity(plan, others),
        }
        fv = by_fv(pd.concat([tables[other.name] for other in others]))
        ranked = Ranked(fv, by_score, heads, [other.name for other in others])
        wanted.append(Ablations(plan, task_identity, task, ranked))
    return wanted


@dataclass(frozen=True)
class Ablations(TaskRequest):
    """In-context learning on one task without some heads, chosen on the other tasks."""

    ranked: Ranked

    def steps(self, model: "Model") -> Steps[Measured]:
        """All sets of heads, in one job.

        Raises:
            MeasurementError: when logits hold NaN or infinity, or a no-op changes an answer.
            UsageError: when a prompt or an answer does not suit the tokenizer, or the heads of the
                model cannot be told apart.
        """
        from tvsight.experiments.heads.measure import measure
        from tvsight.protocol.conditions import at
        from tvsight.protocol.measure import check_no_op

        model.decoder.attention.check()
        episodes, notes = self.plan.episodes(self.task, model)
        test = asked(model, self.task, episodes, self.plan.template)["test"]
        draw = f"{self.identity['seed']}/{self.task.name}/random heads"
        sets = ablations(self.ranked.fv, self.ranked.induction, draw)
        heads, values = [ablation.heads for ablation in sets], self._values()
        first = [[(layer, 0) for layer, _ in head_set] for head_set in heads]
        one_head = (first, values[:, :, :1, :2])
        (result,) = yield [Job(measure, (test.tokens, heads, values), prompts=1, small=one_head)]
        check_no_op(result["check"], model.dtype, "icl")
        plain = dict.fromkeys(("replaced_by", *Ablation._fields))
        rows: list[dict[str, Any]] = [plain | row for row in test.labelled(result["icl"])]
        for number, (replaced_by, ablation) in enumerate(product(REPLACEMENTS, sets)):
            named = ablation._asdict() | {"heads": len(ablation.heads), "replaced_by": replaced_by}
            rows += test.rows(at(result["ablated"], number), f"ablated_{ablation.kind}", **named)
        return Measured(frame(rows, self.task.name, self.task.category, schema(NAME)), None, notes)

    def line(self, rows: pd.DataFrame) -> str:
        """The accuracy with and without heads."""
        return task_line(rows)

    def _values(self) -> "Tensor":
        """What takes the place of a head, as `REPLACEMENTS` names it."""
        import torch

        own = self.ranked.known.means(self.task.name)
        others = [self.ranked.known.means(name) for name in self.ranked.others]
        values = {
            "other_tasks": torch.stack(others).mean(dim=0),
            "zero": torch.zeros_like(own),
            "own_task": own,
        }
        return torch.stack([values[name] for name in REPLACEMENTS])


def counts(total: int) -> dict[float, int]:
    """Numbers of heads by share. A share that has no more heads than a smaller one is left out.

    Args:
        total: all heads of a model.
    """
    count_by_share: dict[float, int] = {}
    for share in SHARES:
        count = max(1, math.floor(share * total + 1e-9))  # 0.2 * 35 is a little less than 7
        if count not in count_by_share.values():
            count_by_share[share] = count
    return count_by_share


def ablations(fv: "list[Head]", by_score: "list[Head]", draw: str) -> list[Ablation]:
    """The sets of heads that are ablated, of every kind and share.

    Args:
        fv, by_score: all heads, ranked by FV score and by induction score.
        draw: what the random heads depend on. A larger set holds the smaller ones, and none holds
            a head of the largest sets of the other kinds.
    """
    ranked = {"fv": fv, "induction": by_score}
    sizes = counts(len(fv))
    most = max(sizes.values())
    rest = sorted(set(fv) - {*fv[:most], *by_score[:most]})
    shuffled = [
        random.Random(f"{draw}/{number}").sample(rest, len(rest)) for number in range(DRAWS)
    ]
    sets = []
    for share, count in sizes.items():
        for kind, heads in ranked.items():
            sets.append(Ablation(kind, share, None, heads[:count]))
            left_out = set(ranked[AGAINST[kind]][:count])
            others = [head for head in heads if head not in left_out]
            sets.append(Ablation(f"{kind}_excluding", share, None, others[:count]))
        for number, heads in enumerate(shuffled):
            sets.append(Ablation("random", share, number, heads[:count]))
    return sets
