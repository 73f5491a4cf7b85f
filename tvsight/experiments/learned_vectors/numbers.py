"""Accuracies of extracted and learned vectors, by task, over tasks and by block."""

import pandas as pd

from tvsight.statistics import summaries
from tvsight.statistics.counts import solved
from tvsight.statistics.summaries import Mean, beside, gap, right, sizes
from tvsight.tasks.overlap import word_lists

CONDITION = ["procedure", "operation", "loss"]
UNPATCHED = ("baseline", "icl")
OF_TRAINING = ("steps", "fitted", "cosine", "norm_ratio")


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy after the chosen block: one row per model, task and condition.

    Returns:
        The columns of `summaries.by_task` by `CONDITION`, with `layer` and `layer_identified`;
        contrasts `over_extracted`, over the extracted vector of the same operation, and
        `behind_icl`; `OF_TRAINING`; `dev_answer` and `new_answer`, the accuracy on queries whose
        answer is that of a dev query, and on the others (none where there are none).
    """
    test = rows[rows["split"] == "test"]
    chosen = test["chosen"].fillna(False).astype(bool) | test["procedure"].isin(UNPATCHED)

    def extracted(task_rows: pd.DataFrame, run: pd.DataFrame) -> summaries.Pair | None:
        if run["procedure"].iloc[0] in (*UNPATCHED, "own_mean"):
            return None
        known = task_rows[(task_rows["split"] == "test") & (task_rows["procedure"] == "own_mean")]
        same = known[known["operation"] == run["operation"].iloc[0]]
        return run, same[same["chosen"].astype(bool)]

    def icl(task_rows: pd.DataFrame, run: pd.DataFrame) -> summaries.Pair | None:
        return task_rows[task_rows["procedure"] == "icl"], run

    def more(task_rows: pd.DataFrame, run: pd.DataFrame) -> summaries.Columns:
        known = set(task_rows.loc[task_rows["split"] == "dev", "expected"])
        is_known = run["expected"].isin(known)
        shares = {"dev_answer": run[is_known], "new_answer": run[~is_known]}
        accuracies = {name: part["correct"].mean() for name, part in shares.items()}
        return {name: run[name].astype(float).iloc[0] for name in OF_TRAINING} | accuracies

    def lead(_: pd.DataFrame, run: pd.DataFrame) -> summaries.Columns:
        return sizes(run) | {name: run[name].iloc[0] for name in ("layer", "layer_identified")}

    contrasts: dict[str, summaries.Contrast] = {"over_extracted": extracted, "behind_icl": icl}
    table = summaries.by_task(rows, CONDITION, contrasts, lead, more, test[chosen])
    return summaries.adjusted(table.astype({"layer": "Int64"}), list(contrasts), *CONDITION)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks: one row per model and condition.

    Args:
        table: from `by_task`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: `accuracy`, `recovered_gap`,
        `over_extracted`, `behind_icl`; the tasks where a vector is `better` than the extracted one
        and where ICL is `better_icl`; the means of `OF_TRAINING` and the median `layer`.
    """
    known = beside(table, {name: (name, "accuracy") for name in UNPATCHED})
    known = known.assign(solved=solved(known))
    means: dict[str, Mean] = {name: name for name in ("accuracy", "over_extracted", "behind_icl")}
    means["recovered_gap"] = gap()
    counts = {"better": "over_extracted_p_holm", "better_icl": "behind_icl_p_holm"}

    def more(run: pd.DataFrame) -> summaries.Columns:
        return {name: run[name].mean() for name in OF_TRAINING} | {"layer": run["layer"].median()}

    return summaries.over_tasks(known, CONDITION, means, counts, more, word_lists)


def new_answers(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on answers that dev has and on others, over the tasks that have both.

    Args:
        table: from `by_task`.

    Returns:
        The columns of `summaries.over_tasks`: `dev_answer`, `new_answer`, and `difference`.
    """
    both = table.dropna(subset=["dev_answer", "new_answer"])
    means: dict[str, Mean] = {name: name for name in ("dev_answer", "new_answer")}
    return summaries.over_tasks(
        both, CONDITION, means | {"difference": ("dev_answer", "new_answer")}
    )


def by_block(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy after every block, extracted and learned from answers, over the tasks that have
    a learned vector there.

    Returns:
        `model`, `operation`, `layer`, `tasks`, `every` (whether these are all tasks); `extracted`,
        `learned` and their `difference`, each with its interval over tasks.
    """
    shown = rows[(rows["split"] == "test") & rows["layer"].notna()]
    kinds = {"extracted": ("own_mean", None), "learned": ("learned_vector", "answer")}
    keys = ["model", "task", "operation", "layer"]
    shares = {}
    for name, (procedure, loss) in kinds.items():
        own = shown[shown["procedure"] == procedure]
        own = own if loss is None else own[own["loss"] == loss]
        shares[name] = own.groupby(keys, observed=True, sort=False)["correct"].mean()
    table = pd.DataFrame(shares).dropna().reset_index()
    tasks = rows.groupby("model", observed=True)["task"].nunique()
    means: dict[str, Mean] = {name: name for name in kinds}
    found = summaries.over_tasks(
        table, ["operation", "layer"], means | {"difference": ("learned", "extracted")}
    )
    found = found.sort_values(["model", "operation", "layer"], ignore_index=True)
    return found.assign(every=found["tasks"] == found["model"].map(tasks))


def extracted_by_block(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy of the extracted vector after every block, over all tasks."""
    own = rows[(rows["split"] == "test") & (rows["procedure"] == "own_mean")]
    keys = ["model", "task", "operation", "layer"]
    table = summaries.by_group(own, keys, lambda run: right(run))
    return summaries.over_tasks(table, ["operation", "layer"])
