"""Ask for the central comparison, or for one method, in whole answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tvsight.errors import MeasurementError, option
from tvsight.execution.jobs import Job, Steps
from tvsight.methods import MethodEntry
from tvsight.models import ModelSource
from tvsight.output.labels import number
from tvsight.output.procedures import title
from tvsight.prompts import Episode, Template, check_window, parts
from tvsight.prompts.episodes import Split
from tvsight.prompts.filtering import cut_answers
from tvsight.prompts.generated import answer_text, check_separator, stop_tokens
from tvsight.prompts.tokens import PromptTokens, whole_prompts
from tvsight.protocol.options import longest_answer
from tvsight.protocol.rows import Asked, asked, frame, method_tokens, tabled, with_identified
from tvsight.run.outcome import Measured
from tvsight.run.planning import Plan, Request, identity
from tvsight.storage.schemas import schema
from tvsight.tasks import Task
from tvsight.tasks.whole_answers import score

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.models.loading import Model
    from tvsight.protocol.generated import WholeAnswers

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
        from tvsight.protocol import generated, measure

        plan, most = self.plan, longest_answer(self.plan.config)
        episodes, notes = self._episodes(model)
        by_split = asked(model, self._whole, episodes, plan.template)
        prompts = self._prompts(model, episodes, by_split)
        lengths = [len(answer) for split in prompts.values() for answer in split["answers"]]
        longer = sum(length > most for length in lengths)
        notes |= {"cut_answers": {"longer": longer, "of": len(lengths), "longest": max(lengths)}}
        # A method may learn one vector from all dev episodes, so these stay together.
        size = plan.config.max_job_episodes if self.method is None else None
        further = None if self.method is None else (self.method.key, self.method.load())
        settings = {} if self.method is None else dict(self.method.settings)
        how = (further, settings, most, stop_tokens(model, plan.template))

        def test_jobs(layers: Mapping[str, int], taught: Mapping[str, Any]) -> list[Job]:
            return [
                Job(generated.answer_test, (part, *how, layers, taught), prompts=1)
                for part in parts(prompts["test"], size)
            ]

        jobs = [
            Job(generated.answer_dev, (part, *how), prompts=1)
            for part in parts(prompts["dev"], size)
        ]
        names = measure.VECTORS if self.method is None else [self.method.key]
        jobs[0] = replace(jobs[0], later=tuple(test_jobs(dict.fromkeys(names, 0), {})))
        on_dev = measure.joined((yield jobs))
        measure.check_no_op([answers["read"] for answers in on_dev["answers"]], model.dtype)
        rows = [
            row
            for answers in on_dev["answers"]
            if answers["read"]["procedure"] != "no_op"
            for row in written(by_split["dev"], answers, plan.template)
        ]
        layers = {name: most_exact(rows, name) for name in names}
        on_test = measure.joined((yield test_jobs(layers, on_dev["taught"])))
        for answers in on_test:
            rows += written(by_split["test"], answers, plan.template)
        rows = with_identified(rows)
        if self.method is not None:  # the baseline is of the central comparison
            rows = [row for row in rows if row["procedure"] == self.method.key]
        data = frame(rows, self.task.name, self.task.category, schema(self.identity["experiment"]))
        return Measured(
            data, notes=notes, episodes=tabled(by_split) if self.method is None else None
        )

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
        self, model: "Model", episodes: Sequence[Episode], by_split: Mapping[str, Asked]
    ) -> dict[Split, PromptTokens]:
        """The prompts of each split with the tokens of the usual answers.

        Raises:
            UsageError: when a prompt and its answer are longer than the context window.
        """
        tokens = method_tokens(self.plan, self._whole, model, episodes, by_split)
        most = longest_answer(self.plan.config)
        with_answers: dict[Split, PromptTokens] = {}
        for split, prompts in tokens.items():
            usual = [(e.query, e.accepted[:1]) for e in by_split[split].episodes]
            cut = cut_answers(model.tokenizer, usual, self.plan.template)
            with_answers[split] = {**prompts, "answers": [answer for (answer,) in cut]}
            both = zip(whole_prompts(prompts), with_answers[split]["answers"], strict=True)
            check_window(model, [[*of, *[0] * max(most, len(answer))] for of, answer in both])
        return with_answers


def written(asked: Asked, answers: "WholeAnswers", template: Template) -> list[Row]:
    """The rows of one condition: of each block after the other.

    Raises:
        MeasurementError: when a log-probability or a margin is not a finite number.
    """
    whole, read = answers["answer_log_probability"], answers["read"]
    if not whole.isfinite().all():
        raise MeasurementError(
            f"{read['procedure']}: the probability of an answer is zero. A wider "
            f"{option('dtype')} may help."
        )
    rows = asked.labelled(read)
    tokens, probabilities = answers["generated"].transpose(0, 1).flatten(0, 1), whole.T.flatten()
    for row, ids, probability in zip(rows, tokens.tolist(), probabilities.tolist(), strict=True):
        episode, predicted = asked.episodes[row["episode"]], answer_text(asked.model, ids, template)
        scores = score(predicted, episode.query, episode.accepted)
        row |= {"predicted": predicted, "correct": scores.exact, "f1": scores.f1}
        row |= {"first_word": scores.first_word, "answer_log_probability": probability}
    return rows


def most_exact(rows: Sequence[Row], procedure: str) -> int:
    """The block after which a vector has the most exact answers; of several, the lowest."""
    exact = Counter({row["layer"]: 0 for row in rows if row["procedure"] == procedure})
    exact.update(row["layer"] for row in rows if row["procedure"] == procedure and row["correct"])
    return max(sorted(exact), key=exact.__getitem__)
