"""Accuracies of function vectors, of their controls and of other vectors."""

from typing import Any

import numpy as np
import pandas as pd

from tvsight.experiments.function_vectors import BESIDE
from tvsight.output.labels import interval
from tvsight.protocol.head_numbers import KEYS
from tvsight.statistics import summaries
from tvsight.statistics.summaries import (
    TASK,
    averaged,
    by_group,
    gap,
    identified,
    paired,
    right,
    sizes,
)

FUNCTION_VECTOR = "function_vector"
CONTROLS = (
    *("random_heads", "bottom_heads", "other_function_vector", "random_addition"),
    "raw_vector",
)
COMPARED = (
    *("baseline", "icl", *BESIDE, FUNCTION_VECTOR, "third"),
    *CONTROLS,
    *("shuffled_baseline", *(f"shuffled_{name}" for name in BESIDE)),
    *("shuffled_function_vector", "shuffled_third"),
)
"""The columns of the table of tasks: zero-shot, then in few-shot prompts with shuffled labels.
`third` is the function vector after the block at a third of the depth, as its authors have it."""
TESTED = {
    "over_baseline": ("function_vector", "baseline"),
    "behind_task_vector": ("task_vector", "function_vector"),
    "over_random_heads": ("function_vector", "random_heads"),
    "over_other": ("function_vector", "other_function_vector"),
    "over_shuffled": ("shuffled_function_vector", "shuffled_baseline"),
    "behind_shuffled_task_vector": ("shuffled_task_vector", "shuffled_function_vector"),
}
"""Paired differences, by the name of their columns. Of random heads every draw is paired."""
CHOSEN = ("raw_vector", *(f"shuffled_{name}" for name in (*BESIDE, FUNCTION_VECTOR)))
"""Procedures whose block is chosen on their own dev sweep, besides the function vector."""


SETTING = ["procedure", "heads_of", "operation", "setting"]
"""The columns that tell vectors at equal freedom apart."""
DIFFERENCES = (
    *("gained", "over_own_mean", "over_written", "over_others"),
    *("below_icl", "below_task_vector"),
)


def by_task(central: pd.DataFrame, rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Test accuracy of function vectors and of their controls: one row per model and task.

    Args:
        central: rows of the central comparison, with those of the mean state.
        rows: of function vectors.
        count: heads in the vector.

    Returns:
        `model`, `category`, `task`, `n`, `queries`; `layer`, `layer_p` (see `layers.layer_p`) and
        `layer_identified` of the function vector in zero-shot prompts, and `<name>_layer` of each
        of `CHOSEN`; the accuracy of each of `COMPARED`, and `<name>_given_icl`, that among the
        episodes that ICL gets right (as Todd et al. report it); each of `TESTED` (both with `_low`
        and `_high`), its `_p`, one-sided, by permuting queries, and `_p_holm`, adjusted for the
        tasks of the model. Where there is one task alone, nothing is said of another one's vector.
    """
    compared = dict(iter(central.groupby(KEYS, sort=False, observed=True)))

    def summary(task_rows: pd.DataFrame) -> summaries.Columns:
        answered = _answers(compared[tuple(task_rows[KEYS].iloc[0])], task_rows, count)
        vector = answered[FUNCTION_VECTOR]
        dev = task_rows[(task_rows["split"] == "dev") & (task_rows["context"] == "zero_shot")]
        swept, unpatched = (dev[dev["procedure"] == name] for name in (FUNCTION_VECTOR, "baseline"))
        row: dict[str, Any] = {**sizes(vector), "layer": int(vector["layer"].iloc[0])}
        row |= identified(swept, unpatched)
        row |= {f"{name}_layer": int(answered[name]["layer"].iloc[0]) for name in CHOSEN}
        solved = answered["icl"].loc[answered["icl"]["correct"], "episode"]
        for name, run in answered.items():
            row |= right(run, name)
            row[f"{name}_given_icl"] = run.loc[run["episode"].isin(solved), "correct"].mean()
        for name, (first, second) in TESTED.items():
            if second in answered:
                row |= paired(answered[first], answered[second], name)
        return row

    return summaries.adjusted(by_group(rows, TASK, summary, order=KEYS), ["layer", *TESTED])


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
    known = table.assign(solved=table["icl_given_icl"].notna())
    zero_shot = [name for name in COMPARED if not name.startswith("shuffled")]
    long = summaries.long(
        known,
        COMPARED,
        given_icl={name: f"{name}_given_icl" for name in COMPARED},
        below={
            n: FUNCTION_VECTOR if n in zero_shot else "shuffled_function_vector" for n in COMPARED
        },
        recovered={name: name for name in zero_shot},
    )
    long = long.assign(given_icl=long["given_icl"].where(long["solved"]))

    def more(run: pd.DataFrame) -> dict[str, float]:
        solved = averaged(run[run["solved"]], ["given_icl"])
        gaps = averaged(run, {"recovered_gap": gap("recovered"), "below": ("below", "accuracy")})
        return solved | gaps

    return summaries.over_tasks(long, ["procedure"], more=more)


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers of tasks with a significant difference after Holm's correction: one row per model.

    Args:
        table: from `by_task`.

    Returns:
        `model`, `tasks`, `identified`, and each of `TESTED`.
    """
    names = {"identified": "layer_p_holm", **{name: f"{name}_p_holm" for name in TESTED}}
    known = {name: column for name, column in names.items() if column in table}
    return summaries.over_tasks(table, [], [], known)


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
        & (rows["procedure"] == FUNCTION_VECTOR)
        & (rows["layer_rule"] == "dev")
    ]
    task_accuracies = by_group(
        test.sort_values(["heads", "task"], kind="stable"),
        ["model", "heads", "task"],
        lambda run: {"accuracy": run["correct"].mean()},
        order=["model"],
    )
    return summaries.over_tasks(task_accuracies, ["heads"])


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
    return summaries.over_tasks(known, ["layer"], ["cosine", "cosine_centred"])


