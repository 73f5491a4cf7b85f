"""How often the renamed and the right answer is given after demonstrations with renamed labels."""

from collections.abc import Mapping

import pandas as pd

from tvsight.output.labels import number
from tvsight.output.procedures import title
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
    "absent_kept": ("absent", "right"),
}
"""The demonstrations, and what an answer is scored as, by the name of the column."""


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracies with renamed labels: a row per model, task, procedure and rule of the block.

    Args:
        rows: of renamed labels. Episodes that could not be given the demonstrations they ask for
            are left out.

    Returns:
        `model`, `category`, `task`, `procedure`, `layer_rule` (empty for ICL); how often, with
        right labels, the `right` answer is given; with renamed labels the right one (`kept`) and
        the `renamed` one; and after demonstrations without the query's answer both too
        (`absent_kept`, `absent`); `share`, of the renamed answer among the labels of demonstrations
        that show it; and `icl_<name>`, the same columns of ICL.
    """
    asked = rows[(rows["share"] > 0) == (rows["demonstrations"] != "absent")]
    known = asked[asked["demonstrations"].notna()].assign(layer_rule=asked["layer_rule"].fillna(""))
    keys = [*TASK, *PROCEDURE]

    def summary(run: pd.DataFrame) -> summaries.Columns:
        cells = run.groupby(["demonstrations", "scored_as"])["correct"].mean().to_dict()
        share = run.loc[run["demonstrations"] == "renamed", "share"].mean()
        return {name: cells.get(cell) for name, cell in CELLS.items()} | {"share": share}

    table = summaries.by_group(known, keys, summary, order=["model", "task"])
    return summaries.beside(table, {f"icl_{name}": ("icl", name) for name in CELLS})


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks: a row per model, procedure and rule of the block.

    Args:
        table: from `by_task`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: those of `CELLS`; `follows` (the
        renamed minus the right answer, with renamed labels), `over_share` (the renamed answer minus
        its share among the labels), `over_absent` (minus itself where no demonstration shows it),
        `over_icl` and `absent_over_icl` (minus that of ICL); of differences also `_equal_p`.
    """
    means: Mapping[str, summaries.Mean] = {
        **{name: name for name in CELLS},
        "follows": ("renamed", "kept"),
        "over_share": ("renamed", "share"),
        "over_absent": ("renamed", "absent"),
        "over_icl": ("renamed", "icl_renamed"),
        "absent_over_icl": ("absent", "icl_absent"),
    }
    return summaries.over_tasks(table, PROCEDURE, means, lists=word_lists)


def task_line(rows: pd.DataFrame) -> str:
    """The renamed labels of one task in a line."""
    parts = []
    for row in by_task(rows).to_dict("records"):
        if row["layer_rule"] != "right":
            parts.append(
                f"{title(row['procedure'])} renamed {number(row['renamed'])}, "
                f"right {number(row['kept'])}"
            )
    return "  ".join(parts)
