"""Scores of heads, and in-context learning without those of the largest scores."""

import pandas as pd
from scipy.stats import hypergeom, spearmanr

from tvsight.experiments.function_vectors.head_numbers import HEAD, KEYS, effects, universal
from tvsight.experiments.heads import CHOOSES, DEFINITIONS, KINDS, Repetition
from tvsight.experiments.rows import difference_columns
from tvsight.output.labels import number
from tvsight.statistics.intervals import accuracy, mean_difference, mean_of
from tvsight.statistics.tests import SIGNIFICANCE, with_holm

TOP = 0.1
"""Share of the heads whose overlap is counted."""
AGAINST = {
    "fv": "induction",
    "induction": "fv",
    "fv_excluding": "induction_excluding",
    "induction_excluding": "fv_excluding",
}
"""The other kind of heads."""


def by_fv(tables: pd.DataFrame) -> list[tuple[int, int]]:
    """All heads of a model, those of the largest mean effect over tasks first.

    Args:
        tables: from `function_vectors.head_numbers.effects`, of the tasks that choose.
    """
    return _ranked(tables.groupby(HEAD)["effect"].mean())


def by_induction(rows: pd.DataFrame, definition: str) -> list[tuple[int, int]]:
    """All heads of a model, those of the largest induction score first.

    Args:
        rows: of induction scores.
    """
    return _ranked(induction(rows, definition).set_index(HEAD)["score"])


def induction(rows: pd.DataFrame, definition: str) -> pd.DataFrame:
    """The induction scores of heads by one definition.

    Args:
        rows: of induction scores.

    Returns:
        `model`, `layer`, `head`, `score` with `_low` and `_high` (normal approximation over
        sequences, 95 %).
    """
    found = rows[rows["definition"] == definition]
    half = 1.96 * found["deviation"] / found["sequences"] ** 0.5
    found = found.assign(score_low=found["score"] - half, score_high=found["score"] + half)
    return found[["model", *HEAD, "score", "score_low", "score_high"]]


def repetitions(rows: pd.DataFrame) -> pd.DataFrame:
    """How the induction heads of each model were found, by definition: `model`, `definition`,
    `tokens` (fewer than in `DEFINITIONS` where the context window is short), `copies`, `sequences`.

    Args:
        rows: of induction scores.
    """
    columns = ["model", "definition", *Repetition._fields]
    return rows[columns].drop_duplicates(ignore_index=True)


