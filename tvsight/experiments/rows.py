"""Tidy rows from measured tensors: one row per scored prediction."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tvsight.errors import MeasurementError
from tvsight.prompts.episodes import SPLITS
from tvsight.prompts.shuffling import shuffled_labels
from tvsight.prompts.tokens import tokenise, whole_prompts
from tvsight.statistics.intervals import accuracy
from tvsight.storage.episode_tables import tabled as table_of
from tvsight.storage.schemas import SCORED, Schema

if TYPE_CHECKING:
    from tvsight.interventions.answers import Answers
    from tvsight.models.loading import Model
    from tvsight.prompts import Episode, PromptTokens, Template
    from tvsight.prompts.episodes import Split
    from tvsight.prompts.tokens import MethodTokens
    from tvsight.run.planning import Plan
    from tvsight.tasks import Task

LAST = "last"
"""The read or write position of every vector: the last token of the prompt, `→`."""


class Asked(NamedTuple):
    """The episodes of one split and the tokens of their prompts."""

    model: "Model"
    episodes: "Sequence[Episode]"
    tokens: "PromptTokens"

    def rows(
        self, read: "Answers", procedure: str, layer: int | None = None, **labels: Any
    ) -> list[dict[str, Any]]:
        """One row per episode of one procedure (and, for a patched one, one layer).

        Args:
            read: every value `[episodes]`.
            layer: 0-based block after which a vector was applied; None where none was.
            labels: further columns of the experiment's schema, the same in every row.

        Raises:
            MeasurementError: when a log-probability or a margin is not a finite number.
        """
        if not (read["log_probability"].isfinite().all() and read["margin"].isfinite().all()):
            place = "" if layer is None else f" after block {layer}"
            raise MeasurementError(
                f"{procedure}{place}: the logits hold NaN or infinity. A wider --dtype may help."
            )
        position = None if layer is None else LAST
        texts = self.model.vocabulary.texts
        tokens = read["token"].tolist()
        log_probabilities = read["log_probability"].tolist()
        margins = read["margin"].tolist()
        ranks = read["rank"].tolist()
        further = [{} for _ in self.episodes] if "gap" not in read else _among_answers(read)
        return [
            {
                "model": self.model.name,
                "procedure": procedure,
                "split": episode.split,
                "layer": layer,
                "layer_identified": None,
                "read_position": position,
                "write_position": position,
                "episode": number,
                "query": episode.query,
                "expected": episode.accepted[0],
                "predicted": texts[tokens[number]] if tokens[number] < len(texts) else "",
                "correct": tokens[number] in self.tokens["accepted"][number],
                "log_probability": log_probabilities[number],
                "margin": margins[number],
                "measured_on": self.model.device,
                "rank": ranks[number],
                **further[number],
                **labels,
            }
            for number, episode in enumerate(self.episodes)
        ]

    def swept(self, read: "Answers", procedure: str, **labels: Any) -> list[dict[str, Any]]:
        """The rows of a vector that was applied after every block, see `rows`.

        Args:
            read: every value `[episodes, depth]`.
        """
        from tvsight.experiments.measuring import at  # torch, once all is in order

        found = []
        for block in range(read["token"].shape[1]):
            found += self.rows(at(read, block), procedure, block, **labels)
        return found


def _among_answers(read: "Answers") -> list[dict[str, float]]:
    gaps, divergences = read["gap"].tolist(), read["divergence"].tolist()
    return [
        {"answer_gap": gap, "icl_divergence": divergence}
        for gap, divergence in zip(gaps, divergences, strict=True)
    ]


def asked(
    model: "Model", task: "Task", episodes: "Sequence[Episode]", template: "Template"
) -> dict[str, Asked]:
    """The episodes of each split, dev and test, tokenised.

    Raises:
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    by_split = {split: [e for e in episodes if e.split == split] for split in SPLITS}
    return {
        split: Asked(model, of_split, tokenise(model, of_split, task.match, template))
        for split, of_split in by_split.items()
    }


def tabled(of_split: Mapping[str, Asked]) -> pd.DataFrame:
    """The episodes of every split, with the texts of the tokens of their few-shot prompts, as they
    are stored."""
    return pd.concat(
        [
            table_of(
                one.episodes,
                [
                    [one.model.vocabulary.texts[token] for token in prompt]
                    for prompt in whole_prompts(one.tokens)
                ],
            )
            for one in of_split.values()
        ],
        ignore_index=True,
    )


def method_tokens(
    plan: "Plan",
    task: "Task",
    model: "Model",
    episodes: "Sequence[Episode]",
    of_split: Mapping[str, Asked],
) -> "dict[Split, MethodTokens]":
    """The prompts of a method by split: those of the central comparison, and the same with the
    shuffled labels of the controls."""
    draw = f"{plan.sampling.seed}/{task.name}" if task.name not in plan.replayed else task.name
    shuffled = [shuffled_labels(episode, f"{draw}/{n}") for n, episode in enumerate(episodes)]
    permuted = asked(model, task, shuffled, plan.template)
    return {
        split: {**of_split[split].tokens, "shuffled": whole_prompts(permuted[split].tokens)}
        for split in SPLITS
    }


def frame(
    rows: list[dict[str, Any]], task: str, category: str, schema: Schema = SCORED
) -> pd.DataFrame:
    """Rows of one task as a data frame with the columns of a schema.

    Raises:
        MeasurementError: when there are none, or an accuracy lies outside its own interval.
    """
    if not rows:
        raise MeasurementError("no episode could be used.")
    data = pd.DataFrame(rows).assign(task=task, category=category)
    test = data[data["split"] == "test"]
    for procedure, asked in test.groupby(list(schema.conditions), dropna=False):
        found = accuracy(asked["correct"], asked["query"])
        if not 0 <= found.low <= found.value <= found.high <= 1:
            raise MeasurementError(
                f"the accuracy of {_named(procedure)}, {found.value}, is outside its interval "
                f"[{found.low}, {found.high}]."
            )
    columns = schema.columns_with(set(map(str, data)))
    return data[list(columns)].astype(columns)


def _named(condition: tuple[Any, ...]) -> str:
    return ", ".join(str(part) for part in condition if not pd.isna(part))
