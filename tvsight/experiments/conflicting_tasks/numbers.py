"""From rows of conflicting tasks to accuracies on both: whose task a patched prompt follows."""

import pandas as pd

from tvsight.experiments.conflicting_tasks.episodes import tasks_of
from tvsight.experiments.main_results.layers import by_layer
from tvsight.output.labels import NOT_IDENTIFIED, display_name, interval
from tvsight.paper import paper_by_pair
from tvsight.statistics.intervals import accuracy
from tvsight.statistics.tests import better_than

SCORED_AS = ("demonstrations", "patched")
"""By whose answers a prediction is judged: A, which is demonstrated, or B, whose vector is patched
in."""
FOLLOWED_NAMES = {"demonstrations": "A", "patched": "B", "neither": "none"}
RULE_NAMES = {"zero_shot": "zero-shot", "conflict": "conflict"}
"""How the block was chosen: where the vector is best at B on dev, in zero-shot prompts (the paper's
rule), or in the conflicting ones."""
SIGNIFICANCE = 0.05
"""Level of the test by which a prompt follows one task and not the other."""


def by_pair(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy on both tasks, without and with the vector: one row per model, pair and rule.

    Returns:
        `model`, `category`, `task` (the pair), `layer_rule`, `layer`, `layer_identified`, `n`
        (episodes), `queries`; for `icl_` and `task_vector_` with `demonstrations` and `patched`
        the accuracy, its `_low` and `_high`, and with `follows` whose task is followed (see
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
    """Whose task a prompt follows, by the exact sign test over its queries.

    A query counts once, for the task that more of its episodes answer: episodes that share one are
    no independent evidence.

    Args:
        run: rows of one run, each prediction scored as both tasks.

    Returns:
        `demonstrations` or `patched` where that one is answered significantly more often, else
        `neither`; and the one-sided p-value that it is `patched`.
    """
    right = run.pivot(index="episode", columns="scored_as", values="correct").astype(int)
    asked = run.drop_duplicates("episode").set_index("episode")["query"]
    lead = (right["patched"] - right["demonstrations"]).groupby(asked).sum()
    patched, demonstrations = better_than(lead > 0, lead < 0), better_than(lead < 0, lead > 0)
    if patched < SIGNIFICANCE:
        return "patched", patched
    return "demonstrations" if demonstrations < SIGNIFICANCE else "neither", patched


def by_block(rows: pd.DataFrame) -> pd.DataFrame:
    """Dev accuracy after each block, as `layers.by_layer` has it: one row per model, pair,
    `layer_rule` (whose sweep it is), `scored_as` and block."""
    vector = rows[rows["procedure"] == "task_vector"]
    found = []
    for rule, scored_as in vector[["layer_rule", "scored_as"]].drop_duplicates().to_numpy():
        where = (vector["layer_rule"] == rule) & (vector["scored_as"] == scored_as)
        found.append(by_layer(vector[where]).assign(layer_rule=rule, scored_as=scored_as))
    return pd.concat(found, ignore_index=True)


def unpatched_on_dev(rows: pd.DataFrame) -> pd.DataFrame:
    """Dev accuracy of the conflicting prompt without a vector: `model`, `task`, `scored_as`,
    `accuracy`."""
    icl = rows[(rows["split"] == "dev") & (rows["procedure"] == "icl")]
    keys = ["model", "task", "scored_as"]
    means = icl.groupby(keys, sort=False, observed=True)["correct"].mean()
    return means.rename("accuracy").reset_index()


def beside_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Ours and, after each pair that the paper has, the paper's numbers; `source` says which.

    Args:
        table: from `by_pair`.
    """
    paper, found = paper_by_pair().assign(source="paper"), []
    for pair, of_pair in table.groupby("task", sort=False, observed=True):
        found += [of_pair.assign(source="tvsight"), paper[paper["task"] == pair]]
    whole = pd.concat([part for part in found if len(part)], ignore_index=True)
    counts = {name: "Int64" for name in ("layer", "n", "queries")}
    return whole[["source", *table.columns]].astype(counts)


def cells(numbers: pd.DataFrame) -> pd.DataFrame:
    """The numbers of `beside_paper` as texts."""
    return pd.DataFrame([_cells(row) for _, row in numbers.iterrows()])


def pair_line(rows: pd.DataFrame) -> str:
    """The outcome of one pair in a line: accuracy on A and on B."""
    table = by_pair(rows)
    first = table.iloc[0]
    parts = [f"ICL {first['icl_demonstrations']:.2f} on A, {first['icl_patched']:.2f} on B"]
    for _, row in table.iterrows():
        on_a, on_b = (f"{row[f'task_vector_{scored_as}']:.2f}" for scored_as in SCORED_AS)
        rule, mark = RULE_NAMES[row["layer_rule"]], " (overrides)" if row["overrides"] else ""
        parts.append(f"vector after block {row['layer']} ({rule}) {on_a}, {on_b}{mark}")
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
    for procedure, of_run in (("icl", unpatched), ("task_vector", patched)):
        for scored_as in SCORED_AS:
            asked = of_run[of_run["scored_as"] == scored_as]
            found = accuracy(asked["correct"], asked["query"])
            name = f"{procedure}_{scored_as}"
            summary |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    summary["icl_follows"], _ = followed(unpatched)
    summary["task_vector_follows"], summary["overrides_p"] = followed(patched)
    runs = summary["icl_follows"], summary["task_vector_follows"]
    summary["overrides"] = runs == SCORED_AS
    return summary


def _cells(row: pd.Series) -> dict[str, str]:
    demonstrated, patched = tasks_of(row["task"])
    ours, rule = row["source"] == "tvsight", RULE_NAMES[row["layer_rule"]]
    runs = [FOLLOWED_NAMES.get(row[f"{run}_follows"], "") for run in ("icl", "task_vector")]
    return {
        "Demonstrations (A)": demonstrated,
        "Vector (B)": patched,
        "Model": display_name(row["model"]) + ("" if ours else " (paper)"),
        "Block (best in)": (f"{row['layer']} " if ours else "") + f"({rule})",
        "ICL on A": interval(row, "icl_demonstrations"),
        "ICL on B": interval(row, "icl_patched"),
        "Patched on A": interval(row, "task_vector_demonstrations"),
        "Patched on B": interval(row, "task_vector_patched"),
        "Follows": f"{runs[0]}, then {runs[1]}" if ours else "",
        "Overrides": ("yes" if row["overrides"] else "no") if ours else "",
        "n (queries)": f"{row['n']} ({row['queries']})" if ours else "",
        "Note": NOT_IDENTIFIED if ours and not row["layer_identified"] else "",
    }
