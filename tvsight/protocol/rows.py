"""Tidy rows from measured tensors: one row per scored prediction."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tvsight.errors import MeasurementError, option
from tvsight.prompts.episodes import SPLITS
from tvsight.prompts.shuffling import shuffled_labels
from tvsight.prompts.tokens import tokenise, whole_prompts
from tvsight.statistics.intervals import accuracy
from tvsight.statistics.summaries import layer_p
from tvsight.statistics.tests import SIGNIFICANCE
from tvsight.storage.episode_tables import tabled as table_of
from tvsight.storage.schemas import SCORED, Schema

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.interventions.answers import Answers
    from tvsight.models.loading import Model
    from tvsight.prompts import Episode, PromptTokens, Template
    from tvsight.prompts.episodes import Split
    from tvsight.protocol.conditions import Read
    from tvsight.protocol.measure import Comparison
    from tvsight.run.planning import Plan
    from tvsight.tasks import Task

NUMBERS = {
    "log_probability": "log_probability",
    "margin": "margin",
    "rank": "rank",
    "gap": "answer_gap",
    "divergence": "icl_divergence",
}
"""The columns of the numbers of `Answers`."""
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
            where = "" if layer is None else f" after block {layer}"
            raise MeasurementError(
                f"{procedure}{where}: the logits hold NaN or infinity. "
                f"A wider {option('dtype')} may help."
            )
        position = None if layer is None else LAST
        texts = self.model.vocabulary.texts
        tensors: Mapping[str, Any] = read
        tokens = read["token"].tolist()
        numbers = {
            column: tensors[name].tolist() for name, column in NUMBERS.items() if name in read
        }
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
                "measured_on": self.model.device,
                **{column: values[number] for column, values in numbers.items()},
                **labels,
            }
            for number, episode in enumerate(self.episodes)
        ]

    def labelled(self, read: "Read") -> list[dict[str, Any]]:
        """The rows of one condition: of each block after the other."""
        from tvsight.protocol.conditions import at  # imports torch

        answers, named, labels = read["answers"], read["procedure"], read["labels"]
        if read["blocks"] is None:
            return self.rows(answers, named, **labels)
        return [
            row
            for index, block in enumerate(read["blocks"])
            for row in self.rows(at(answers, index), named, block, **labels)
        ]

    def all_labelled(self, reads: "Sequence[Read]", but: str = "no_op") -> list[dict[str, Any]]:
        """The rows of every condition but one."""
        return [row for read in reads if read["procedure"] != but for row in self.labelled(read)]


def asked(
    model: "Model", task: "Task", episodes: "Sequence[Episode]", template: "Template"
) -> dict[str, Asked]:
    """The episodes of each split, dev and test, tokenised.

    Raises:
        UsageError: when a prompt or an answer does not suit the tokenizer.
    """
    by_split = {split: [e for e in episodes if e.split == split] for split in SPLITS}
    return {
        split: Asked(model, split_episodes, tokenise(model, split_episodes, task.match, template))
        for split, split_episodes in by_split.items()
    }


def tabled(by_split: Mapping[str, Asked]) -> pd.DataFrame:
    """The episodes of every split, with the texts of the tokens of their few-shot prompts, as they
    are stored."""
    return pd.concat(
        [
            table_of(
                split_asked.episodes,
                [
                    [split_asked.model.vocabulary.texts[token] for token in prompt]
                    for prompt in whole_prompts(split_asked.tokens)
                ],
            )
            for split_asked in by_split.values()
        ],
        ignore_index=True,
    )


def method_tokens(
    plan: "Plan",
    task: "Task",
    model: "Model",
    episodes: "Sequence[Episode]",
    by_split: Mapping[str, Asked],
) -> "dict[Split, PromptTokens]":
    """The prompts of a method by split: those of the central comparison, and the same with the
    shuffled labels of the controls."""
    draw = f"{plan.sampling.seed}/{task.name}" if task.name not in plan.replayed else task.name
    shuffled = [shuffled_labels(episode, f"{draw}/{n}") for n, episode in enumerate(episodes)]
    permuted = asked(model, task, shuffled, plan.template)
    return {
        split: {**by_split[split].tokens, "shuffled": whole_prompts(permuted[split].tokens)}
        for split in SPLITS
    }


def check_finite(is_finite: object, what: str) -> None:
    """Check that something was measured without NaN and infinity.

    Raises:
        MeasurementError: when it was not.
    """
    if not is_finite:
        raise MeasurementError(f"{what} holds NaN or infinity; try a wider {option('dtype')}.")


def finite_vectors(result: "Comparison", remedy: str = "") -> "dict[str, Tensor]":
    """The vectors of both splits in half precision.

    Args:
        remedy: a sentence on what to do where they cannot be stored.

    Raises:
        MeasurementError: when they hold NaN or infinity, or numbers beyond half precision.
    """
    check_finite(result["dev"]["finite"] and result["test"]["finite"], "a vector or a state")
    vectors: dict[str, Tensor] = {split: result[split]["vectors"] for split in SPLITS}
    if not all(half.isfinite().all() for half in vectors.values()):
        raise MeasurementError(
            "vectors hold numbers beyond 65504, so they cannot be stored in half precision. "
            f"{remedy}".rstrip()
        )
    return vectors


def scored(
    by_split: Mapping[str, Asked], result: "Comparison", dtype: str
) -> "list[dict[str, Any]]":
    """Rows of all answers. Those of a vector say whether its layer is identified.

    Raises:
        MeasurementError: when a no-op patch changes an answer, or logits hold NaN or infinity.
    """
    from tvsight.protocol.measure import check_no_op  # imports torch

    check_no_op(result["dev"]["read"], dtype)
    return with_identified(
        [row for split in SPLITS for row in by_split[split].all_labelled(result[split]["read"])]
    )


def with_identified(
    rows: "list[dict[str, Any]]", keys: Sequence[str] = ("procedure",)
) -> "list[dict[str, Any]]":
    """The rows of one task, those of vectors with whether their layer is identified.

    Args:
        rows: with the dev rows of the baseline and of every sweep among them.
        keys: the columns that tell vectors apart.
    """
    table = pd.DataFrame(rows)
    on_dev, by = table["split"] == "dev", list(keys)
    baseline = table[on_dev & (table["procedure"] == "baseline")]
    swept = table[on_dev & table["layer"].notna()]
    identified = {
        vector: layer_p(vector_rows, baseline) < SIGNIFICANCE
        for vector, vector_rows in swept.groupby(by, sort=False)
    }
    return [
        row | {"layer_identified": identified.get(tuple(row.get(name) for name in by))}
        for row in rows
    ]


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
        share = accuracy(asked["correct"], asked["query"])
        if not 0 <= share.low <= share.value <= share.high <= 1:
            raise MeasurementError(
                f"the accuracy of {_named(procedure)}, {share.value}, is outside its interval "
                f"[{share.low}, {share.high}]."
            )
    columns = schema.columns_with(set(map(str, data)))
    return data[list(columns)].astype(columns)


def _named(condition: tuple[Any, ...]) -> str:
    return ", ".join(str(part) for part in condition if not pd.isna(part))
