"""Accuracies of the task vector and of its controls, with intervals and tests."""

from collections.abc import Mapping, Set

import numpy as np
import pandas as pd

from tvsight.errors import MeasurementError
from tvsight.output.labels import interval
from tvsight.output.procedures import BESIDE_CONTROLS, COMPARED, CONTROLS, beside, title
from tvsight.protocol.answer_sets import recognition
from tvsight.protocol.layers import by_layer
from tvsight.statistics import summaries
from tvsight.statistics.counts import counted, solved
from tvsight.statistics.summaries import ENDS, Ratio, averaged, by_group, identified, right, sizes
from tvsight.statistics.tests import SIGNIFICANCE, better_than, with_holm
from tvsight.tasks.overlap import word_lists

SIGNS, TASK = ("better", "worse"), ["model", "task"]
COMPARED_WITH = {"best_other": "own_mean", "icl_shuffled": "shuffled_labels"}
"""The vector that a procedure is compared with, where that is not the task vector: a mean vector
with another, and ICL with the vector of the same demonstrations."""
TESTED = ("baseline", "icl_shuffled", *CONTROLS, "best_other")
"""Procedures that a vector is tested against."""


def by_task(central: pd.DataFrame, rows: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """Test accuracy of a vector and of each of its controls: one row per model and task.

    Args:
        central: rows of the central comparison, with those of the vector.
        rows: of the controls. Tasks without any are left out.
        vector: the procedure of the vector.

    Returns:
        `model`, `category`, `task`, `n` (episodes), `queries`, `layer`, `layer_p` (see
        `layers.layer_p`), `layer_identified`; for `vector` and the others of `BESIDE_CONTROLS` the
        accuracy, `_low` and `_high`; `best_other_source`, the other task whose mean vector is best
        on dev; and for each of `TESTED` `better_<name>` and `worse_<name>`: one-sided p-values, by
        permuting queries, that the vector it is compared with is right more often than it, and less
        often; with `_holm`, adjusted for the tasks of the model. What was not measured has no
        number.

    Raises:
        MeasurementError: when the two are not of the same episodes.
    """
    central_rows = dict(iter(central.groupby(TASK, sort=False, observed=True)))

    def summary(task_rows: pd.DataFrame) -> dict[str, object]:
        model, task = task_rows[TASK].iloc[0]
        dev, test = (
            central_rows[model, task].query("split == @split") for split in ("dev", "test")
        )
        swept, unpatched = (dev[dev["procedure"] == name] for name in (vector, "baseline"))
        best = _best_other(task_rows)
        answered = _answers(test, task_rows, best, vector)
        own = answered[vector]
        row = {**sizes(own), "layer": int(own["layer"].iloc[0]), **identified(swept, unpatched)}
        for name in beside(BESIDE_CONTROLS, vector):
            row |= right(answered[name], name)
        row["best_other_source"] = best
        for name in TESTED:
            p_values = _paired(str(task), answered[COMPARED_WITH.get(name, vector)], answered[name])
            row |= {f"{sign}_{name}": p for sign, p in zip(SIGNS, p_values, strict=True)}
        return row

    table = by_group(rows, ["model", "category", "task"], summary)
    return with_holm(table, [f"{sign}_{name}" for name in TESTED for sign in SIGNS])


def over_tasks(table: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """Means over tasks, and the vectors' leads, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.
        vector: the procedure of the vector.

    Returns:
        The columns of `summaries.over_tasks` with word lists, by procedure that was measured:
        `accuracy`; `compared_with`, the vector that it is compared with; `lead` (mean difference of
        that vector's accuracy to it, tasks paired); and `better`, `worse`: the number of tasks
        where the vector is right more often, or less often, after Holm's correction for that many
        tests (none for procedures outside `TESTED`).
    """
    names = beside(BESIDE_CONTROLS, vector)
    against = {name: COMPARED_WITH.get(name, vector) for name in names if name != vector}

    def more(run: pd.DataFrame) -> dict[str, object]:
        name = str(run["procedure"].iloc[0])
        counts = {sign: f"{sign}_{name}_holm" for sign in SIGNS if name in TESTED}
        return {"compared_with": against.get(name), **dict.fromkeys(SIGNS), **counted(run, counts)}

    means: dict[str, summaries.Mean] = {"accuracy": "accuracy", "lead": ("compared", "accuracy")}
    by_procedure = summaries.long(table.assign(solved=solved(table)), names, compared=against)
    means_table = summaries.over_tasks(
        by_procedure, ["procedure"], means, more=more, lists=word_lists
    )
    means_table.insert(6, "compared_with", means_table.pop("compared_with"))
    return means_table.astype({f"{sign}{of}": "Int64" for sign in SIGNS for of in ("", "_solved")})


def shuffled_shares(table: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """What shuffled labels leave of the vector, beside what they leave of ICL: a row per model.

    Args:
        table: from `by_task`.
        vector: the procedure of the vector.

    Returns:
        `model`, `tasks` (with shuffled labels), `vector_share` (mean accuracy of the vector from
        shuffled labels over that of the vector), `icl_share` (ICL with shuffled labels over
        ICL) and `difference` (the first minus the second, with `_equal_p`), with the columns of
        `summaries.over_tasks` with word lists.
    """
    columns = ["shuffled_labels", vector, "icl_shuffled", "icl"]
    shares = {
        "vector_share": Ratio(lambda of: of[..., 0] / of[..., 1], columns),
        "icl_share": Ratio(lambda of: of[..., 2] / of[..., 3], columns),
        "difference": Ratio(
            lambda of: of[..., 0] / of[..., 1] - of[..., 2] / of[..., 3], columns, difference=True
        ),
    }
    return summaries.over_tasks(table[table["icl_shuffled"].notna()], [], shares, lists=word_lists)


def recognised(
    central: pd.DataFrame, rows: pd.DataFrame, vector: str = "task_vector"
) -> pd.DataFrame:
    """Recognition against learning, of the compared procedures and each control; the columns are
    those of `answer_sets.recognition`.

    Args:
        central, rows, vector: as `by_task` takes them.
    """
    known = central["procedure"].isin(beside(COMPARED, vector))
    compared = central[known & central["task"].isin(rows["task"])]
    controls = rows[rows["procedure"].isin((*CONTROLS, "icl_shuffled"))]
    return recognition(pd.concat([compared, controls], ignore_index=True))


def seen(
    central: pd.DataFrame, rows: pd.DataFrame, shown: Mapping[tuple[str, str], Set[str]]
) -> pd.DataFrame:
    """The own mean vector on test queries that demonstrations of dev show, and on others.

    Args:
        central, rows: as `by_task` takes them.
        shown: the inputs of demonstrations of dev, by model and task; others are left out.

    Returns:
        `summaries.over_tasks` with word lists, over tasks that have both: `seen` and `unseen`, the
        accuracy of the own mean vector minus that of ICL, and their `difference`.
    """
    icl = central[(central["split"] == "test") & (central["procedure"] == "icl")]
    own = rows[(rows["procedure"] == "mean_vector") & (rows["source"] == rows["task"])]
    own, icl = own[own["split"] == "test"], icl[[*TASK, "episode", "correct"]]
    both = own.merge(icl, on=[*TASK, "episode"], suffixes=("", "_icl"))
    asked = zip(both["model"], both["task"], both["query"].str.strip(), strict=True)
    both["shown"] = [query in shown.get((model, task), ()) for model, task, query in asked]
    both["lead"] = both["correct"].astype(float) - both["correct_icl"].astype(float)
    leads = both.groupby(["model", "category", "task", "shown"], observed=True)["lead"].mean()
    table = leads.unstack("shown").reindex(columns=[True, False]).dropna().reset_index()
    table = table.rename(columns={True: "seen", False: "unseen"})
    names = {name: name for name in ("seen", "unseen")}
    means: Mapping[str, summaries.Mean] = {**names, "difference": ("seen", "unseen")}
    return summaries.over_tasks(table, [], means, lists=word_lists)


def transfer(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on each task with the mean dev vector of each task: one row per pair of tasks.

    Args:
        central, rows: as `by_task` takes them.

    Returns:
        `model`, `category`, `task` (of the queries), `source_category`, `source` (whose vector is
        applied), `accuracy`, `accuracy_low`, `accuracy_high` and `n` on test, `dev_accuracy` (on
        the diagonal the mean holds the vectors of these episodes too), `best_on_dev` (whether it is
        the best other task there), and `better`: the one-sided p-value, by permuting queries, that
        the task's own mean vector is right more often; `better_holm`, adjusted for the sources of
        the task; `solved`, whether ICL solves the task. Empty where there is one task only.
    """
    answers = central[central["split"] == "test"].groupby([*TASK, "procedure"], observed=True)
    solves = solved(answers["correct"].mean().unstack("procedure"))
    categories = central.drop_duplicates("task").set_index("task")["category"]
    known = rows.assign(source_category=rows["source"].map(categories))
    known = known[known["procedure"] == "mean_vector"]
    is_other = known["source"] != known["task"]
    own_first = pd.concat([known[~is_other], known[is_other]])
    tested = own_first[own_first["split"] == "test"]

    best = {names: _best_other(of) for names, of in known.groupby(TASK, observed=True)}

    def more(task_rows: pd.DataFrame, run: pd.DataFrame) -> dict[str, object]:
        model, task, source = run[[*TASK, "source"]].iloc[0]
        own = task_rows[(task_rows["split"] == "test") & (task_rows["source"] == task)]
        on_dev = task_rows[(task_rows["split"] == "dev") & (task_rows["source"] == source)]
        return {
            "n": len(run),
            "dev_accuracy": on_dev["correct"].mean(),
            "solved": solves[model, task],
            "best_on_dev": source == best[model, task],
            "better": np.nan if source == task else _paired(task, own, run)[0],
        }

    if not is_other.any():
        return pd.DataFrame()
    source = ["source_category", "source"]
    pairs = summaries.by_task(known, source, lead=lambda *_: {}, more=more, tested=tested)
    return with_holm(pairs, ["better"], TASK)


def transfer_by_task(pairs: pd.DataFrame) -> pd.DataFrame:
    """The effect of other tasks' vectors on each task: one row per model and task.

    Args:
        pairs: from `transfer`.

    Returns:
        `model`, `category`, `task`, `accuracy`, `accuracy_low`, `accuracy_high` (own mean vector),
        `same_category`, `other_categories` (means over sources; none where there is none),
        `best_source` (best of the others on dev; empty where none is right there), `best`,
        `best_low`, `best_high` (its accuracy on test), `better` (p-value that the own one is right
        more often), `beaten` (at the level `SIGNIFICANCE`), `solved`, `sources`, and `not_worse`:
        the number of sources that the own vector does not beat after Holm's correction for that
        many tests.
    """

    def summary(task_rows: pd.DataFrame) -> dict[str, object]:
        is_own = task_rows["source"] == task_rows["task"]
        others = task_rows[~is_own]
        own, best = task_rows[is_own].iloc[0], others[others["best_on_dev"]].iloc[0]
        near = others["source_category"] == own["category"]
        return {
            **{f"accuracy{end}": own[f"accuracy{end}"] for end in ENDS},
            "same_category": others["accuracy"][near].mean(),
            "other_categories": others["accuracy"][~near].mean(),
            "best_source": best["source"] if best["dev_accuracy"] else "",
            **{f"best{end}": best[f"accuracy{end}"] for end in ENDS},
            "better": best["better"],
            "beaten": bool(best["better"] < SIGNIFICANCE),
            "solved": own["solved"],
            "sources": len(others),
            "not_worse": int((others["better_holm"] >= SIGNIFICANCE).sum()),
        }

    return by_group(pairs, ["model", "category", "task"], summary)


def by_block(
    central: pd.DataFrame, rows: pd.DataFrame, vector: str = "task_vector"
) -> pd.DataFrame:
    """Mean dev accuracy over tasks after each block, with bootstrap intervals over tasks.

    Args:
        central, rows, vector: as `by_task` takes them.

    Returns:
        `model`, `procedure` (the vector, then each control that was measured), `layer`,
        `relative_depth`, `tasks`, `n` (dev episodes per task), `accuracy` and its `_low`, `_high`.
    """
    same = central.merge(rows[TASK].drop_duplicates())
    swept = [
        by_layer(same if name == vector else rows, name).assign(procedure=name)
        for name in (vector, *CONTROLS)
    ]
    return by_group(
        pd.concat(swept, ignore_index=True),
        ["model", "layer", "relative_depth", "procedure"],
        lambda run: {"tasks": len(run), "n": run["n"].max(), **averaged(run, ["accuracy"])},
        order=["procedure"],
    )


def task_line(rows: pd.DataFrame) -> str:
    """The controls of one task in a line."""
    test = rows[rows["split"] == "test"]
    parts = []
    for name in (*CONTROLS, "icl_shuffled"):
        control_rows = test[test["procedure"] == name]
        if len(control_rows) and name != "no_op":
            parts.append(f"{title(name)} {interval(right(control_rows, name), name)}")
    return f"{'  '.join(parts)}  block {test['layer'].max()}  n {test['episode'].nunique()}"


def _answers(
    central: pd.DataFrame, task_rows: pd.DataFrame, best: str | None, vector: str
) -> dict[str, pd.DataFrame]:
    """The test rows of each of `BESIDE_CONTROLS`, those of the central comparison given."""
    test = task_rows[task_rows["split"] == "test"]
    means = test[test["procedure"] == "mean_vector"]
    return {
        **{name: central[central["procedure"] == name] for name in beside(COMPARED, vector)},
        **{name: test[test["procedure"] == name] for name in (*CONTROLS, "icl_shuffled")},
        "own_mean": means[means["source"] == means["task"]],
        "best_other": means[means["source"] == best],
    }


def _best_other(task_rows: pd.DataFrame) -> str | None:
    """The other task whose mean vector is right most often on dev; of several, the first by name.
    None where there is no other task."""
    others = task_rows[
        (task_rows["split"] == "dev")
        & (task_rows["procedure"] == "mean_vector")
        & (task_rows["source"] != task_rows["task"])
    ]
    right = others.groupby("source")["correct"].mean()
    return None if right.empty else str(right.idxmax())


def _paired(task: str, vector: pd.DataFrame, control: pd.DataFrame) -> tuple[float, float]:
    """P-values that the vector is right more often than a control, and less often."""
    if control.empty:
        return np.nan, np.nan
    vector_correct, control_correct = (
        run.set_index(["episode", "query"])["correct"] for run in (vector, control)
    )
    same_block = set(control["layer"].dropna()) <= set(vector["layer"])
    if set(vector_correct.index) != set(control_correct.index) or not same_block:
        raise MeasurementError(
            f"{task}: the controls are not of the episodes and the block of the "
            "central comparison. Move their results away to measure them again."
        )
    both = (vector_correct, control_correct.loc[vector_correct.index])
    queries = vector_correct.index.get_level_values("query")
    return better_than(*both, queries), better_than(*both[::-1], queries)
