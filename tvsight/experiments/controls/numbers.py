"""Accuracies of the task vector and of its controls, with intervals and tests."""

import numpy as np
import pandas as pd

from tvsight.errors import MeasurementError
from tvsight.experiments.answer_sets import recognition
from tvsight.experiments.main_results.layers import by_layer, layer_p
from tvsight.output.labels import interval
from tvsight.output.procedures import COMPARED, CONTROLS, title
from tvsight.statistics.intervals import accuracy, mean_difference, mean_of
from tvsight.statistics.tests import SIGNIFICANCE, better_than, holm, with_holm

TESTED = ("baseline", *CONTROLS)
"""Procedures that the task vector is tested against."""
SIGNS = ("better", "worse")
TASK = ["model", "task"]


def by_task(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of the task vector and of each control: one row per model and task.

    Args:
        central: rows of the central comparison.
        rows: of the controls. Tasks without any are left out.

    Returns:
        `model`, `category`, `task`, `n` (episodes), `queries`, `layer`, `layer_p` (see
        `layers.layer_p`), `layer_identified`; for each procedure its accuracy, `_low` and `_high`;
        and for each of `TESTED` `better_<name>` and `worse_<name>`: one-sided p-values, by
        permuting queries, that the task vector is right more often than it, and less often; with
        `_holm`, adjusted for the tasks of the model. A control that was not measured has no number.

    Raises:
        MeasurementError: when the two are not of the same episodes.
    """
    summaries = []
    for (model, task), of_task in _groups(rows):
        dev, compared = _split(central, model, task, "dev"), _split(central, model, task, "test")
        swept, unpatched = (dev[dev["procedure"] == name] for name in ("task_vector", "baseline"))
        p_value = layer_p(swept, unpatched)
        answered = {
            **{name: compared[compared["procedure"] == name] for name in COMPARED},
            **{name: of_task[of_task["procedure"] == name] for name in CONTROLS},
        }
        vector = answered["task_vector"]
        first = vector.iloc[0]
        summary: dict[str, object] = {
            **{name: first[name] for name in ("model", "category", "task")},
            "n": len(vector),
            "queries": vector["query"].nunique(),
            "layer": int(first["layer"]),
            "layer_p": p_value,
            "layer_identified": p_value < SIGNIFICANCE,
        }
        for name, of_procedure in answered.items():
            summary |= accuracy(of_procedure["correct"], of_procedure["query"]).columns(name)
        for name in TESTED:
            better, worse = _paired(str(task), vector, answered[name])
            summary |= {f"better_{name}": better, f"worse_{name}": worse}
        summaries.append(summary)
    return with_holm(
        pd.DataFrame(summaries), [f"{sign}_{name}" for name in TESTED for sign in SIGNS]
    )


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, and the task vector's lead, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.

    Returns:
        One row per model and procedure that was measured: `tasks` (their number), `accuracy`,
        `lead` (mean difference of the task vector's accuracy to it, tasks paired), each with `_low`
        and `_high`; and `better`, `worse`: the number of tasks where the task vector is right more
        often, or less often, after Holm's correction for that many tests (none for ICL, which is
        no control).
    """
    rows = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        for name in (*COMPARED, *CONTROLS):
            known = of_model[of_model[name].notna()]
            if known.empty:
                continue
            row = {"model": model, "procedure": name, "tasks": len(known)}
            row |= mean_of(known, name).columns("accuracy")
            if name != "task_vector":
                row |= mean_difference(known, "task_vector", name).columns("lead")
            for sign in SIGNS if name in TESTED else ():
                row[sign] = int((known[f"{sign}_{name}_holm"] < SIGNIFICANCE).sum())
            rows.append(row)
    return pd.DataFrame(rows).astype({"better": "Int64", "worse": "Int64"})


def recognised(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Recognition against learning, of the compared procedures and each control; the columns are
    those of `answer_sets.recognition`.

    Args:
        central, rows: as `by_task` takes them.
    """
    compared = central[central["procedure"].isin(COMPARED) & central["task"].isin(rows["task"])]
    controls = rows[rows["procedure"].isin(CONTROLS)]
    return recognition(pd.concat([compared, controls], ignore_index=True))


def transfer(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy on each task with the vector of each task: one row per pair of tasks.

    Args:
        central, rows: as `by_task` takes them.

    Returns:
        `model`, `category`, `task` (of the queries), `source_category`, `source` (whose mean dev
        vector is applied; on the diagonal the episode's own θ), `accuracy`, `accuracy_low`,
        `accuracy_high`, `n`, and `better`: the one-sided p-value, by permuting queries, that the
        task's own vector is right more often; `better_holm`, adjusted for the sources of the task.
        Empty where there is one task only.
    """
    categories = central.drop_duplicates(TASK).set_index(TASK)["category"].to_dict()
    pairs = []
    for (model, task), of_task in _groups(rows):
        own = _split(central, model, task, "test")
        own = own[own["procedure"] == "task_vector"].assign(source=task)
        others = of_task[of_task["procedure"] == "other_task"]
        if others.empty:
            continue
        for source, of_pair in pd.concat([own, others]).groupby("source", sort=False):
            pairs.append(
                {
                    "model": model,
                    "category": categories[model, task],
                    "task": task,
                    "source_category": categories[model, source],
                    "source": source,
                    **accuracy(of_pair["correct"], of_pair["query"]).columns("accuracy"),
                    "n": len(of_pair),
                    "better": _paired(str(task), own, of_pair)[0] if source != task else np.nan,
                }
            )
    table = pd.DataFrame(pairs)
    if table.empty:
        return table
    return table.assign(better_holm=table.groupby(TASK, sort=False)["better"].transform(holm))


def transfer_by_task(pairs: pd.DataFrame) -> pd.DataFrame:
    """The effect of other tasks' vectors on each task: one row per model and task.

    Args:
        pairs: from `transfer`.

    Returns:
        `model`, `category`, `task`, `accuracy`, `accuracy_low`, `accuracy_high` (own vector),
        `same_category`, `other_categories` (means over sources; none where there is none),
        `best_source`, `best`, `best_low`, `best_high` (the first of the best; chosen on test, so
        its accuracy is too high an estimate), `sources`, and `not_worse`: the number of sources
        which the own vector does not beat after Holm's correction for that many tests.
    """
    rows = []
    for _, of_task in pairs.groupby(TASK, sort=False):
        is_own = of_task["source"] == of_task["task"]
        own = of_task[is_own].iloc[0]
        others = of_task[~is_own]
        near = others["source_category"] == own["category"]
        best = others.iloc[int(others["accuracy"].argmax())]
        ends = ("", "_low", "_high")
        rows.append(
            {
                **{name: own[name] for name in ("model", "category", "task")},
                **{f"accuracy{end}": own[f"accuracy{end}"] for end in ends},
                "same_category": others["accuracy"][near].mean(),
                "other_categories": others["accuracy"][~near].mean(),
                "best_source": best["source"],
                **{f"best{end}": best[f"accuracy{end}"] for end in ends},
                "sources": len(others),
                "not_worse": int((others["better_holm"] >= SIGNIFICANCE).sum()),
            }
        )
    return pd.DataFrame(rows)


def by_block(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Mean dev accuracy over tasks after each block, with bootstrap intervals over tasks.

    Args:
        central, rows: as `by_task` takes them.

    Returns:
        `model`, `procedure` (the task vector, then each control that was measured), `layer`,
        `relative_depth`, `tasks`, `n` (dev episodes per task), `accuracy` and its `_low`, `_high`.
    """
    tasks = pd.MultiIndex.from_frame(rows[TASK].drop_duplicates())
    same = central[pd.MultiIndex.from_frame(central[TASK]).isin(tasks)]
    means = []
    for procedure in ("task_vector", *CONTROLS):
        table = by_layer(same if procedure == "task_vector" else rows, procedure)
        keys = ["model", "layer", "relative_depth"]
        for block, of_block in table.groupby(keys, sort=False):
            means.append(
                {
                    **dict(zip(keys, block, strict=True)),
                    "procedure": procedure,
                    "tasks": len(of_block),
                    "n": of_block["n"].max(),
                    **mean_of(of_block, "accuracy").columns("accuracy"),
                }
            )
    return pd.DataFrame(means)


def task_line(rows: pd.DataFrame) -> str:
    """The controls of one task in a line."""
    test = rows[rows["split"] == "test"]
    parts = []
    for name in CONTROLS:
        of_control = test[test["procedure"] == name]
        if len(of_control) and name != "no_op":
            found = accuracy(of_control["correct"], of_control["query"])
            parts.append(f"{title(name)} {interval(pd.Series(found.columns(name)), name)}")
    return f"{'  '.join(parts)}  block {test['layer'].iloc[0]}  n {test['episode'].nunique()}"


def _groups(rows: pd.DataFrame) -> "pd.api.typing.DataFrameGroupBy":
    """The test rows of each model and task, in their order."""
    return rows[rows["split"] == "test"].groupby(TASK, sort=False, observed=True)


def _split(rows: pd.DataFrame, model: str, task: str, split: str) -> pd.DataFrame:
    return rows[(rows["model"] == model) & (rows["task"] == task) & (rows["split"] == split)]


def _paired(task: str, vector: pd.DataFrame, control: pd.DataFrame) -> tuple[float, float]:
    """P-values that the vector is right more often than a control, and less often."""
    if control.empty:
        return np.nan, np.nan
    of_vector = vector.set_index(["episode", "query"])["correct"]
    of_control = control.set_index(["episode", "query"])["correct"]
    same_block = set(control["layer"].dropna()) <= set(vector["layer"])
    if set(of_vector.index) != set(of_control.index) or not same_block:
        raise MeasurementError(
            f"{task}: the controls are not of the episodes and the block of the "
            "central comparison. Move their results away to measure them again."
        )
    of_control = of_control.loc[of_vector.index]
    queries = of_vector.index.get_level_values("query")
    return (
        better_than(of_vector, of_control, queries),
        better_than(of_control, of_vector, queries),
    )
