"""Effects of heads, and accuracies of function vectors and of their controls."""

from itertools import combinations

import pandas as pd
from scipy.stats import hypergeom

from tvsight.experiments.main_results.layers import layer_p
from tvsight.experiments.rows import difference_columns
from tvsight.output.labels import interval
from tvsight.statistics.intervals import accuracy, mean_difference, mean_of, mean_over_tasks
from tvsight.statistics.intervals import recovered_gap as gap
from tvsight.statistics.tests import SIGNIFICANCE, holm, with_holm

VECTOR = "function_vector"
HEAD = ["layer", "head"]
KEYS = ["model", "task"]
CONTROLS = (
    *("random_heads", "bottom_heads", "other_function_vector", "random_addition"),
    "raw_vector",
)
COMPARED = (
    *("baseline", "icl", "task_vector", "mean_state", VECTOR, "third"),
    *CONTROLS,
    *("shuffled_baseline", "shuffled_function_vector", "shuffled_third"),
)
"""The columns of the table of tasks: zero-shot, then in few-shot prompts with shuffled labels.
`third` is the function vector after the block at a third of the depth, as its authors have it."""
TESTED = {
    "over_baseline": ("function_vector", "baseline"),
    "behind_task_vector": ("task_vector", "function_vector"),
    "over_random_heads": ("function_vector", "random_heads"),
    "over_other": ("function_vector", "other_function_vector"),
    "over_shuffled": ("shuffled_function_vector", "shuffled_baseline"),
}
"""Paired differences, by the name of their columns."""


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


