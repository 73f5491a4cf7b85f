"""Effects of heads: means over prompts and tasks, ranks, and heads that tasks share."""

from itertools import combinations

import pandas as pd
from scipy.stats import hypergeom

from tvsight.statistics import summaries
from tvsight.statistics.tests import SIGNIFICANCE, with_holm

HEAD = ["layer", "head"]
KEYS = ["model", "task"]


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean effect of every head on every task (the AIE of Todd et al., equation 4).

    Args:
        rows: of head effects.

    Returns:
        `model`, `task`, `layer`, `head`, `prompts`, `effect` with `_low` and `_high` (normal
        approximation over prompts, 95 %), `log_effect`, and `rank` in its task, from 1, of
        equal heads the lowest first.
    """
    groups = rows.groupby([*KEYS, *HEAD], sort=False, observed=True)
    table = groups.agg(
        prompts=("effect", "size"),
        effect=("effect", "mean"),
        error=("effect", "sem"),
        log_effect=("log_effect", "mean"),
    ).reset_index()
    half = 1.96 * table.pop("error")
    table = table.assign(effect_low=table["effect"] - half, effect_high=table["effect"] + half)
    by_effect = table.sort_values(["effect", *HEAD], ascending=[False, True, True])
    return table.assign(rank=by_effect.groupby(KEYS, observed=True).cumcount() + 1)


def ranking(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """The heads of one task, those of the largest mean effect first; of equal ones, the lowest.

    Args:
        rows: of the head effects of one task.
    """
    order = effects(rows).sort_values("rank")
    return [(int(layer), int(head)) for layer, head in order[HEAD].itertuples(index=False)]


def by_fv(tables: pd.DataFrame) -> list[tuple[int, int]]:
    """All heads of a model, those of the largest mean effect over tasks first.

    Args:
        tables: from `effects`, of the tasks that choose.
    """
    return ranked(tables.groupby(HEAD)["effect"].mean())


def ranked(values: pd.Series) -> list[tuple[int, int]]:
    """Heads by value, the largest first; of equal ones, the lowest."""
    order = values.sort_index().sort_values(ascending=False, kind="stable")
    return [(int(layer), int(head)) for layer, head in order.index]


def universal(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The mean effect of every head over tasks, the largest first, a row per model and head.

    Args:
        table: from `effects`.
        count: heads in a function vector.

    Returns:
        `model`, `layer`, `head`, `tasks`, `effect` with `_low` and `_high` (bootstrap over tasks),
        and `in_top`, the number of tasks whose function vector has the head.
    """
    ordered, models = table.sort_values(HEAD, kind="stable"), list(table["model"].unique())
    means = summaries.over_tasks(
        ordered, HEAD, ["effect"], more=lambda run: {"in_top": int((run["rank"] <= count).sum())}
    )
    means = means.sort_values("effect", ascending=False, kind="stable")
    return means.sort_values(
        "model", key=lambda of: of.map(models.index), kind="stable", ignore_index=True
    )


def overlap(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The heads that two tasks have in common, a row per model and pair.

    Args:
        table: from `effects`.
        count: heads in a function vector.

    Returns:
        `model`, `task`, `other`, `shared`, `expected` (of two random sets of heads), `p` (that
        random sets share as many, hypergeometric), `p_holm`, adjusted for the pairs of a model, and
        `more`, whether that is below 5 %.
    """
    shares = []
    for model, model_rows in table.groupby("model", sort=False, observed=True):
        top = model_rows[model_rows["rank"] <= count]
        sets = {
            task: set(task_rows[HEAD].itertuples(index=False, name=None))
            for task, task_rows in top.groupby("task", sort=False, observed=True)
        }
        heads = len(model_rows[HEAD].drop_duplicates())
        for task, other in combinations(sets, 2):
            shared = len(sets[task] & sets[other])
            p_value = float(hypergeom.sf(shared - 1, heads, count, count))
            shares.append((model, task, other, shared, count**2 / heads, p_value))
    columns = ["model", "task", "other", "shared", "expected", "p"]
    table = with_holm(pd.DataFrame(shares, columns=columns), ["p"])
    return table.assign(more=table["p_holm"] < SIGNIFICANCE)
