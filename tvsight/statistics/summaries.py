"""Scored rows as numbers: a row per model, task and condition, then means over tasks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tvsight.statistics.counts import adjusted_name, counted, tested
from tvsight.statistics.intervals import (
    Estimate,
    accuracy,
    difference,
    mean_difference,
    mean_of,
    mean_over_tasks,
    recovered_gap,
)
from tvsight.statistics.tests import SIGNIFICANCE, best_better_than, better_than, with_holm

TASK = ["model", "category", "task"]
ENDS = ("", "_low", "_high")
"""Of the names of the columns of an estimate."""
Columns = Mapping[str, Any]
Rows = TypeVar("Rows")


class Ratio(NamedTuple):
    """A statistic of means over the same tasks; see `intervals.mean_over_tasks`."""

    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    columns: Sequence[str]
    difference: bool = False
    """Whether it is one, so that 0 says that two things are equal."""


Mean = str | tuple[str, str] | Ratio
"""A column, the first of two columns minus the second, or a statistic of the means of several."""
Pair = tuple[pd.DataFrame, pd.DataFrame]
Contrast = Callable[[pd.DataFrame, pd.DataFrame], Pair | None]
"""Two runs whose paired difference is taken, from the rows of a task and those of a condition; None
where there is nothing to compare."""


def gap(name: str = "accuracy") -> Ratio:
    """The recovered gap of the mean of a column, from those of `baseline` and `icl`."""
    return Ratio(recovered_gap, ("baseline", "icl", name))


def sizes(run: pd.DataFrame) -> dict[str, int]:
    """The numbers of episodes and of different queries."""
    return {"n": run["episode"].nunique(), "queries": run["query"].nunique()}


def right(run: pd.DataFrame, name: str = "accuracy", column: str = "correct") -> dict[str, float]:
    """The share of rows that are right, with its interval over queries."""
    return accuracy(run[column], run["query"]).columns(name)


def paired(first: pd.DataFrame, second: pd.DataFrame, name: str) -> dict[str, float]:
    """By how much one run is right more often than another on the same episodes: columns `name`,
    its `_low` and `_high`, and `_p`, one-sided, that it is.

    Args:
        first, second: rows of one split, one per episode and draw. Each draw of one is paired with
            every draw of the other.

    Raises:
        ValueError: when the second run lacks an episode of the first.
    """
    asked, others = first["episode"].to_numpy(), second["episode"].to_numpy()
    order = others.argsort(kind="stable")
    starts = np.searchsorted(others, asked, "left", sorter=order)
    draws = np.searchsorted(others, asked, "right", sorter=order) - starts
    if (draws == 0).any():
        raise ValueError("a run lacks an episode of the run that it is compared with")
    rows = np.repeat(np.arange(len(asked)), draws)  # a join of pandas takes twenty times as long
    number = np.arange(len(rows)) - np.repeat(draws.cumsum() - draws, draws)
    other_rows = order[starts[rows] + number]
    both = (
        first["correct"].to_numpy()[rows],
        second["correct"].to_numpy()[other_rows],
        first["query"].to_numpy()[rows],
    )
    return difference(*both).columns(name) | {f"{name}_p": better_than(*both)}


def layer_p(
    swept: pd.DataFrame | Sequence[Columns], unpatched: pd.DataFrame | Sequence[Columns]
) -> float:
    """One-sided p-value that the best block of a sweep beats the same prompts without a patch,
    whichever block that is; see `best_better_than`.

    Where the baseline is as good, an early block wins although nothing was transferred there, and
    the accuracy at that block says nothing about task vectors. The layer is *identified* where
    this p-value is below `SIGNIFICANCE`.

    Args:
        swept: dev rows of one vector after each block.
        unpatched: dev rows of the same episodes without a patch.

    Raises:
        ValueError: when a block lacks an episode, or has one twice.
    """
    ordered = pd.DataFrame(swept)[["layer", "episode", "correct"]].sort_values(["layer", "episode"])
    answers = pd.DataFrame(unpatched)[["episode", "correct", "query"]].sort_values("episode")
    shape = (-1, len(answers))
    if (ordered["episode"].to_numpy().reshape(shape) != answers["episode"].to_numpy()).any():
        raise ValueError("a block does not have every episode of the baseline once")
    by_block = ordered["correct"].to_numpy(dtype=bool).reshape(shape).T
    return best_better_than(by_block, answers["correct"], answers["query"])


def identified(swept: pd.DataFrame, unpatched: pd.DataFrame) -> dict[str, Any]:
    """`layer_p`, and `layer_identified`, whether it is below `SIGNIFICANCE`."""
    p_value = layer_p(swept, unpatched)
    return {"layer_p": p_value, "layer_identified": p_value < SIGNIFICANCE}


def by_group(
    table: pd.DataFrame,
    keys: Sequence[str],
    summary: Callable[[pd.DataFrame], Columns],
    order: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row per group of rows: its keys, and its summary.

    Args:
        keys: the columns that tell groups apart; nothing is a value of its own.
        summary: the further columns of a group.
        order: the keys by which rows are ordered first, each as it occurs; all where it is None.
    """
    if order is not None:  # group by group of these
        parts = [of for _, of in table.groupby(list(order), sort=False, observed=True)]
        tables = [by_group(of, keys, summary) for of in parts]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    groups = table.groupby(list(keys), sort=False, observed=True, dropna=False)
    return pd.DataFrame(
        [{**dict(zip(keys, names, strict=True)), **summary(group)} for names, group in groups]
    )