def universal(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The mean effect of every head over tasks, the largest first, a row per model and head.

    Args:
        table: from `effects`.
        count: heads in a function vector.

    Returns:
        `model`, `layer`, `head`, `tasks`, `effect` with `_low` and `_high` (bootstrap over tasks),
        and `in_top`, the number of tasks whose function vector has the head.
    """
    found = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        rows = []
        for (layer, head), of_head in of_model.groupby(HEAD):
            in_top = int((of_head["rank"] <= count).sum())
            row = {"model": model, "layer": layer, "head": head, "tasks": len(of_head)}
            rows.append({**row, **mean_of(of_head, "effect").columns("effect"), "in_top": in_top})
        by_effect = pd.DataFrame(rows).sort_values("effect", ascending=False, kind="stable")
        found.append(by_effect)
    return pd.concat(found, ignore_index=True)


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
    found = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        top = of_model[of_model["rank"] <= count]
        sets = {
            task: set(of_task[HEAD].itertuples(index=False, name=None))
            for task, of_task in top.groupby("task", sort=False, observed=True)
        }
        heads = len(of_model[HEAD].drop_duplicates())
        for task, other in combinations(sets, 2):
            shared = len(sets[task] & sets[other])
            found.append(
                {
                    **{"model": model, "task": task, "other": other, "shared": shared},
                    "expected": count**2 / heads,
                    "p": float(hypergeom.sf(shared - 1, heads, count, count)),
                }
            )
    table = pd.DataFrame(found)
    if table.empty:
        return table
    p_holm = table.groupby("model", sort=False)["p"].transform(holm)
    return table.assign(p_holm=p_holm, more=p_holm < SIGNIFICANCE)


def by_task(central: pd.DataFrame, rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Test accuracy of function vectors and of their controls: one row per model and task.

    Args:
        central: rows of the central comparison, with those of the mean state.
        rows: of function vectors.
        count: heads in the vector.

    Returns:
        `model`, `category`, `task`, `n`, `queries`, `layer`, `layer_p` (see `layers.layer_p`),
        `layer_identified`; the accuracy of each of `COMPARED`, and `<name>_given_icl`, that among
        the episodes that ICL gets right (as Todd et al. report it); each of `TESTED` (both with
        `_low` and `_high`), its `_p`, one-sided, by permuting queries, and `_p_holm`, adjusted for
        the tasks of the model. Where there is one task alone, nothing is said of another one's
        vector.
    """
    found = []
    for (model, task), of_task in rows.groupby(KEYS, sort=False, observed=True):
        same = central[(central["model"] == model) & (central["task"] == task)]
        answered = _answers(same, of_task, count)
        vector = answered[VECTOR]
        dev = of_task[(of_task["split"] == "dev") & (of_task["context"] == "zero_shot")]
        swept, unpatched = (dev[dev["procedure"] == name] for name in (VECTOR, "baseline"))
        p_value = layer_p(swept, unpatched)
        row = {name: vector[name].iloc[0] for name in ("model", "category", "task")}
        row |= {
            "n": vector["episode"].nunique(),
            "queries": vector["query"].nunique(),
            "layer": int(vector["layer"].iloc[0]),
            "layer_p": p_value,
            "layer_identified": p_value < SIGNIFICANCE,
        }
        solved = answered["icl"].loc[answered["icl"]["correct"], "episode"]
        for name, run in answered.items():
            row |= accuracy(run["correct"], run["query"]).columns(name)
            row[f"{name}_given_icl"] = run.loc[run["episode"].isin(solved), "correct"].mean()
        for name, (first, second) in TESTED.items():
            if second in answered:
                row |= difference_columns(answered[first], _once(answered[second]), name)
        found.append(row)
    table = pd.DataFrame(found)
    tested = ["layer_p", *(f"{name}_p" for name in TESTED)]
    return with_holm(table, [name for name in tested if name in table])


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: one row per model and procedure.

    Args:
        table: from `by_task`.

    Returns:
        `model`, `procedure`, `tasks` (their number), `accuracy`, `given_icl` (accuracy among the
        episodes that ICL gets right), `recovered_gap` (of the zero-shot ones), `below` (how much
        less accurate than the function vector in the same context, tasks paired), each with `_low`
        and `_high`.
    """
    found = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        for name in COMPARED:
            if name not in of_model or of_model[name].isna().all():
                continue
            row = {"model": model, "procedure": name, "tasks": len(of_model)}
            row |= mean_of(of_model, name).columns("accuracy")
            row |= mean_of(of_model.dropna(subset="icl_given_icl"), f"{name}_given_icl").columns(
                "given_icl"
            )
            if not name.startswith("shuffled"):
                ends = of_model[["baseline", "icl", name]]
                row |= mean_over_tasks(ends, gap).columns("recovered_gap")
            against = "shuffled_function_vector" if name.startswith("shuffled") else VECTOR
            row |= mean_difference(of_model, against, name).columns("below")
            found.append(row)
    return pd.DataFrame(found)


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers of tasks with a significant difference after Holm's correction: one row per model.

    Args:
        table: from `by_task`.

    Returns:
        `model`, `tasks`, `identified`, and each of `TESTED`.
    """
    groups = table.groupby("model", sort=False, observed=True)
    names = {"identified": "layer_p_holm", **{name: f"{name}_p_holm" for name in TESTED}}
    found = {
        name: groups[column].agg(lambda values: int((values < SIGNIFICANCE).sum()))
        for name, column in names.items()
        if column in table
    }
    return pd.DataFrame({"tasks": groups.size(), **found}).reset_index()


def curve(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy over tasks by the number of heads, zero-shot, after the chosen block.

    Args:
        rows: of function vectors.

    Returns:
        `model`, `heads`, `tasks`, `accuracy` with `_low` and `_high`.
    """
    test = rows[
        (rows["split"] == "test")
        & (rows["context"] == "zero_shot")
        & (rows["procedure"] == VECTOR)
        & (rows["layer_rule"] == "dev")
    ]
    found = []
    for model, of_model in test.groupby("model", sort=False, observed=True):
        accuracies = of_model.groupby(["heads", "task"], observed=True)["correct"].mean()
        for heads, values in accuracies.groupby("heads"):
            mean = mean_of(values.to_frame("accuracy"), "accuracy")
            row = {"model": model, "heads": heads, "tasks": len(values)}
            found.append({**row, **mean.columns("accuracy")})
    return pd.DataFrame(found)


def cosines(rows: pd.DataFrame) -> pd.DataFrame:
    """The cosine of the function vector and the mean task vector after each block, over tasks.

    Args:
        rows: of function vectors.

    Returns:
        `model`, `layer`, `tasks`, `cosine` and `cosine_centred` (both vectors without their mean
        over tasks), each with `_low` and `_high`, bootstrap intervals over tasks.
    """
    asked = rows[(rows["context"] == "zero_shot") & rows["cosine"].notna()]
    known = asked.drop_duplicates([*KEYS, "layer"])
    found = []
    for (model, layer), of_block in known.groupby(["model", "layer"], sort=False, observed=True):
        row = {"model": model, "layer": layer, "tasks": len(of_block)}
        for name in ("cosine", "cosine_centred"):
            row |= mean_of(of_block, name).columns(name)
        found.append(row)
    return pd.DataFrame(found)


def zero_shot(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the function vector in zero-shot prompts, as one method beside others.

    Args:
        rows: of function vectors.
    """
    kept = rows[(rows["context"] == "zero_shot") & (rows["procedure"] == VECTOR)]
    heads = kept.loc[kept["split"] == "dev", "heads"].iloc[0]
    rules = kept["layer_rule"].isna() | (kept["layer_rule"] == "dev")
    return kept[rules & (kept["heads"] == heads)]


def task_line(rows: pd.DataFrame) -> str:
    """The accuracy of the function vector of one task in both contexts."""
    test = rows[(rows["split"] == "test") & (rows["layer_rule"] == "dev")]
    heads = rows.loc[rows["split"] == "dev", "heads"].dropna().iloc[0]
    vector = test[(test["procedure"] == VECTOR) & (test["heads"] == heads)]
    parts = []
    for context, run in vector.groupby("context", sort=False):
        found = pd.Series(accuracy(run["correct"], run["query"]).columns("a"))
        parts.append(f"{str(context).replace('_', '-')} {interval(found, 'a')}")
    return f"{'  '.join(parts)}  block {vector['layer'].iloc[0]}  {heads} heads"


def _answers(central: pd.DataFrame, rows: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """The test rows of each of `COMPARED` that was measured."""
    own = central[central["split"] == "test"]
    names = ("baseline", "icl", "task_vector", "mean_state")
    found = {name: own[own["procedure"] == name] for name in names}
    test = rows[rows["split"] == "test"]
    for prefix, context in (("", "zero_shot"), ("shuffled_", "shuffled")):
        asked = test[test["context"] == context]
        sized = asked[asked["heads"] == count]
        vector = sized[sized["procedure"] == VECTOR]
        if prefix:
            found[f"{prefix}baseline"] = asked[asked["procedure"] == "baseline"]
        found[f"{prefix}{VECTOR}"] = vector[vector["layer_rule"] == "dev"]
        found[f"{prefix}third"] = vector[vector["layer_rule"] == "third"]
        for name in () if prefix else CONTROLS:
            found[name] = sized[sized["procedure"] == name]
    return {name: found[name] for name in COMPARED if len(found[name])}


def _once(run: pd.DataFrame) -> pd.DataFrame:
    """A run with one row per episode: of several draws, the first."""
    return run[run["draw"].isna() | (run["draw"] == 0)] if "draw" in run else run
