"""Tidy rows from measured tensors: one row per scored prediction."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tvsight.errors import MeasurementError
from tvsight.statistics.intervals import accuracy
from tvsight.storage.schemas import SCORED, Schema

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.models.loading import Model
    from tvsight.prompts import Episode, PromptTokens

LAST = "last"
"""The read or write position of every vector: the last token of the prompt, `→`."""


def scored_rows(
    model: "Model",
    episodes: "Sequence[Episode]",
    prompts: "PromptTokens",
    read: "dict[str, Tensor]",
    procedure: str,
    layer: int | None = None,
    **others: Any,
) -> list[dict[str, Any]]:
    """One row per episode of one procedure (and, for a patched one, one layer).

    Args:
        read: what `interventions.answers` returned, each `[episodes]`.
        layer: 0-based block after which a vector was applied; None where none was.
        others: what an experiment's schema has besides; the same in every row.

    Raises:
        MeasurementError: when a log-probability or a margin is not a finite number.
    """
    columns = {name: values.tolist() for name, values in read.items()}
    for name in ("log_probability", "margin"):
        if not read[name].isfinite().all():
            place = "" if layer is None else f" after block {layer}"
            raise MeasurementError(
                f"{procedure}{place}: the logits hold NaN or infinity. A wider --dtype may help."
            )
    position = None if layer is None else LAST
    texts = model.vocabulary.texts
    return [
        {
            "model": model.name,
            "procedure": procedure,
            "split": episode.split,
            "layer": layer,
            "layer_identified": None,
            "read_position": position,
            "write_position": position,
            "episode": number,
            "query": episode.query,
            "expected": episode.accepted[0],
            "predicted": texts[token] if token < len(texts) else "",
            "correct": token in prompts["accepted"][number],
            "log_probability": columns["log_probability"][number],
            "margin": columns["margin"][number],
            "measured_on": model.device,
            **others,
        }
        for number, (episode, token) in enumerate(zip(episodes, columns["token"], strict=True))
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
        found = accuracy(asked["correct"], asked["query"])
        if not 0 <= found.low <= found.value <= found.high <= 1:
            raise MeasurementError(
                f"the accuracy of {_named(procedure)}, {found.value}, is outside its interval "
                f"[{found.low}, {found.high}]."
            )
    return data[list(schema.columns)].astype(schema.columns)


def _named(condition: tuple[Any, ...]) -> str:
    return ", ".join(str(part) for part in condition if not pd.isna(part))
