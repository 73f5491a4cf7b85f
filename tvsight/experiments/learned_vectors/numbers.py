"""Accuracies of extracted and learned vectors, by task, over tasks and by block."""

import pandas as pd

from tvsight.experiments.learned_vectors import OPERATIONS
from tvsight.output.labels import number
from tvsight.output.procedures import title
from tvsight.statistics import summaries
from tvsight.statistics.counts import solved
from tvsight.statistics.summaries import Mean, beside, gap, right, sizes
from tvsight.tasks.overlap import word_lists

CONDITION = ["procedure", "operation", "loss"]
UNPATCHED = ("baseline", "icl")
OF_TRAINING = ("steps", "fitted", "cosine", "norm_ratio")
ANSWERS = ("dev_answer", "new_answer")


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy after the chosen block: one row per model, task and condition.

    Returns:
        The columns of `summaries.by_task` by `CONDITION`, with `layer` and `layer_identified`;
        contrasts `over_extracted`, over the extracted vector of the same operation, and
        `behind_icl`; `OF_TRAINING`; and `ANSWERS`, the accuracy on queries whose answer is that of
        a dev query, and on the others, where there are both.
    """
    test = rows[rows["split"] == "test"]
    tested = test[test["chosen"].fillna(False).astype(bool) | test["procedure"].isin(UNPATCHED)]

    def extracted(task_rows: pd.DataFrame, run: pd.DataFrame) -> summaries.Pair | None:
        own = task_rows[task_rows["chosen"].fillna(False) & (task_rows["procedure"] == "own_mean")]
        same = own[own["operation"] == run["operation"].iloc[0]]
        return (run, same) if len(same) and run["procedure"].iloc[0] != "own_mean" else None

    def icl(task_rows: pd.DataFrame, run: pd.DataFrame) -> summaries.Pair:
        return task_rows[task_rows["procedure"] == "icl"], run

    def lead(_: pd.DataFrame, run: pd.DataFrame) -> summaries.Columns:
        return sizes(run) | {name: run[name].iloc[0] for name in ("layer", "layer_identified")}

    def more(task_rows: pd.DataFrame, run: pd.DataFrame) -> summaries.Columns:
        known = run["expected"].isin(task_rows.loc[task_rows["split"] == "dev", "expected"])
        shares = [run.loc[asked, "correct"].mean() for asked in (known, ~known)]
        shares = shares if known.nunique() == len(ANSWERS) else [float("nan")] * len(ANSWERS)
        of_training = {name: run[name].astype(float).iloc[0] for name in OF_TRAINING}
        return of_training | dict(zip(ANSWERS, shares, strict=True))

    contrasts: dict[str, summaries.Contrast] = {"over_extracted": extracted, "behind_icl": icl}
    table = summaries.by_task(rows, CONDITION, contrasts, lead, more, tested)
    return summaries.adjusted(table.astype({"layer": "Int64"}), list(contrasts), *CONDITION)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks: one row per model and condition.

    Args:
        table: from `by_task`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: `accuracy`, `recovered_gap`,
        `over_extracted`, `behind_icl`; the numbers of tasks where a vector is `better` than the
        extracted one and where ICL is `better_icl`; the means of `OF_TRAINING` and `ANSWERS`, and
        the median `layer`.
    """
    known = beside(table, {name: (name, "accuracy") for name in UNPATCHED})
    known = known.assign(solved=solved(known))
    means: dict[str, Mean] = {name: name for name in ("accuracy", "over_extracted", "behind_icl")}
    counts = {"better": "over_extracted_p_holm", "better_icl": "behind_icl_p_holm"}

    def more(run: pd.DataFrame) -> summaries.Columns:
        averaged = {name: run[name].mean() for name in (*OF_TRAINING, *ANSWERS)}
        return averaged | {"layer": run["layer"].median()}

    means |= {"recovered_gap": gap()}
    return summaries.over_tasks(known, CONDITION, means, counts, more, word_lists)


def by_block(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy after each block, extracted and learned from answers, where all tasks have
    such a vector: one row per model, procedure, operation and block."""
    keys = ["model", "procedure", "operation", "layer"]
    test = rows[(rows["split"] == "test") & rows["layer"].notna()]
    shown = test[(test["procedure"] == "own_mean") | (test["loss"] == "answer")]
    shown = shown[shown["procedure"].isin(["own_mean", "learned_vector"])]
    table = summaries.by_group(shown, [*keys, "task"], right)
    tasks = table.groupby(keys)["task"].transform("nunique")
    every = table.groupby("model")["task"].transform("nunique")
    means = summaries.over_tasks(table[tasks == every], keys[1:])
    return means.sort_values(keys, ignore_index=True)


def task_line(rows: pd.DataFrame) -> str:
    """The accuracy of the extracted and the learned vectors of a task after their blocks."""
    shown = rows[rows["chosen"].fillna(False) & (rows["loss"].isna() | (rows["loss"] == "answer"))]
    runs = shown.groupby(CONDITION[:2], sort=False, observed=True)
    return "  ".join(
        f"{title(str(name))}, {OPERATIONS[str(use)]} {number(run['correct'].mean())}"
        for (name, use), run in runs
    )
