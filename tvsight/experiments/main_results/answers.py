"""Ask for the central comparison, or for one method, in whole answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tvsight.errors import MeasurementError
from tvsight.execution.jobs import Job, Steps
from tvsight.experiments.main_results import longest_answer
from tvsight.experiments.rows import Asked, asked, frame, method_tokens, tabled
from tvsight.methods import MethodEntry
from tvsight.models import ModelSource
from tvsight.output.labels import number
from tvsight.output.procedures import title
from tvsight.prompts import Episode, Template, check_window, parts
from tvsight.prompts.episodes import Split
from tvsight.prompts.filtering import cut_answers
from tvsight.prompts.generated import answer_text, check_separator, stop_tokens
from tvsight.prompts.tokens import AnswerTokens
from tvsight.run.outcome import Measured
from tvsight.run.planning import Plan, Request, identity
from tvsight.statistics.summaries import layer_p
from tvsight.statistics.tests import SIGNIFICANCE
from tvsight.storage.schemas import schema
from tvsight.tasks import Task
from tvsight.tasks.whole_answers import score

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.experiments.main_results.answers_measure import WholeAnswers
    from tvsight.models.loading import Model

NAME, METHOD_NAME = "answers", "method_answers"
"""The folders of these results: of the central comparison, and of further methods."""
Row = dict[str, Any]


def requests(
    plan: Plan, source: ModelSource, method: MethodEntry | None = None
) -> "list[AnswerResults]":
    """One request per task.

    Raises:
        UsageError: when the template does not show where an answer ends.
    """
    check_separator(plan.template)
    further = {"answer_tokens": longest_answer(plan.config)}
    if method is not None:
        further |= method.identity
    name = NAME if method is None else METHOD_NAME
    return [
        AnswerResults(plan, identity(plan, name, source, task) | further, task, method)
        for task in plan.tasks
    ]


@dataclass(frozen=True)
class AnswerResults(Request):
    """Whole answers on one task: of the central comparison, or of one further method."""

    task: Task
    method: MethodEntry | None = None

    def steps(self, model: "Model") -> Steps[Measured]:
        """Answer the dev queries after every block, choose the block with most exact answers, and
        answer the test queries there.

        Raises:
            MeasurementError: when states or logits hold NaN or infinity, a vector has another
                shape, or a no-op patch changes an answer.
            UsageError: when a prompt or an answer does not suit the tokenizer.
        """
        from tvsight.experiments.main_results import answers_measure as measure
        from tvsight.experiments.main_results.measure import joined
        from tvsight.experiments.measuring import at, check_no_op

        plan, most = self.plan, longest_answer(self.plan.config)
        episodes, notes = self._episodes(model)
        of_split = asked(model, self._whole, episodes, plan.template)
        prompts = self._prompts(model, episodes, of_split)
        lengths = [len(answer) for split in prompts.values() for answer in split["answers"]]
        longer = sum(length > most for length in lengths)
        notes |= {"cut_answers": {"longer": longer, "of": len(lengths), "longest": max(lengths)}}
        # A method may learn one vector from all dev episodes, so these stay together.
        size = plan.config.max_job_episodes if self.method is None else None
        method = None if self.method is None else self.method.load()
        settings = {} if self.method is None else dict(self.method.settings)
        how = (method, settings, most, stop_tokens(model, plan.template))

        def test_jobs(layers: Mapping[str, int], taught: Mapping[str, Any]) -> list[Job]:
            return [
                Job(measure.answer_test, (part, *how, layers, taught), prompts=1)
                for part in parts(prompts["test"], size)
            ]

        jobs = [
            Job(measure.answer_dev, (part, *how), prompts=1) for part in parts(prompts["dev"], size)
        ]
        names = list(measure.VECTORS) if method is None else [measure.OWN]
        jobs[0] = replace(jobs[0], later=tuple(test_jobs(dict.fromkeys(names, 0), {})))
        on_dev = joined((yield jobs))
        answers = on_dev["answers"]
        check_no_op(
            at(answers["baseline"]["first"], 0), at(answers["no_op"]["first"], 0), model.dtype
        )
        dev, test = (Written(of_split[split], plan.template) for split in ("dev", "test"))
        baseline = dev.rows(answers["baseline"], "baseline")
        swept = {
            name: [
                dev.rows(answers[name], self._key(name), block, block)
                for block in range(model.decoder.depth)
            ]
            for name in names
        }
        layers = {name: most_exact(by_block) for name, by_block in swept.items()}
        on_test = joined((yield test_jobs(layers, on_dev["taught"])))
        rows = list(baseline) if method is None else []
        for name in ("baseline", "icl"):
            rows += test.rows(on_test[name], name) if name in on_test else []
        for name, by_block in swept.items():
            on_blocks = [row for block in by_block for row in block]
            patched = test.rows(on_test[name], self._key(name), 0, layers[name])
            identified = layer_p(on_blocks, baseline) < SIGNIFICANCE
            rows += [row | {"layer_identified": identified} for row in (*on_blocks, *patched)]
        data = frame(rows, self.task.name, self.task.category, schema(self.identity["experiment"]))
        return Measured(data, notes=notes, episodes=tabled(of_split) if method is None else None)

    def line(self, rows: "pd.DataFrame") -> str:
        """The share of exact answers of each procedure, and the block."""
        test = rows[rows["split"] == "test"]
        exact = test.groupby("procedure", sort=False)["correct"].mean()
        shares = "  ".join(f"{title(str(name))} {number(share)}" for name, share in exact.items())
        return f"{shares}  block {test['layer'].dropna().iloc[0]}"

    def episodes(self, model: "Model") -> Sequence[Episode]:
        """The episodes of the task."""
        return self._episodes(model)[0]

    @property
    def _whole(self) -> Task:
        """The task with answers of any length: `prefix` keeps every pair that can be written."""
        return replace(self.task, match="prefix")

    def _episodes(self, model: "Model") -> tuple[Sequence[Episode], dict[str, Any]]:
        """The episodes, and their entries in the manifest. Whole answers are told apart, so it is
        not noted which begin alike."""
        episodes, notes = self.plan.episodes(self._whole, model)
        return episodes, {name: of for name, of in notes.items() if name != "shared_first_token"}

    def _prompts(
        self, model: "Model", episodes: Sequence[Episode], of_split: Mapping[str, Asked]
    ) -> dict[Split, AnswerTokens]:
        """The prompts of each split with the tokens of the usual answers.

        Raises:
            UsageError: when a prompt and its answer are longer than the context window.
        """
        tokens = method_tokens(self.plan, self._whole, model, episodes, of_split)
        most = longest_answer(self.plan.config)
        found: dict[Split, AnswerTokens] = {}
        for split, prompts in tokens.items():
            usual = [(e.query, e.accepted[:1]) for e in of_split[split].episodes]
            cut = cut_answers(model.tokenizer, usual, self.plan.template)
            found[split] = {**prompts, "answers": [answer for (answer,) in cut]}
            shown = zip(prompts["shared"], prompts["query"], found[split]["answers"], strict=True)
            check_window(
                model,
                [
                    [*shared, *query, *[0] * max(most, len(answer))]
                    for shared, query, answer in shown
                ],
            )
        return found

    def _key(self, name: str) -> str:
        return name if self.method is None else self.method.key


@dataclass(frozen=True)
class Written:
    """The episodes of one split, for rows of whole answers."""

    asked: Asked
    template: Template

    def rows(
        self, read: "WholeAnswers", procedure: str, place: int = 0, layer: int | None = None
    ) -> list[Row]:
        """One row per episode of one procedure.

        Args:
            place: of the answers along the blocks of `read`.
            layer: 0-based block after which a vector was applied; None where none was.

        Raises:
            MeasurementError: when a log-probability or a margin is not a finite number.
        """
        from tvsight.experiments.measuring import at

        model = self.asked.model
        whole = read["answer_log_probability"][:, place]
        if not whole.isfinite().all():
            raise MeasurementError(
                f"{procedure}: the probability of an answer is zero. A wider --dtype may help."
            )
        return [
            row | self._scored(row, answer_text(model, tokens, self.template), log_probability)
            for row, tokens, log_probability in zip(
                self.asked.rows(at(read["first"], place), procedure, layer),
                read["generated"][:, place].tolist(),
                whole.tolist(),
                strict=True,
            )
        ]

    def _scored(self, row: Row, predicted: str, log_probability: float) -> Row:
        episode = self.asked.episodes[row["episode"]]
        found = score(predicted, episode.query, episode.accepted)
        return {
            "predicted": predicted,
            "correct": found.exact,
            "f1": found.f1,
            "first_word": found.first_word,
            "answer_log_probability": log_probability,
        }


def most_exact(by_block: Sequence[Sequence[Row]]) -> int:
    """The block with the most exact answers; of several, the lowest."""
    exact = [sum(row["correct"] for row in rows) for rows in by_block]
    return exact.index(max(exact))
