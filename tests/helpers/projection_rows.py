"""Rows of token projections written by hand."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tests.helpers.example_rows import typed
from tvsight.experiments.token_projections import NAME as TOKEN_PROJECTIONS

Asked = dict[str, Sequence[float]]
"""Rank after each block, by `answers` or a word."""


def projected(
    task: str,
    tokens: Sequence[Sequence[str]],
    asked: Asked,
    drawn: Sequence[Asked] = (),
    answers: Sequence[str] = (),
    model: str = "a-model",
) -> pd.DataFrame:
    """Rows of one task.

    Args:
        tokens: the top tokens after each block.
        asked: of the task vector.
        drawn: of each random vector.
        answers: tokens that are an answer.
    """
    rows: list[dict[str, Any]] = [
        {
            **{"vector": "task", "draw": 0, "layer": layer, "kind": "top", "rank": rank},
            **{"token": token, "token_id": rank + 10 * layer, "is_answer": token in answers},
            **{"probability": 0.5**rank, "tokens": 1},
        }
        for layer, of_block in enumerate(tokens)
        for rank, token in enumerate(of_block, start=1)
    ]
    for number, of_vector in enumerate([asked, *drawn]):
        vector = {"vector": "random" if number else "task", "draw": max(0, number - 1)}
        for name, ranks in of_vector.items():
            group: dict[str, Any] = {"kind": "description", "token": name, "tokens": 2}
            if name == "answers":
                group = {"kind": "answers", "tokens": 26}
            rows += [
                vector | group | {"layer": layer, "rank": rank, "probability": 1 / (1 + rank)}
                for layer, rank in enumerate(ranks)
            ]
    labels = {"model": model, "task": task, "category": "custom", "measured_on": "cpu"}
    return typed(rows, TOKEN_PROJECTIONS, **labels)


def chosen(
    rows: pd.DataFrame, layer: int, identified: bool = True, episodes: int = 50
) -> pd.DataFrame:
    """The rows as `projections.with_chosen` gives them."""
    return rows.assign(
        chosen=layer,
        two_above=min(layer + 2, int(rows["layer"].max())),
        layer_identified=identified,
        episodes=episodes,
    )