def zero_shot(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the function vector in zero-shot prompts, as one method beside others.

    Args:
        rows: of function vectors.
    """
    return _of_method(rows, "zero_shot", FUNCTION_VECTOR)


def shuffled(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of all methods in few-shot prompts with shuffled labels, in the columns of the
    central comparison: `baseline` is such a prompt without a vector, `icl` has the right labels.

    Args:
        central: rows of the central comparison.
        rows: of function vectors.
    """
    icl = central[(central["procedure"] == "icl") & (central["split"] == "test")]
    parts = [_of_method(rows, "shuffled", name) for name in ("baseline", *BESIDE, FUNCTION_VECTOR)]
    parts.insert(1, icl.merge(rows[KEYS].drop_duplicates()))
    return pd.concat(parts, ignore_index=True)[list(central)]


def task_line(rows: pd.DataFrame) -> str:
    """The accuracy of the function vector of one task in both contexts."""
    test = rows[(rows["split"] == "test") & (rows["layer_rule"] == "dev")]
    heads = rows.loc[rows["split"] == "dev", "heads"].dropna().iloc[0]
    vector = test[(test["procedure"] == FUNCTION_VECTOR) & (test["heads"] == heads)]
    parts = []
    for context, run in vector.groupby("context", sort=False):
        parts.append(f"{str(context).replace('_', '-')} {interval(right(run), 'accuracy')}")
    return f"{'  '.join(parts)}  block {vector['layer'].iloc[0]}  {heads} heads"


def settings_by_task(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of the vectors at equal freedom: a row per model, task and `SETTING`.

    Args:
        central: rows of the central comparison.
        rows: of vector settings.

    Returns:
        `model`, `category`, `task`, `SETTING`, `n`, `queries`, `layer`, `heads` and `factor`;
        `accuracy`; the paired differences `gained` (over the same vector with the fixed setting),
        `over_own_mean` (over the mean task vector with the same operation and setting),
        `over_written` (over the mean task vector written over, with the same setting),
        `over_others` (over the heads that other tasks choose), `below_icl` and
        `below_task_vector` (ICL, and the task vector of each episode, minus this), each with `_low`
        and `_high` and the one-sided `_p`; and `baseline` and `icl`.
    """
    heads = rows["heads"].to_numpy(float, na_value=np.nan)
    rows = rows.assign(heads=heads, heads_of=rows["heads_of"].fillna("none"))
    chosen = rows[rows["setting"].notna()]
    runs = dict(iter(chosen.groupby([*KEYS, *SETTING], observed=True)))
    known = dict(iter(central[central["split"] == "test"].groupby([*KEYS, "procedure"])))

    def beside(run: pd.DataFrame, **other: str) -> summaries.Pair | None:
        """These rows, and those of another setting on the same task, where there are any."""
        own = {name: run[name].iloc[0] for name in (*KEYS, *SETTING)}
        place = tuple((own | other).values())
        return (run, runs[place]) if place != tuple(own.values()) and place in runs else None

    def below(run: pd.DataFrame, procedure: str) -> summaries.Pair:
        return known[*run[KEYS].iloc[0], procedure], run

    mean = {"procedure": "own_mean", "heads_of": "none"}
    return summaries.by_task(
        rows,
        SETTING,
        {
            "gained": lambda _, run: beside(run, setting="fixed"),
            "over_own_mean": lambda _, run: beside(run, **mean),
            "over_written": lambda _, run: beside(run, **mean, operation="overwrite"),
            "over_others": lambda _, run: beside(run, heads_of="others"),
            "below_icl": lambda _, run: below(run, "icl"),
            "below_task_vector": lambda _, run: below(run, "task_vector"),
        },
        lambda _, run: {**sizes(run), **run.iloc[0][["layer", "heads", "factor"]]},
        lambda _, run: {
            name: known[*run[KEYS].iloc[0], name]["correct"].mean() for name in ("baseline", "icl")
        },
        tested=chosen,
    )


def settings_over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks: a row per model and `SETTING`.

    Args:
        table: from `settings_by_task`.

    Returns:
        `model`, `SETTING`, `tasks` (their number); `accuracy`, `recovered_gap` and each difference
        with `_low` and `_high`; and the medians over tasks of `heads` and `factor`.
    """
    means: dict[str, summaries.Mean] = {
        **{"accuracy": "accuracy", "recovered_gap": gap()},
        **{name: name for name in DIFFERENCES},
    }
    medians = ["heads", "factor"]
    return summaries.over_tasks(table, SETTING, means, more=lambda run: dict(run[medians].median()))


def setting_line(rows: pd.DataFrame) -> str:
    """The accuracy of each vector of one task with its tuned setting."""
    tuned = rows[rows["setting"] == "tuned"]
    parts = []
    for (name, operation), run in tuned[tuned["heads_of"] != "others"].groupby(
        ["procedure", "operation"], sort=False
    ):
        parts.append(f"{name} {operation} {run['correct'].mean():.2f}")
    return "tuned: " + ", ".join(parts)


def _answers(central: pd.DataFrame, rows: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """The test rows of each of `COMPARED` that was measured."""
    own = central[central["split"] == "test"]
    answers = {name: own[own["procedure"] == name] for name in ("baseline", "icl", *BESIDE)}
    test = rows[(rows["split"] == "test") & (rows["heads"].isna() | (rows["heads"] == count))]
    for (context, procedure), run in test.groupby(["context", "procedure"], observed=True):
        prefix = "shuffled_" if context == "shuffled" else ""
        if prefix or procedure != "baseline":  # that of the central comparison stands zero-shot
            at_third = run["layer_rule"] == "third"
            answers[f"{prefix}{procedure}"] = run[~at_third]
            if procedure == FUNCTION_VECTOR:
                answers[f"{prefix}third"] = run[at_third]
    return {name: answers[name] for name in COMPARED if name in answers}


def _of_method(rows: pd.DataFrame, context: str, procedure: str) -> pd.DataFrame:
    """The rows of a procedure in one context; those of a function vector with the chosen number of
    heads, after the chosen block."""
    kept = rows[(rows["context"] == context) & (rows["procedure"] == procedure)]
    heads = rows.loc[rows["split"] == "dev", "heads"].dropna().iloc[0]
    has_size = kept["heads"].isna() | (kept["heads"] == heads)
    return kept[has_size & (kept["layer_rule"].isna() | (kept["layer_rule"] == "dev"))]
