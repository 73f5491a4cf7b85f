"""Accuracies on both tasks of a pair, with intervals, and which of them a prompt follows."""

import pandas as pd

from tvsight.experiments.main_results.layers import by_layer
from tvsight.statistics.intervals import accuracy
from tvsight.statistics.tests import better_than

SCORED_AS = ("demonstrations", "patched")
"""The task by whose answers a prediction is scored: A, which is demonstrated, or B, whose vector
is patched in."""
RULE_NAMES = {"zero_shot": "zero-shot", "conflict": "conflict"}
"""The rules that choose a block: the vector is best at B on dev there, in zero-shot prompts (the
paper's rule), or in the conflicting ones."""
SIGNIFICANCE = 0.05
"""Level of the test by which a prompt follows one task and not the other."""


def by_pair(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy on both tasks, without and with the vector: one row per model, pair and rule.

    Returns:
        `model`, `category`, `task` (the pair), `layer_rule`, `layer`, `layer_identified`, `n`
        (episodes), `queries`; for `icl_` and `task_vector_` with `demonstrations` and `patched`
        the accuracy, its `_low` and `_high`, and with `follows` the task that is followed (see
        `followed`); `overrides_p`, the p-value of that test for B in the patched prompt;
        `overrides`, whether the prompt follows A without the vector and B with it.
    """
    test = rows[rows["split"] == "test"]
    summaries = []
    for _, of_pair in test.groupby(["model", "task"], sort=False, observed=True):
        unpatched = of_pair[of_pair["procedure"] == "icl"]
        vector = of_pair[of_pair["procedure"] == "task_vector"]
        for _, of_rule in vector.groupby("layer_rule", sort=False, observed=True):
            summaries.append(_summary(unpatched, of_rule))
    return pd.DataFrame(summaries)


def followed(run: pd.DataFrame) -> tuple[str, float]:
    """The task that a prompt follows, by the exact sign test over its queries.

    A query counts once, for the task that more of its episodes answer: episodes that share one are
    no independent evidence.

    Args:
        run: rows of one run, each prediction scored as both tasks.

    Returns:
        `demonstrations` or `patched` where that one is answered significantly more often, else
        `neither`; and the one-sided p-value that it is `patched`.
    """
    right = run.pivot(index="episode", columns="scored_as", values="correct").astype(int)
    queries = run.drop_duplicates("episode").set_index("episode")["query"]
    lead = (right["patched"] - right["demonstrations"]).groupby(queries).sum()
    patched = better_than(lead > 0, lead < 0)
    if patched < SIGNIFICANCE:
        return "patched", patched
    demonstrations = better_than(lead < 0, lead > 0)
    return "demonstrations" if demonstrations < SIGNIFICANCE else "neither", patched


def by_block(rows: pd.DataFrame) -> pd.DataFrame:
    """Dev accuracy after each block: one row per model, pair, `layer_rule` (whose sweep it is),
    `scored_as` and block, in the columns of `layers.by_layer`."""
    vector = rows[rows["procedure"] == "task_vector"]
    sweeps = []
    for rule, scored_as in vector[["layer_rule", "scored_as"]].drop_duplicates().to_numpy():
        where = (vector["layer_rule"] == rule) & (vector["scored_as"] == scored_as)
        sweeps.append(by_layer(vector[where]).assign(layer_rule=rule, scored_as=scored_as))
    return pd.concat(sweeps, ignore_index=True)


def unpatched_on_dev(rows: pd.DataFrame) -> pd.DataFrame:
    """Dev accuracy of the conflicting prompt without a vector: `model`, `task`, `scored_as`,
    `accuracy`."""
    icl = rows[(rows["split"] == "dev") & (rows["procedure"] == "icl")]
    keys = ["model", "task", "scored_as"]
    means = icl.groupby(keys, sort=False, observed=True)["correct"].mean()
    return means.rename("accuracy").reset_index()


def beside_paper(table: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Ours and, after each pair that the paper has, the paper's numbers; `source` says which.

    Args:
        table, paper: from `by_pair` and `paper_by_pair`.
    """
    parts = []
    for pair, of_pair in table.groupby("task", sort=False, observed=True):
        theirs = paper[paper["task"] == pair]
        parts += [of_pair.assign(source="tvsight"), theirs.assign(source="paper")]
    whole = pd.concat([part for part in parts if len(part)], ignore_index=True)
    counts = dict.fromkeys(("layer", "n", "queries"), "Int64")
    return whole[["source", *table.columns]].astype(counts)


def pair_line(rows: pd.DataFrame) -> str:
    """The outcome of one pair in a line: accuracy on A and on B."""
    table = by_pair(rows)
    first = table.iloc[0]
    parts = [f"ICL {first['icl_demonstrations']:.2f} on A, {first['icl_patched']:.2f} on B"]
    for _, row in table.iterrows():
        rule, mark = RULE_NAMES[row["layer_rule"]], " (overrides)" if row["overrides"] else ""
        parts.append(
            f"vector after block {row['layer']} ({rule}) {row['task_vector_demonstrations']:.2f}, "
            f"{row['task_vector_patched']:.2f}{mark}"
        )
    return f"{'  '.join(parts)}  n {first['n']} ({first['queries']} queries)"


def _summary(unpatched: pd.DataFrame, patched: pd.DataFrame) -> dict[str, object]:
    first = patched.iloc[0]
    of_patched = patched[patched["scored_as"] == "patched"]
    summary: dict[str, object] = {
        **{name: first[name] for name in ("model", "category", "task", "layer_rule")},
        "layer": int(first["layer"]),
        "layer_identified": bool(first["layer_identified"]),
        "n": len(of_patched),
        "queries": of_patched["query"].nunique(),
    }
    for procedure, run in (("icl", unpatched), ("task_vector", patched)):
        for scored_as in SCORED_AS:
            of_task = run[run["scored_as"] == scored_as]
            estimate = accuracy(of_task["correct"], of_task["query"])
            summary |= estimate.columns(f"{procedure}_{scored_as}")
    summary["icl_follows"], _ = followed(unpatched)
    summary["task_vector_follows"], summary["overrides_p"] = followed(patched)
    follows = (summary["icl_follows"], summary["task_vector_follows"])
    summary["overrides"] = follows == SCORED_AS
    return summary