def by_task(
    rows: pd.DataFrame,
    condition: Sequence[str],
    contrasts: Mapping[str, Contrast] = {},
    lead: Callable[[pd.DataFrame, pd.DataFrame], Columns] = lambda _, run: sizes(run),
    more: Callable[[pd.DataFrame, pd.DataFrame], Columns] = lambda *_: {},
    tested: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Accuracy of every condition: one row per model, task and condition.

    Args:
        rows: scored predictions, of which those of the test episodes are summarised.
        condition: the columns that tell conditions apart.
        contrasts: paired differences, by the name of their columns.
        lead, more: columns before the accuracy, and after the contrasts, from the rows of the task
            and those of the condition.
        tested: the rows that are summarised, where not all of the test episodes are.

    Returns:
        `TASK`, `condition`, `lead`; `accuracy` and each contrast with `_low` and `_high`; the `_p`
        of each contrast, one-sided, by permuting queries; and `more`.
    """
    asked = rows[rows["split"] == "test"] if tested is None else tested
    rows_by_task = dict(iter(rows.groupby(["model", "task"], sort=False, observed=True)))

    def summary(run: pd.DataFrame) -> Columns:
        task_rows = rows_by_task[run["model"].iloc[0], run["task"].iloc[0]]
        row = {**lead(task_rows, run), **right(run)}
        for name, contrast in contrasts.items():
            pair = contrast(task_rows, run)
            nothing = dict.fromkeys((*(f"{name}{end}" for end in ENDS), f"{name}_p"), np.nan)
            row |= nothing if pair is None else paired(*pair, name)
        return {**row, **more(task_rows, run)}

    return by_group(asked, [*TASK, *condition], summary, order=["model", "task"])


def adjusted(table: pd.DataFrame, names: Sequence[str], *condition: str) -> pd.DataFrame:
    """A table with `<name>_p_holm` of each contrast that it has, adjusted for the tasks of a model
    and condition."""
    known = [f"{name}_p" for name in names if f"{name}_p" in table]
    return with_holm(table, known, ["model", *condition])


def over_tasks(
    table: pd.DataFrame,
    condition: Sequence[str],
    means: Sequence[str] | Mapping[str, Mean] = ("accuracy",),
    counts: Mapping[str, str] = {},
    more: Callable[[pd.DataFrame], Columns] = lambda _: {},
    lists: Callable[[Sequence[str]], Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: one row per model and condition.

    Args:
        table: one row per model, condition and task.
        condition: the columns that tell conditions apart.
        means: what is averaged, by the name of its columns.
        counts: numbers of tasks, by name: where this column of p-values, as it is where it is
            adjusted by Holm's method already and else after that, is below `SIGNIFICANCE`.
        more: further columns, from the rows of a condition.
        lists: the word list of each task of these names. There is a row for each group of tasks
            then: `all`, and where there are both, `translation` and the `rest`.

    Returns:
        `model`, `condition`, `tasks` (their number), `means`, each with `_low` and `_high`,
        `counts` (see `counted`) and `more`. With `lists` also `group`, `lists` (their number), and
        of each mean `_lists_low` and `_lists_high`, the interval with tasks of one list resampled
        together.
    """
    names = [] if lists is None else list(dict.fromkeys(table["task"].astype(str)))
    list_of = {} if lists is None else dict(zip(names, lists(names), strict=True))

    def summary(run: pd.DataFrame) -> Columns:
        together: dict[str, float] = {}
        if lists is not None:
            tasks = run["task"].astype(str)
            of_lists = averaged(run, means, pd.factorize(tasks.map(list_of))[0])
            together = {"lists": tasks.map(list_of).nunique()} | {
                f"{name}_lists{end}": of_lists[f"{name}{end}"] for name in means for end in ENDS[1:]
            }
        clusters = None if lists is None else pd.factorize(run["task"])[0]
        row = {"tasks": len(run), **averaged(run, means, clusters), **together}
        return {**row, **counted(run, counts), **more(run)}

    def of(part: pd.DataFrame) -> pd.DataFrame:
        return by_group(part, ["model", *condition], summary, order=["model"])

    if lists is None:
        return of(table)
    table = tested(table, ["model", *condition], counts)
    counts = {name: adjusted_name(column) for name, column in counts.items()}
    translated = table["category"] == "translation"
    parts = {"all": table, "translation": table[translated], "rest": table[~translated]}
    kept = {
        name: part for name, part in parts.items() if name == "all" or 0 < len(part) < len(table)
    }
    return pd.concat(
        [of(part).assign(group=name) for name, part in kept.items()], ignore_index=True
    )


def apart(means: pd.DataFrame, condition: Sequence[str], name: str = "accuracy") -> pd.DataFrame:
    """The rows over all tasks of a table from `over_tasks`, with a mean over the translations and
    one over the rest beside it: `<name>_translation` and `<name>_rest`."""
    keys, whole = ["model", *condition], means[means["group"] == "all"]
    for group in ("translation", "rest"):
        part = means.loc[means["group"] == group, [*keys, name]]
        whole = whole.merge(part.rename(columns={name: f"{name}_{group}"}), "left", on=keys)
    return whole


def averaged(
    run: pd.DataFrame, means: Sequence[str] | Mapping[str, Mean], clusters: ArrayLike | None = None
) -> dict[str, float]:
    """Means over the rows of a table, each with `_low` and `_high`; of differences also `_equal_p`,
    the p-value of `intervals.Estimate`.

    Args:
        clusters: the group of each row; rows of one group are resampled together.
    """
    named = means if isinstance(means, Mapping) else {name: name for name in means}
    columns: dict[str, float] = {}
    for name, of in named.items():
        estimate = _mean(run, of, clusters)
        columns |= estimate.columns(name)
        if of.difference if isinstance(of, Ratio) else not isinstance(of, str):
            columns[f"{name}_equal_p"] = estimate.equal_p
    return columns


def each_seed(rows: Mapping[int, Rows], means: Callable[[Rows], pd.DataFrame]) -> pd.DataFrame:
    """Means of what was measured with each seed, model by model, with a further column `seed`."""
    table = pd.concat([means(of).assign(seed=seed) for seed, of in rows.items()])
    models = [table[table["model"] == model] for model in table["model"].unique()]
    return pd.concat(models, ignore_index=True)


def beside(table: pd.DataFrame, others: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """A table with further columns: on the same model and task, of a procedure the value of a
    column.

    Args:
        table: one row per model, task and procedure.
        others: the procedure and the column, by the name of the new one.
    """
    of = pd.MultiIndex.from_frame(table[["model", "task"]])
    ends = {name: table[table["procedure"] == other] for name, (other, _) in others.items()}
    known = {name: end.set_index(["model", "task"]).reindex(of) for name, end in ends.items()}
    return table.assign(**{name: end[others[name][1]].to_numpy() for name, end in known.items()})


def wide(
    table: pd.DataFrame, keys: Sequence[str], column: str, value: str = "accuracy"
) -> pd.DataFrame:
    """One row per group of `keys`: the first row of it, and for each entry of `column` the `value`
    there with `_low` and `_high`, named by the entry."""

    def summary(group: pd.DataFrame) -> Columns:
        runs = {str(row[column]): row for row in group.to_dict("records")}
        values = {f"{at}{end}": row[f"{value}{end}"] for at, row in runs.items() for end in ENDS}
        return {**{str(name): of for name, of in group.iloc[0].items()}, **values}

    return by_group(table, keys, summary)


def long(table: pd.DataFrame, names: Sequence[str], **further: Mapping[str, str]) -> pd.DataFrame:
    """One row per row of a table and each of its columns `names` that has a number there, in the
    columns `procedure` and `accuracy`, with `further` columns, each from the one that is named."""
    parts = []
    for name in filter(table.columns.__contains__, names):
        known = table[table[name].notna()]
        columns = {new: known[of[name]] for new, of in further.items() if name in of}
        parts.append(known.assign(procedure=name, accuracy=known[name], **columns))
    return pd.concat(parts, ignore_index=True)


def _mean(run: pd.DataFrame, of: Mean, clusters: ArrayLike | None) -> Estimate:
    if isinstance(of, str):
        return mean_of(run, of, clusters)
    if isinstance(of, Ratio):
        return mean_over_tasks(run[list(of.columns)], of.statistic, clusters)
    return mean_difference(run, *of, clusters)
