"""Scores of heads, and in-context learning without those of the largest scores."""

import pandas as pd
from scipy.stats import hypergeom, spearmanr

from tvsight.experiments.heads import CHOOSES, COPYING, DEFINITIONS, KINDS, REPLACEMENTS, Repetition
from tvsight.output.labels import number
from tvsight.protocol.head_numbers import HEAD, effects, ranked, universal
from tvsight.statistics import summaries
from tvsight.statistics.summaries import ENDS, by_group, right, sizes

TOP = 0.1
"""Share of the heads whose overlap is counted."""
AGAINST = {
    "fv": "induction",
    "induction": "fv",
    "fv_excluding": "induction_excluding",
    "induction_excluding": "fv_excluding",
}
"""The other kind of heads."""
SET = ["model", "task", "replaced_by", "kind", "share"]
"""The columns that tell sets of heads apart."""
DIFFERENCES = ("loss", "beyond_random", "beyond_other", "beyond_own")


def by_induction(rows: pd.DataFrame, definition: str) -> list[tuple[int, int]]:
    """All heads of a model, those of the largest induction score first.

    Args:
        rows: of induction scores.
    """
    return ranked(induction(rows, definition).set_index(HEAD)["score"])


def induction(rows: pd.DataFrame, definition: str) -> pd.DataFrame:
    """The induction scores of heads by one definition.

    Args:
        rows: of induction scores.

    Returns:
        `model`, `layer`, `head`, `score` with `_low` and `_high` (normal approximation over
        sequences, 95 %).
    """
    scored = rows[rows["definition"] == definition]
    half = 1.96 * scored["deviation"] / scored["sequences"] ** 0.5
    scored = scored.assign(score_low=scored["score"] - half, score_high=scored["score"] + half)
    return scored[["model", *HEAD, "score", "score_low", "score_high"]]


def repetitions(rows: pd.DataFrame) -> pd.DataFrame:
    """How the induction heads of each model were found, by definition: `model`, `definition`,
    `tokens` (fewer than in `DEFINITIONS` where the context window is short), `copies`, `sequences`.

    Args:
        rows: of induction scores.
    """
    return rows[["model", "definition", *Repetition._fields]].drop_duplicates(ignore_index=True)