def scores(of_heads: pd.DataFrame, of_induction: pd.DataFrame) -> pd.DataFrame:
    """The FV score and the induction scores of every head of models that have both.

    Args:
        of_heads: rows of the effects of heads.
        of_induction: rows of induction scores.

    Returns:
        A row per model and head, those of the largest FV score first: `model`, `layer`, `head`,
        `tasks`; `fv` with `_low` and `_high` (bootstrap over tasks); `induction` by the definition
        that chooses heads, with `_low` and `_high` (over sequences), and one column
        `induction_<definition>` for each other; the places `fv_rank` and `induction_rank`, from 1.
    """
    both = of_heads["model"].isin(of_induction["model"])
    mean = universal(effects(of_heads[both]), 0).drop(columns="in_top")
    table = mean.rename(columns=lambda name: name.replace("effect", "fv"))
    chooses = induction(of_induction, CHOOSES)
    chooses = chooses.rename(columns=lambda name: name.replace("score", "induction"))
    table = table.merge(chooses, on=["model", *HEAD])
    for name in DEFINITIONS:
        if name != CHOOSES:
            other = induction(of_induction, name)[["model", *HEAD, "score"]]
            other = other.rename(columns={"score": f"induction_{name}"})
            table = table.merge(other, on=["model", *HEAD])
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
    found = []
    for model, of_model in table.groupby("model", sort=False, observed=True):
        heads = len(of_model)
        top = max(1, int(TOP * heads + 1e-9))
        shared = int(((of_model["fv_rank"] <= top) & (of_model["induction_rank"] <= top)).sum())
        (other,) = (f"induction_{name}" for name in DEFINITIONS if name != CHOOSES)
        found.append(
            {
                "model": str(model),
                "heads": heads,
                "correlation": float(spearmanr(of_model["fv"], of_model["induction"]).statistic),
                "definitions": float(spearmanr(of_model["induction"], of_model[other]).statistic),
                **{"top": top, "shared": shared, "expected": top**2 / heads},
                "p": float(hypergeom.sf(shared - 1, heads, top, top)),
            }
        )
    return pd.DataFrame(found)


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of ICL without heads: a row per model, task, kind of heads and share.

    Args:
        rows: of ablations.

    Returns:
        `model`, `category`, `task`, `kind`, `share`, `heads` (their number), `n`, `queries`;
        `accuracy` (of random heads over all draws), `icl`; `loss`, ICL minus this; `below_random`,
        random heads minus this; `below_other`, the other kind minus this (each with `_low` and
        `_high`, paired, bootstrap over queries), and the one-sided `_p` of the three, by permuting
        queries, with `_p_holm`, adjusted for the tasks of the model. What a kind is not compared
        with is empty.
    """
    found = []
    for (model, task), of_task in rows.groupby(KEYS, sort=False, observed=True):
        icl = of_task[of_task["procedure"] == "icl"]
        ablated = of_task[of_task["kind"].notna()]
        for share, of_share in ablated.groupby("share"):
            runs = {kind: of_share[of_share["kind"] == kind] for kind in KINDS}
            for kind, run in runs.items():
                row = {"model": model, "category": run["category"].iloc[0], "task": task}
                row |= {"kind": kind, "share": share, "heads": int(run["heads"].iloc[0])}
                row |= {"n": run["episode"].nunique(), "queries": run["query"].nunique()}
                row |= accuracy(run["correct"], run["query"]).columns("accuracy")
                row |= accuracy(icl["correct"], icl["query"]).columns("icl")
                row |= _lead(icl, run, "loss")
                random = runs["random"] if kind != "random" else None
                row |= _lead(random, run, "below_random")
                other = runs[AGAINST[kind]] if kind in AGAINST else None
                row |= _lead(other, run, "below_other")
                found.append(row)
    names = ["loss_p", "below_random_p", "below_other_p"]
    return with_holm(pd.DataFrame(found), names, ("model", "kind", "share"))


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: a row per model, kind and share.

    Args:
        table: from `by_task`.

    Returns:
        `model`, `kind`, `share`, `heads`, `tasks` (their number); `accuracy`, `icl`, `loss`,
        `below_random` and `below_other`, each with `_low` and `_high`; and `<name>_tasks` of the
        last three, the tasks with an adjusted p-value below 5 %.
    """
    found = []
    groups = ["model", "share", "kind"]
    for (model, share, kind), run in table.groupby(groups, sort=False, observed=True):
        row = {"model": model, "kind": kind, "share": share, "heads": run["heads"].iloc[0]}
        row |= {"tasks": len(run)}
        for name in ("accuracy", "icl"):
            row |= mean_of(run, name).columns(name)
        row |= mean_difference(run, "icl", "accuracy").columns("loss")
        for name in ("below_random", "below_other"):
            row |= mean_of(run, name).columns(name)
        for name in ("loss", "below_random", "below_other"):
            row[f"{name}_tasks"] = int((run[f"{name}_p_holm"] < SIGNIFICANCE).sum())
        found.append(row)
    return pd.DataFrame(found)


def task_line(rows: pd.DataFrame) -> str:
    """The accuracy of ICL on one task with all heads, and without the largest sets."""
    most = rows[rows["share"] == rows["share"].max()]
    parts = [f"ICL {number(rows.loc[rows['procedure'] == 'icl', 'correct'].mean())}"]
    for kind, name in (("fv", "FV"), ("induction", "induction"), ("random", "random")):
        parts.append(f"{name} {number(most.loc[most['kind'] == kind, 'correct'].mean())}")
    return f"{parts[0]}  without {most['heads'].iloc[0]} heads: {', '.join(parts[1:])}"


def _ranked(values: pd.Series) -> list[tuple[int, int]]:
    """Heads by value, the largest first; of equal ones, the lowest."""
    order = values.sort_index().sort_values(ascending=False, kind="stable")
    return [(int(layer), int(head)) for layer, head in order.index]


def _lead(first: pd.DataFrame | None, second: pd.DataFrame, name: str) -> dict[str, float]:
    """See `difference_columns`; empty without a first run."""
    if first is None:
        nothing = float("nan")
        return dict.fromkeys((name, f"{name}_low", f"{name}_high", f"{name}_p"), nothing)
    return difference_columns(first, second, name)
