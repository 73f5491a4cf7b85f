"""From rows to the task vector against its controls: the numbers behind tables and figures."""

import numpy as np
import pandas as pd

from tvsight.errors import MeasurementError
from tvsight.experiments.main_results.layers import by_layer
from tvsight.experiments.main_results.numbers import COMPARED
from tvsight.output.labels import CONTROL_NAMES, interval
from tvsight.statistics.intervals import Estimate, accuracy, mean_over_tasks
from tvsight.statistics.tests import better_than

SIGNIFICANCE = 0.05
"""Level of the tests that are counted."""
TASK = ["model", "task"]


def by_task(main: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of the task vector and of what else was patched: one row per model and task.

    Args:
        main: rows of the central comparison.
        rows: of the controls. Tasks without any are left out.

    Returns:
        `model`, `category`, `task`, `n` (episodes), `queries`, `layer`, `layer_identified`; for
        each procedure its accuracy, `_low` and `_high`; and for the baseline and each control
        `better_<name>` and `worse_<name>`: one-sided p-values, over episodes, that the task vector
        is right more often than it, and less often. A control that was not measured has no number.

    Raises:
        MeasurementError: when the two are not of the same episodes.
    """
    found = []
    for (model, task), of_task in _groups(rows):
        compared = _test(main, model, task)
        answered = {
            **{name: compared[compared["procedure"] == name] for name in COMPARED},
            **{name: of_task[of_task["procedure"] == name] for name in CONTROL_NAMES},
        }
        vector = answered["task_vector"]
        first = vector.iloc[0]
        summary: dict[str, object] = {
            **{name: first[name] for name in ("model", "category", "task")},
            "n": len(vector),
            "queries": vector["query"].nunique(),
            "layer": int(first["layer"]),
            "layer_identified": bool(first["layer_identified"]),
        }
        for name, asked in answered.items():
            summary |= _columns(name, accuracy(asked["correct"], asked["query"]))
        for name in ("baseline", *CONTROL_NAMES):
            better, worse = _paired(vector, answered[name])
            summary |= {f"better_{name}": better, f"worse_{name}": worse}
        found.append(summary)
    return pd.DataFrame(found)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks, and the task vector's lead, with bootstrap intervals over tasks.

    Args:
        table: from `by_task`.

    Returns:
        One row per model and procedure that was measured: `tasks` (their number), `accuracy`,
        `lead` (mean difference of the task vector's accuracy to it, tasks paired), each with `_low`
        and `_high`; and `better`, `worse`: the number of tasks where the task vector is right more
        often, or less often, at the level `SIGNIFICANCE` (none for ICL, which is no control).
    """
    found = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        for name in (*COMPARED, *CONTROL_NAMES):
            known = of_model[of_model[name].notna()]
            if known.empty:
                continue
            row = {"model": model, "procedure": name, "tasks": len(known)}
            row |= _columns("accuracy", mean_over_tasks(known[[name]], lambda m: m[..., 0]))
            if name != "task_vector":
                lead = known[["task_vector", name]]
                row |= _columns("lead", mean_over_tasks(lead, lambda m: m[..., 0] - m[..., 1]))
            for sign in ("better", "worse"):
                if f"{sign}_{name}" in known:
                    row[sign] = int((known[f"{sign}_{name}"] < SIGNIFICANCE).sum())
            found.append(row)
    return pd.DataFrame(found).astype({"better": "Int64", "worse": "Int64"})


def transfer(main: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy on each task with the vector of each task: one row per pair of tasks.

    Args:
        main, rows: as `by_task` takes them.

    Returns:
        `model`, `category`, `task` (what is asked), `source_category`, `source` (whose mean dev
        vector is applied; on the diagonal the episode's own θ), `accuracy`, `accuracy_low`,
        `accuracy_high`, `n`, and `better`: the one-sided p-value, over episodes, that the task's
        own vector is right more often. Empty where there is one task only.
    """
    categories = main.drop_duplicates(TASK).set_index(TASK)["category"].to_dict()
    found = []
    for (model, task), of_task in _groups(rows):
        own = _test(main, model, task)
        own = own[own["procedure"] == "task_vector"].assign(source=task)
        others = of_task[of_task["procedure"] == "other_task"]
        if others.empty:
            continue
        for source, asked in pd.concat([own, others]).groupby("source", sort=False):
            found.append(
                {
                    "model": model,
                    "category": categories[model, task],
                    "task": task,
                    "source_category": categories[model, source],
                    "source": source,
                    **_columns("accuracy", accuracy(asked["correct"], asked["query"])),
                    "n": len(asked),
                    "better": _paired(own, asked)[0] if source != task else np.nan,
                }
            )
    return pd.DataFrame(found)


def transfer_by_task(pairs: pd.DataFrame) -> pd.DataFrame:
    """What other tasks' vectors do for each task, in a row per model and task.

    Args:
        pairs: from `transfer`.

    Returns:
        `model`, `category`, `task`, `accuracy`, `accuracy_low`, `accuracy_high` (own vector),
        `same_category`, `other_categories` (means over sources; none where there is none),
        `best_source`, `best`, `best_low`, `best_high` (the first of the best; chosen on test, so
        its accuracy is too high an estimate), `sources`, and `not_worse`: the number of sources
        which the own vector does not beat at the level `SIGNIFICANCE`.
    """
    found = []
    for _, of_task in pairs.groupby(TASK, sort=False):
        is_own = of_task["source"] == of_task["task"]
        own, others = of_task[is_own].iloc[0], of_task[~is_own]
        near = others["source_category"] == own["category"]
        best = others.iloc[int(others["accuracy"].argmax())]
        ends = ("", "_low", "_high")
        found.append(
            {
                **{name: own[name] for name in ("model", "category", "task")},
                **{f"accuracy{end}": own[f"accuracy{end}"] for end in ends},
                "same_category": others["accuracy"][near].mean(),
                "other_categories": others["accuracy"][~near].mean(),
                "best_source": best["source"],
                **{f"best{end}": best[f"accuracy{end}"] for end in ends},
                "sources": len(others),
                "not_worse": int((others["better"] >= SIGNIFICANCE).sum()),
            }
        )
    return pd.DataFrame(found)


def by_block(main: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Mean dev accuracy over tasks after each block, with bootstrap intervals over tasks.

    Args:
        main, rows: as `by_task` takes them.

    Returns:
        `model`, `procedure` (the task vector, then each control that was measured), `layer`,
        `relative_depth`, `tasks`, `n` (dev episodes per task), `accuracy` and its `_low`, `_high`.
    """
    tasks = pd.MultiIndex.from_frame(rows[TASK].drop_duplicates())
    same = main[pd.MultiIndex.from_frame(main[TASK]).isin(tasks)]
    found = []
    for procedure in ("task_vector", *CONTROL_NAMES):
        table = by_layer(same if procedure == "task_vector" else rows, procedure)
        for place, of_block in table.groupby(["model", "layer", "relative_depth"], sort=False):
            mean = mean_over_tasks(of_block[["accuracy"]], lambda m: m[..., 0])
            found.append(
                {
                    **dict(zip(("model", "layer", "relative_depth"), place, strict=True)),
                    "procedure": procedure,
                    "tasks": len(of_block),
                    "n": of_block["n"].max(),
                    **_columns("accuracy", mean),
                }
            )
    return pd.DataFrame(found)


def control_line(rows: pd.DataFrame) -> str:
    """The controls of one task in a line."""
    test = rows[rows["split"] == "test"]
    parts = []
    for name, title in CONTROL_NAMES.items():
        asked = test[test["procedure"] == name]
        if len(asked) and name != "no_op":
            found = pd.Series(_columns(name, accuracy(asked["correct"], asked["query"])))
            parts.append(f"{title} {interval(found, name)}")
    return f"{'  '.join(parts)}  block {test['layer'].iloc[0]}  n {test['episode'].nunique()}"


def _groups(rows: pd.DataFrame) -> "pd.api.typing.DataFrameGroupBy":
    """The test rows of each model and task, in their order."""
    return rows[rows["split"] == "test"].groupby(TASK, sort=False, observed=True)


def _test(rows: pd.DataFrame, model: str, task: str) -> pd.DataFrame:
    return rows[(rows["model"] == model) & (rows["task"] == task) & (rows["split"] == "test")]


def _paired(vector: pd.DataFrame, control: pd.DataFrame) -> tuple[float, float]:
    """P-values that the vector is right more often than a control, and less often."""
    if control.empty:
        return np.nan, np.nan
    one, other = (r.set_index(["episode", "query"])["correct"] for r in (vector, control))
    same_block = set(control["layer"].dropna()) <= set(vector["layer"])
    if set(one.index) != set(other.index) or not same_block:
        raise MeasurementError(
            f"{vector['task'].iloc[0]}: the controls are not of the episodes and the block of the "
            "central comparison. Move their results away to measure them again."
        )
    other = other.loc[one.index]
    return better_than(one, other), better_than(other, one)


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
