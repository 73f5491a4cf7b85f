"""Accuracies by context and factor, the factors that help most, and signs of collapse."""

import pandas as pd

from tvsight.experiments.steering import METHODS, VECTOR
from tvsight.output.labels import number
from tvsight.output.procedures import title
from tvsight.statistics import summaries
from tvsight.statistics.counts import solved
from tvsight.statistics.summaries import ENDS, apart, averaged, by_group, gap, sizes
from tvsight.tasks.overlap import word_lists

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
        the same context; `icl`, that of in-context learning; `solved`, whether ICL solves the task;
        the mean of each of `SCORES`.
    """
    answers = central[central["split"] == "test"].groupby(
        ["model", "task", "procedure"], observed=True
    )
    known = answers["correct"].mean().unstack("procedure")
    known = known.assign(solved=solved(known))[["icl", "solved"]]
    test = rows[rows["split"] == "test"]
    keys = ["model", "task", "context"]
    unpatched = test[test["procedure"] == "baseline"]
    plain = dict(iter(unpatched.groupby(keys, sort=False, observed=True)))

    def unsteered(run: pd.DataFrame) -> pd.DataFrame:
        return plain[tuple(run[keys].iloc[0])]

    def more(_: pd.DataFrame, run: pd.DataFrame) -> dict[str, float]:
        of_task = known.loc[tuple(run[keys[:2]].iloc[0])].to_dict()
        baseline = unsteered(run)["correct"].mean()
        return {"baseline": baseline, **of_task, **{name: run[name].mean() for name in SCORES}}

    return summaries.by_task(
        test,
        CONDITION,
        {"gain": lambda _, run: (run, unsteered(run))},
        lambda _, run: {**sizes(run), "layer": run["layer"].iloc[0]},
        more,
    )


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: a row per model and condition.

    Args:
        table: from `by_task`.

    Returns:
        The columns of `summaries.over_tasks` with word lists, by `CONDITION`: `accuracy`,
        `baseline`, `icl`, `gain`, `SCORES` and `recovered_gap` (empty without a vector);
        `gain_tasks`, the tasks with a gain (5 %, Holm's correction for the tasks); and `helps`,
        whether a vector helps most with this factor: a gain over no vector whose interval is above
        0, and at least `ENOUGH` of the accuracy of its own best factor in this context.
    """
    names = ("accuracy", "baseline", "icl", "gain", *SCORES)
    steered = table.assign(steered=table["accuracy"].where(table["procedure"] != "baseline"))
    means: dict[str, summaries.Mean] = {name: name for name in names}
    means["recovered_gap"] = gap("steered")
    means_table = summaries.over_tasks(
        steered, CONDITION, means, {"gain_tasks": "gain_p"}, lists=word_lists
    )
    added = (means_table["procedure"] == VECTOR) & (means_table["mode"] == "add")
    of = ["model", "group", "context", "method"]
    best = means_table[added].groupby(of)["accuracy"].transform("max").reindex(means_table.index)
    return means_table.assign(
        helps=(means_table["accuracy"] >= ENOUGH * best) & (means_table["gain_low"] > 0)
    )


def ranges(means: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The factors with which an added vector helps most: a row per model, context and method.

    Args:
        means, table: from `over_tasks` and `by_task`.

    Returns:
        `model`, `context`, `method`, `tasks`, `baseline`; `overwrite`, the accuracy of the vector
        written over; `best`, the maximum over factors, `best_alpha` (of equal ones the smallest)
        and its `recovered_gap`; `held_out`, the accuracy of each task with the factor that is best
        on the other tasks, all with `_low` and `_high` but the factor, and with `_translation` and
        `_rest` but the gap; `helping`, the number of factors with which it helps most, and
        `least_alpha` and `most_alpha`, the smallest and largest of them.
    """
    keys = ["model", "context", "method"]
    is_added = (table["procedure"] == VECTOR) & (table["mode"] == "add")
    added_tasks = dict(iter(table[is_added].groupby(keys, observed=True)))

    def summary(vector_rows: pd.DataFrame) -> dict[str, object]:
        added = vector_rows[vector_rows["mode"] == "add"].sort_values("alpha")
        best = added.iloc[int(added["accuracy"].argmax())]
        over = vector_rows[vector_rows["mode"] == "overwrite"].iloc[0]
        helping = added.loc[added["helps"], "alpha"]
        row = {"tasks": best["tasks"], "best_alpha": best["alpha"], "helping": len(helping)}
        row |= {"least_alpha": helping.min(), "most_alpha": helping.max()}
        row |= {f"baseline{end}": best[f"baseline{end}"] for end in ENDS}
        for end in (*ENDS, "_translation", "_rest"):
            row |= {f"best{end}": best[f"accuracy{end}"], f"overwrite{end}": over[f"accuracy{end}"]}
        row |= _held_out(added_tasks[tuple(best[keys])])
        return row | {f"recovered_gap{end}": best[f"recovered_gap{end}"] for end in ENDS}

    return by_group(apart(means[means["procedure"] == VECTOR], CONDITION), keys, summary)


def _held_out(added: pd.DataFrame) -> dict[str, float]:
    """`held_out` of `ranges`, from the accuracies of one vector in one context."""
    by_factor = added.pivot(index="task", columns="alpha", values="accuracy")
    others = by_factor.sum() - by_factor
    chosen = others.round(9).idxmax(axis=1)  # of equal ones the smallest
    held_out = [by_factor.at[task, alpha] for task, alpha in chosen.items()]
    translates = added.drop_duplicates("task").set_index("task")["category"].eq("translation")
    known = pd.DataFrame({"held_out": held_out}, by_factor.index)
    parts = {
        "translation": known[translates.reindex(known.index)],
        "rest": known[~translates.reindex(known.index)],
    }
    means = {f"held_out_{name}": part["held_out"].mean() for name, part in parts.items()}
    return averaged(known, ["held_out"]) | means


def in_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Whole answers and signs of collapse, means over tasks: a row per model and way to apply a
    vector.

    Args:
        rows: of steering.

    Returns:
        The columns of `summaries.over_tasks` with word lists, by `procedure`, `method`, `mode` and
        `alpha`: each of `IN_TEXT`, and `exact_gain`, `exact_every` minus `exact_once`. Each is the
        mean of the episodes that have it: text is generated on fewer than there are neutral
        sentences. The divergence is empty without a vector.
    """
    by = ["model", *CONDITION[1:]]
    known = rows.loc[rows["split"] == "test", list(IN_TEXT)].astype(float).dropna(how="all")
    values = rows.loc[known.index, [*by, "category", "task"]].join(known)
    task_means = values.groupby(
        [*by, "category", "task"], sort=False, dropna=False, observed=True
    ).mean()
    task_means["exact_gain"] = task_means["exact_every"] - task_means["exact_once"]
    names = (*IN_TEXT, "exact_gain")
    return summaries.over_tasks(task_means.reset_index(), CONDITION[1:], names, lists=word_lists)


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
