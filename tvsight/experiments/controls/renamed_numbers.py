"""Accuracies after demonstrations with renamed labels, scored as renamed and as right answer."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tvsight.statistics import summaries
from tvsight.statistics.summaries import TASK
from tvsight.tasks.overlap import word_lists

PROCEDURE = ["procedure", "layer_rule"]
CELLS = {
    "right": ("right", "right"),
    "kept": ("renamed", "right"),
    "renamed": ("renamed", "renamed"),
    "confused": ("right", "renamed"),
    "absent": ("absent", "renamed"),
}
"""The demonstrations, and what an answer is scored as, by the name of the column."""


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracies with renamed labels: a row per model, task, procedure and rule of the block.

    Args:
        rows: of renamed labels. Episodes that could not be given the demonstrations they ask for
            are left out.

    Returns:
        `model`, `category`, `task`, `procedure`, `layer_rule` (empty for ICL); how often, with
        right labels, the `right` answer and the renamed one (`confused`) are given; with renamed
        labels the right one (`kept`) and the `renamed` one; after demonstrations without the
        query's answer the renamed one (`absent`); `share`, of the renamed answer among the labels
        of demonstrations that show it; and `icl_renamed`, the renamed one of ICL.
    """
    asked = rows[(rows["share"] > 0) == (rows["demonstrations"] != "absent")]
    known = asked[asked["demonstrations"].notna()].assign(layer_rule=asked["layer_rule"].fillna(""))

    def summary(run: pd.DataFrame) -> summaries.Columns:
        cells = run.groupby(["demonstrations", "scored_as"])["correct"].mean().to_dict()
        share = run.loc[run["demonstrations"] == "renamed", "share"].mean()
        return {name: cells.get(cell) for name, cell in CELLS.items()} | {"share": share}

    table = summaries.by_group(known, [*TASK, *PROCEDURE], summary, order=["model", "task"])
    return summaries.beside(table, {"icl_renamed": ("icl", "renamed")})


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks: a row per model, `seed`, procedure and rule of the block.

    Args:
        table: from `by_task`, with a further column `seed`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: those of `CELLS`; `follows` (the
        renamed minus the right answer, with renamed labels); the renamed answer minus its share
        among the labels (`over_share`), itself after right labels (`over_confused`), itself where
        no demonstration shows it (`over_absent`) and that of ICL (`over_icl`);
        of differences also `_equal_p`.
    """
    means: Mapping[str, summaries.Mean] = {
        **{name: name for name in CELLS},
        "follows": ("renamed", "kept"),
        "over_share": ("renamed", "share"),
        "over_confused": ("renamed", "confused"),
        "over_absent": ("renamed", "absent"),
        "over_icl": ("renamed", "icl_renamed"),
    }
    found = summaries.over_tasks(table, ["seed", *PROCEDURE], means, lists=word_lists)
    found.loc[found["procedure"] == "icl", "over_icl_equal_p"] = np.nan  # ICL against itself
    return found