def scores(head_rows: pd.DataFrame, induction_rows: pd.DataFrame) -> pd.DataFrame:
    """The FV score and the induction scores of every head of models that have both.

    Args:
        head_rows: rows of the effects of heads.
        induction_rows: rows of induction scores.

    Returns:
        A row per model and head, those of the largest FV score first: `model`, `layer`, `head`,
        `tasks`; `fv` with `_low` and `_high` (bootstrap over tasks); `induction` by the definition
        that chooses heads, with `_low` and `_high` (over sequences), and one column
        `induction_<definition>` for each other; the places `fv_rank` and `induction_rank`, from 1.
    """
    both = head_rows["model"].isin(induction_rows["model"])
    mean = universal(effects(head_rows[both]), 0).drop(columns="in_top")
    table = mean.rename(columns=lambda name: name.replace("effect", "fv"))
    for name in (CHOOSES, *(name for name in DEFINITIONS if name != CHOOSES)):
        induced = induction(induction_rows, name)
        if name != CHOOSES:
            induced = induced[["model", *HEAD, "score"]].rename(columns={"score": f"score_{name}"})
        induced = induced.rename(columns=lambda name: name.replace("score", "induction"))
        table = table.merge(induced, on=["model", *HEAD])
    for name in ("fv", "induction"):
        ranked = table.groupby("model", observed=True)[name].rank(ascending=False, method="first")
        table[f"{name}_rank"] = ranked.astype(int)
    return table


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """By how much the two scores name the same heads: a row per model.

    Args:
        table: from `scores`.

    Returns:
        `model`, `heads` (their number), `correlation` (Spearman's, of FV and induction score) and
        `definitions` (of the two induction scores), `top` (the number of heads in a tenth),
        `shared` (heads in the top tenth of both), `expected` by chance, and `p`, that random sets
        share as many (hypergeometric).
    """

    def summary(model_rows: pd.DataFrame) -> dict[str, float]:
        heads = len(model_rows)
        top = max(1, int(TOP * heads + 1e-9))
        shared = int(((model_rows["fv_rank"] <= top) & (model_rows["induction_rank"] <= top)).sum())
        (other,) = (f"induction_{name}" for name in DEFINITIONS if name != CHOOSES)
        return {
            "heads": heads,
            "correlation": float(spearmanr(model_rows["fv"], model_rows["induction"]).statistic),
            "definitions": float(spearmanr(model_rows["induction"], model_rows[other]).statistic),
            **{"top": top, "shared": shared, "expected": top**2 / heads},
            "p": float(hypergeom.sf(shared - 1, heads, top, top)),
        }

    return by_group(table, ["model"], summary)


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of ICL without heads: a row per model, task, replacement, kind and share.

    Args:
        rows: of ablations.

    Returns:
        `model`, `category`, `task`, `replaced_by`, `kind`, `share`, `heads` (their number), `n`,
        `queries`; `accuracy` (of random heads over all draws), `icl`; `loss`, ICL minus this; and
        the loss minus that of as many random heads (`beyond_random`), of the other kind
        (`beyond_other`) and with the task's own means (`beyond_own`), each with `_low` and `_high`,
        paired, bootstrap over queries; and the one-sided `_p` of the four, by permuting queries,
        with `_p_holm`, adjusted for the tasks of the model. What a set is not compared with is
        empty.
    """
    ablated = rows[rows["kind"].notna()]
    ablated = ablated.assign(
        place=ablated["kind"].map(list(KINDS).index),
        first=ablated["replaced_by"].map(list(REPLACEMENTS).index),
    )

    runs = dict(iter(ablated.groupby(SET, observed=True)))
    unablated = rows[rows["procedure"] == "icl"]
    of_task = dict(iter(unablated.groupby(["model", "task"], observed=True)))

    def icl(run: pd.DataFrame) -> pd.DataFrame:
        return of_task[run["model"].iloc[0], run["task"].iloc[0]]

    def same_but(run: pd.DataFrame, column: str, value: str | None) -> summaries.Pair | None:
        """The rows with another value of a column, beside these."""
        own = {name: run[name].iloc[0] for name in SET}
        if value in (None, own[column]):
            return None
        return runs[tuple((own | {column: value}).values())], run

    table = summaries.by_task(
        rows,
        ["replaced_by", "kind", "share"],
        {
            "loss": lambda _, run: (icl(run), run),
            "beyond_random": lambda _, run: same_but(run, "kind", "random"),
            "beyond_other": lambda _, run: same_but(run, "kind", AGAINST.get(run["kind"].iloc[0])),
            "beyond_own": lambda _, run: same_but(run, "replaced_by", "own_task"),
        },
        lambda _, run: {"heads": int(run["heads"].iloc[0]), **sizes(run)},
        lambda _, run: right(icl(run), "icl"),
        tested=ablated.sort_values(["first", "share", "place"], kind="stable"),
    )
    for end in ENDS:
        table.insert(list(table).index("loss"), f"icl{end}", table.pop(f"icl{end}"))
    return summaries.adjusted(table, DIFFERENCES, "replaced_by", "kind", "share")


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: a row per model, group of tasks,
    replacement, kind and share.

    Args:
        table: from `by_task`.

    Returns:
        `model`, `group` (`all` tasks, those of `COPYING`, or the `rest`), `replaced_by`, `kind`,
        `share`, `heads`, `tasks` (their number); `accuracy`, `icl`, `loss`, `beyond_random`,
        `beyond_other` and `beyond_own`, each with `_low` and `_high`; and `<name>_tasks` of the
        last four, the tasks with an adjusted p-value below 5 %.
    """
    means: dict[str, summaries.Mean] = {
        **{"accuracy": "accuracy", "icl": "icl", "loss": ("icl", "accuracy")},
        **{name: name for name in DIFFERENCES[1:]},
    }
    counts = {f"{name}_tasks": f"{name}_p_holm" for name in DIFFERENCES}
    copying = table["task"].isin(COPYING)
    groups = {"all": table, "copying": table[copying], "rest": table[~copying]}
    grouped = pd.concat([group_rows.assign(group=name) for name, group_rows in groups.items()])
    condition = ["group", "replaced_by", "kind", "share", "heads"]
    return summaries.over_tasks(grouped, condition, means, counts)


def task_line(rows: pd.DataFrame) -> str:
    """The accuracy of ICL on one task with all heads, and without the largest sets."""
    most = rows[(rows["share"] == rows["share"].max()) & (rows["replaced_by"] == "other_tasks")]
    parts = [f"ICL {number(rows.loc[rows['procedure'] == 'icl', 'correct'].mean())}"]
    for kind, name in (("fv", "FV"), ("induction", "induction"), ("random", "random")):
        parts.append(f"{name} {number(most.loc[most['kind'] == kind, 'correct'].mean())}")
    return f"{parts[0]}  without {most['heads'].iloc[0]} heads: {', '.join(parts[1:])}"
