"""Accuracies on both tasks of a pair, with intervals, and which of them a prompt follows."""

from typing import Any

import pandas as pd

from tvsight.protocol.layers import by_layer
from tvsight.statistics.summaries import TASK, by_group, identified, right, sizes
from tvsight.statistics.tests import SIGNIFICANCE, better_than, with_holm

FAMILY = ["model", "layer_rule"]
"""Pairs that agree in these are tested together."""
SCORED_AS = ("demonstrations", "patched")
"""The task by whose answers a prediction is scored: A, which is demonstrated, or B, whose vector
is patched in."""
RULE_NAMES = {"zero_shot": "zero-shot", "conflict": "conflict"}
"""The rules that choose a block: the vector is best at B on dev there, in zero-shot prompts (the
paper's rule), or in the conflicting ones."""
UNPATCHED = {"zero_shot": "baseline", "conflict": "icl"}
"""By rule: the procedure of the same prompts without a vector, which the best block has to beat on
dev."""


def by_pair(rows: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """Test accuracy on both tasks, without and with the vector: one row per model, pair and rule.

    Args:
        vector: the procedure of the vector, in the names of columns too.

    Returns:
        `model`, `category`, `task` (the pair), `layer_rule`, `layer`, `depth` (number of the
        model's blocks), `layer_p` (see `layers.layer_p`), `layer_identified`, `n` (episodes),
        `queries`; for `icl_` and `task_vector_` with `demonstrations` and `patched` the accuracy,
        its `_low` and `_high`, and with `follows` the task that is followed (see `followed`);
        `overrides_p`, the p-value that the prompt follows A without the vector and B with it (the
        larger of the two), and `overrides_p_holm`, adjusted for the pairs of the same model and
        rule; `overrides` and `overrides_holm`, whether these are below `SIGNIFICANCE`.
    """
    pairs = dict(iter(rows.groupby(["model", "task"], sort=False, observed=True)))

    def summary(patched: pd.DataFrame) -> dict[str, Any]:
        first = patched.iloc[0]
        pair_rows, rule = pairs[first["model"], first["task"]], first["layer_rule"]
        dev = pair_rows[pair_rows["split"] == "dev"]
        icl = pair_rows[pair_rows["procedure"] == "icl"]
        on_b = dev[dev["scored_as"] == "patched"]
        without = on_b[on_b["procedure"] == UNPATCHED[rule]]
        row: dict[str, Any] = {"layer": int(first["layer"]), "depth": int(dev["layer"].max()) + 1}
        row |= identified(on_b[on_b["layer_rule"] == rule], without)
        row |= sizes(patched[patched["scored_as"] == "patched"])
        runs = {"icl": icl[icl["split"] == "test"], vector: patched}
        for procedure, run in runs.items():
            for scored_as in SCORED_AS:
                row |= right(run[run["scored_as"] == scored_as], f"{procedure}_{scored_as}")
        (before, without_p), (after, with_p) = map(followed, runs.values())
        p_value = max(without_p["demonstrations"], with_p["patched"])
        row |= {"icl_follows": before, f"{vector}_follows": after, "overrides_p": p_value}
        return row | {"overrides": p_value < SIGNIFICANCE}

    patched = rows[(rows["split"] == "test") & rows["layer_rule"].notna()]
    table = by_group(patched, [*TASK, "layer_rule"], summary, order=["model", "task"])
    table = with_holm(table, ["overrides_p"], within=FAMILY)
    return table.assign(overrides_holm=table["overrides_p_holm"] < SIGNIFICANCE)


def overridden(table: pd.DataFrame) -> pd.DataFrame:
    """The pairs that the vector overrides: a row per model and rule.

    Args:
        table: from `by_pair`.

    Returns:
        `model`, `layer_rule`, `pairs` (as many tests), `overrides` and `overrides_holm`: the
        numbers of pairs before and after Holm's correction.
    """
    families = table.groupby(FAMILY, sort=False, observed=True)
    sums = families[["overrides", "overrides_holm"]].sum()
    sums.insert(0, "pairs", families.size())
    return sums.reset_index()


def followed(run: pd.DataFrame) -> tuple[str, dict[str, float]]:
    """The task that a prompt follows, by the exact test that permutes whole queries.

    Args:
        run: rows of one run, each prediction scored as both tasks.

    Returns:
        `demonstrations` or `patched` where that one is answered significantly more often, else
        `neither`; and the one-sided p-value that it is, of each.
    """
    right = run.pivot(index="episode", columns="scored_as", values="correct")
    queries = run.drop_duplicates("episode").set_index("episode")["query"].loc[right.index]
    p_values = {
        one: better_than(right[one], right[other], queries)
        for one, other in (SCORED_AS, SCORED_AS[::-1])
    }
    significant = [task for task, p_value in p_values.items() if p_value < SIGNIFICANCE]
    return (significant or ["neither"])[0], p_values


def by_block(rows: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """Dev accuracy after each block: one row per model, pair, `layer_rule` (whose sweep it is),
    `scored_as` and block, in the columns of `layers.by_layer`."""
    patched = rows[rows["procedure"] == vector]
    sweeps = patched.groupby(["layer_rule", "scored_as"], sort=False, observed=True)
    parts = [
        by_layer(swept, vector).assign(layer_rule=str(rule), scored_as=str(scored_as))
        for (rule, scored_as), swept in sweeps
    ]
    return pd.concat(parts, ignore_index=True)


def unpatched_on_dev(rows: pd.DataFrame) -> pd.DataFrame:
    """Dev accuracy of the conflicting prompt without a vector: `model`, `task`, `scored_as`,
    `accuracy`."""
    icl = rows[(rows["split"] == "dev") & (rows["procedure"] == "icl")]
    means = icl.groupby(["model", "task", "scored_as"], sort=False, observed=True)["correct"].mean()
    return means.rename("accuracy").reset_index()


def beside_paper(
    table: pd.DataFrame, paper: pd.DataFrame, vector: str = "task_vector"
) -> pd.DataFrame:
    """Ours and, after each pair that the paper has, the paper's numbers; `source` says which. Those
    of another vector than the paper's stand alone.

    Args:
        table, paper: from `by_pair` and `paper_by_pair`.
    """
    pairs = list(dict.fromkeys(table["task"]))
    theirs = paper[paper["task"].isin(pairs) & (vector == "task_vector")]
    parts = [table.assign(source="tvsight"), theirs.assign(source="paper")]
    whole = pd.concat([part for part in parts if len(part)])
    whole = whole.sort_values("task", key=lambda of: of.map(pairs.index), kind="stable")
    counts = dict.fromkeys(("layer", "depth", "n", "queries"), "Int64")
    return whole[["source", *table.columns]].reset_index(drop=True).astype(counts)


def pair_line(rows: pd.DataFrame, vector: str = "task_vector") -> str:
    """The outcome of one pair in a line: accuracy on A and on B."""
    table = by_pair(rows, vector)
    first = table.iloc[0]
    parts = [f"ICL {first['icl_demonstrations']:.2f} on A, {first['icl_patched']:.2f} on B"]
    for _, row in table.iterrows():
        rule, mark = RULE_NAMES[row["layer_rule"]], " (overrides)" if row["overrides"] else ""
        parts.append(
            f"vector after block {row['layer']} ({rule}) {row[f'{vector}_demonstrations']:.2f}, "
            f"{row[f'{vector}_patched']:.2f}{mark}"
        )
    return f"{'  '.join(parts)}  n {first['n']} ({first['queries']} queries)"
