"""Dev accuracy against the patched block: the numbers of Figure 3 of the paper."""

from typing import Any

import numpy as np
import pandas as pd

from tvsight.errors import UsageError, option
from tvsight.paper import paper_layers
from tvsight.statistics.summaries import by_group

PEAK_SHARE = 0.9
"""Blocks whose mean accuracy is at least this share of the best one's are near the peak."""


def by_layer(rows: pd.DataFrame, procedure: str = "task_vector") -> pd.DataFrame:
    """Dev accuracy of a patched run after each block: one row per model, task and block.

    Returns:
        `model`, `category`, `task`, `layer` (0-based), `relative_depth` (of the block's end: the
        last block's is 1), `accuracy`, `n` (episodes), `chosen` (whether it was tested there).
    """
    swept = rows[(rows["split"] == "dev") & (rows["procedure"] == procedure)]
    keys = ["model", "category", "task", "layer"]
    table = (
        swept.groupby(keys, sort=False, observed=True)["correct"]
        .agg(accuracy="mean", n="size")
        .reset_index()
    )
    tested = rows[(rows["split"] == "test") & (rows["procedure"] == procedure)]
    chosen = tested.groupby(["model", "task"], observed=True)["layer"].first()
    where = pd.MultiIndex.from_frame(table[["model", "task"]])
    table["chosen"] = table["layer"].to_numpy() == chosen.reindex(where).to_numpy()
    return _with_depth(table)


def chosen_layer(rows: pd.DataFrame, procedure: str) -> int:
    """The block after which a vector of one task was tested."""
    return int(rows[(rows["split"] == "test") & (rows["procedure"] == procedure)]["layer"].iloc[0])


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over tasks after each block, and their standard deviation (the paper's band).

    Returns:
        `model`, `layer`, `relative_depth`, `accuracy`, `deviation` (0 for one task), `tasks`.
    """
    grouped = table.groupby(["model", "layer", "relative_depth"], sort=False, observed=True)
    means = grouped["accuracy"].agg(
        accuracy="mean", deviation=lambda values: values.std(ddof=0), tasks="size"
    )
    return means.reset_index()


def peaks(means: pd.DataFrame) -> pd.DataFrame:
    """Where each model's mean is highest, and the blocks around it that come near.

    Args:
        means: from `over_tasks`.

    Returns:
        `model`, `depth`, `layer`, `relative_depth` and `accuracy` of the peak (the lowest of
        several), `first` and `last` block of the unbroken range around it with at least
        `PEAK_SHARE` of its accuracy.
    """

    def summary(model_rows: pd.DataFrame) -> dict[str, Any]:
        accuracy = model_rows.sort_values("layer")["accuracy"].to_numpy()
        depth, peak = len(accuracy), int(accuracy.argmax())
        far = np.flatnonzero(accuracy < PEAK_SHARE * accuracy[peak])
        return {
            **{"depth": depth, "layer": peak, "relative_depth": (peak + 1) / depth},
            "accuracy": accuracy[peak],
            "first": int(far[far < peak].max(initial=-1)) + 1,
            "last": int(far[far > peak].min(initial=depth)) - 1,
        }

    return by_group(means, ["model"], summary)


def common_block(rows: pd.DataFrame, asked: int | None = None) -> dict[str, int]:
    """One block for all tasks of each model: the one where their mean dev accuracy peaks.

    Args:
        rows: of the central comparison.
        asked: the block to take instead.

    Raises:
        UsageError: when a model has no block of the number that is asked for.
    """
    layers_by_vector = {}
    for _, peak in peaks(over_tasks(by_layer(rows))).iterrows():
        if asked is not None and not 0 <= asked < peak["depth"]:
            raise UsageError(
                f"{option('layer', asked)}: {peak['model']} has blocks 0 to {peak['depth'] - 1}."
            )
        layers_by_vector[str(peak["model"])] = int(peak["layer"]) if asked is None else asked
    return layers_by_vector


def paper_by_layer() -> pd.DataFrame:
    """The paper's curves, three models on 18 tasks, in the columns of `by_layer`."""
    return _with_depth(paper_layers().copy())


def _with_depth(table: pd.DataFrame) -> pd.DataFrame:
    depth = table.groupby("model", observed=True)["layer"].transform("max") + 1
    position = list(table.columns).index("layer") + 1
    table.insert(position, "relative_depth", ((table["layer"] + 1) / depth).astype(float))
    return table
