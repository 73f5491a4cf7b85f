"""Accuracies by context and factor, the factors that help most, and signs of collapse."""

import pandas as pd

from tvsight.experiments.rows import difference_columns
from tvsight.experiments.steering import METHODS, VECTOR
from tvsight.output.labels import number
from tvsight.output.procedures import title
from tvsight.statistics.intervals import accuracy, mean_of, mean_over_tasks
from tvsight.statistics.intervals import recovered_gap as gap
from tvsight.statistics.tests import SIGNIFICANCE, holm

KEYS = ["model", "task"]
CONDITION = ["context", "procedure", "method", "mode", "alpha"]
"""Columns that tell apart what was measured; the last three are empty without a vector."""
ENOUGH = 0.8
"""Share of the accuracy of the best factor that one has which helps most."""
SCORES = ("answer_gap", "icl_divergence")
"""Scores beyond accuracy, in nats."""
IN_TEXT = ("exact_once", "exact_every", "repeated_once", "repeated_every", "divergence")
"""Whole answers in generated text that are right, and signs of collapse."""


def by_task(central: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of one task in one condition: a row per model, task and condition.

    Args:
        central: rows of the central comparison.
        rows: of steering.

    Returns:
        `model`, `category`, `task`, the columns of `CONDITION`, `n`, `queries`, `layer`;
        `accuracy`, and `gain` over no vector in the same context (both with `_low` and `_high`),
        its `gain_p`, one-sided, by permuting queries; `baseline`, the accuracy without a vector in
        the same context; `icl`, that of in-context learning; the mean of each of `SCORES`.
    """
    icl = central[(central["split"] == "test") & (central["procedure"] == "icl")]
    icl_of = icl.groupby(KEYS, observed=True)["correct"].mean().to_dict()
    test = rows[rows["split"] == "test"]
    found = []
    for (model, task, _), asked in test.groupby([*KEYS, "context"], sort=False):
        baseline = asked[asked["procedure"] == "baseline"]
        for condition, run in asked.groupby(CONDITION, sort=False, dropna=False):
            first = run.iloc[0]
            row = {"model": model, "category": first["category"], "task": task}
            row |= dict(zip(CONDITION, condition, strict=True))
            row |= {"n": len(run), "queries": run["query"].nunique(), "layer": first["layer"]}
            row |= accuracy(run["correct"], run["query"]).columns("accuracy")
            row |= difference_columns(run, baseline, "gain")
            row |= {"baseline": baseline["correct"].mean(), "icl": icl_of[model, task]}
            row |= {name: run[name].mean() for name in SCORES}
            found.append(row)
    return pd.DataFrame(found)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: a row per model and condition.

    Args:
        table: from `by_task`.

    Returns:
        `model`, the columns of `CONDITION`, `tasks` (their number); `accuracy`, `baseline`, `icl`,
        `gain`, `SCORES` and `recovered_gap` (empty without a vector), with `_low` and `_high`;
        `gain_tasks`, the tasks with a gain (5 %, Holm's correction for the tasks); and `helps`,
        whether a vector helps most with this factor: a gain over no vector whose interval is above
        0, and at least `ENOUGH` of the accuracy of its own best factor in this context.
    """
    found = []
    for keys, run in table.groupby(["model", *CONDITION], sort=False, dropna=False):
        row = {**dict(zip(["model", *CONDITION], keys, strict=True)), "tasks": len(run)}
        for name in ("accuracy", "baseline", "icl", "gain", *SCORES):
            row |= mean_of(run, name).columns(name)
        ends = run[["baseline", "icl", "accuracy"]]
        known = ends if row["procedure"] != "baseline" else ends[:0]
        row |= mean_over_tasks(known, gap).columns("recovered_gap")
        row["gain_tasks"] = int((holm(run["gain_p"]) < SIGNIFICANCE).sum())
        found.append(row)
    means = pd.DataFrame(found)
    added = (means["procedure"] == VECTOR) & (means["mode"] == "add")
    of = ["model", "context", "method"]
    best = means[added].groupby(of)["accuracy"].transform("max").reindex(means.index)
    return means.assign(helps=(means["accuracy"] >= ENOUGH * best) & (means["gain_low"] > 0))


def ranges(means: pd.DataFrame) -> pd.DataFrame:
    """The factors with which an added vector helps most: a row per model, context and method.

    Args:
        means: from `over_tasks`.

    Returns:
        `model`, `context`, `method`, `tasks`, `baseline`; `overwrite`, the accuracy of the vector
        written over; `best`, that of the best factor, `best_alpha` (of equal ones the smallest) and
        its `recovered_gap`, all with `_low` and `_high` but the factor; `helping`, the number of
        factors with which it helps most, and `least_alpha` and `most_alpha`, the smallest and
        largest of them.
    """
    found = []
    vectors = means[means["procedure"] == VECTOR]
    for keys, of_vector in vectors.groupby(["model", "context", "method"], sort=False):
        added = of_vector[of_vector["mode"] == "add"].sort_values("alpha")
        best = added.iloc[int(added["accuracy"].argmax())]
        over = of_vector[of_vector["mode"] == "overwrite"].iloc[0]
        helping = added.loc[added["helps"], "alpha"]
        row = dict(zip(("model", "context", "method"), keys, strict=True))
        row |= {"tasks": best["tasks"], "best_alpha": best["alpha"], "helping": len(helping)}
        row |= {"least_alpha": helping.min(), "most_alpha": helping.max()}
        for name, of, column in (
            ("baseline", best, "baseline"),
            ("overwrite", over, "accuracy"),
            ("best", best, "accuracy"),
            ("recovered_gap", best, "recovered_gap"),
        ):
            row |= {f"{name}{end}": of[f"{column}{end}"] for end in ("", "_low", "_high")}
        found.append(row)
    return pd.DataFrame(found)


def in_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Whole answers and signs of collapse, means over tasks: a row per model and way to apply a
    vector.

    Args:
        rows: of steering.

    Returns:
        `model`, `procedure`, `method`, `mode`, `alpha` (as in `over_tasks`), `tasks`; and each of
        `IN_TEXT`, and `exact_gain`, `exact_every` minus `exact_once`, with `_low` and `_high`,
        bootstrap intervals over tasks. Each is the mean of the episodes that have it: text is
        generated on fewer than there are neutral sentences. The divergence is empty without a
        vector.
    """
    by = ["model", *CONDITION[1:]]
    known = rows.loc[rows["split"] == "test", list(IN_TEXT)].astype(float).dropna(how="all")
    values = rows.loc[known.index, [*by, "task"]].join(known)
    of_tasks = values.groupby([*by, "task"], sort=False, dropna=False).mean()
    of_tasks["exact_gain"] = of_tasks["exact_every"] - of_tasks["exact_once"]
    found = []
    for keys, run in of_tasks.reset_index().groupby(by, sort=False, dropna=False):
        row = {**dict(zip(by, keys, strict=True)), "tasks": len(run)}
        for name in (*IN_TEXT, "exact_gain"):
            row |= mean_of(run, name).columns(name)
        found.append(row)
    return pd.DataFrame(found)


def task_line(rows: pd.DataFrame) -> str:
    """The zero-shot accuracy of one task without a vector, and of each vector written over, and
    added once."""
    test = rows[(rows["split"] == "test") & (rows["context"] == "zero_shot")]
    plain = test.loc[test["procedure"] == "baseline", "correct"].mean()
    parts = [f"baseline {number(plain)}"]
    vectors = test[test["procedure"] == VECTOR]
    for method in METHODS:
        run = vectors[vectors["method"] == method]
        over = run.loc[run["mode"] == "overwrite", "correct"].mean()
        added = run.loc[run["alpha"] == 1, "correct"].mean()
        parts.append(f"{title(method).lower()} {number(over)}, added {number(added)}")
    return "  ".join(parts)
