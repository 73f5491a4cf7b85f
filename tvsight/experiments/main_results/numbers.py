"""Accuracies by task and means over tasks, with intervals and paired differences."""

import numpy as np
import pandas as pd

from tvsight.experiments.main_results.method_numbers import further
from tvsight.models.catalogue import catalogue
from tvsight.output.labels import AT
from tvsight.output.procedures import CENTRAL, COMPARED
from tvsight.paper import paper_layers
from tvsight.protocol.answer_sets import chance
from tvsight.statistics import summaries
from tvsight.statistics.counts import MIN_ICL_GAIN as MIN_ICL_GAIN
from tvsight.statistics.counts import solved
from tvsight.statistics.intervals import recovered_gap, share_of_icl
from tvsight.statistics.summaries import Mean, Ratio, by_group, identified, paired, right, sizes
from tvsight.statistics.tests import SIGNIFICANCE, power, with_holm
from tvsight.tasks.overlap import word_lists

DIFFERENCES = {
    "icl_minus_baseline": ("icl", "baseline"),
    "task_vector_minus_baseline": ("task_vector", "baseline"),
    "icl_minus_task_vector": ("icl", "task_vector"),
}
"""Paired differences of accuracies, by the name of their columns."""
MEANS: dict[str, Mean] = {
    **{name: name for name in CENTRAL},
    "share_of_icl": Ratio(share_of_icl, COMPARED),
    "recovered_gap": Ratio(recovered_gap, COMPARED),
    **DIFFERENCES,
}
"""The columns that are averaged over tasks."""
COUNTS = {"identified": "layer_p_holm"} | {
    f"{name}_tasks": f"{name}_p_holm" for name in DIFFERENCES
}
"""Numbers of tasks, by the p-values that are to be below `SIGNIFICANCE`."""
QUARTILES = {"": 0.5, "_low": 0.25, "_high": 0.75}
"""Of the blocks chosen for tasks, which are far off where the layer is not identified."""
SUMMARISED = [
    *("model", "task", "category", "procedure", "split", "layer"),
    *("episode", "query", "expected", "correct"),
]
"""The columns that the accuracies of a task are made from."""
POOLED = "All seven"
"""The paper's models together."""


def by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each procedure with its interval: one row per model and task.

    Returns:
        `model`, `task`, `category`, `n` (episodes), `queries`, `layer`, `averaged_layer`,
        `layer_p` (that no block beats the baseline on dev; see `layers.layer_p`) and
        `layer_identified`, whether it is below `SIGNIFICANCE`; the accuracy of each procedure,
        those of further methods too; each of `DIFFERENCES` (both with `_low` and `_high`) and its
        `_p`, one-sided, by permuting queries; `chance`, `chance_answer`, `chance_share` (see
        `answer_sets.chance`); `power`, of a test of a difference (see `tests.power`); and every
        p-value with `_holm`, adjusted for the tasks of the model.
    """
    table = by_group(rows[SUMMARISED], ["model", "task", "category"], _task_summary)
    tests = table.groupby("model")["task"].transform("size")
    table["power"] = [power(*sizes) for sizes in zip(table["queries"], tests, strict=True)]
    return with_holm(table, ["layer_p", *(f"{name}_p" for name in DIFFERENCES)])


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over all tasks, with bootstrap intervals over tasks and over word lists.

    Args:
        table: from `by_task`, or the paper's numbers from `paper_by_task`.

    Returns:
        The columns of `summaries.over_tasks` with word lists: the procedures, `share_of_icl`,
        `recovered_gap` and `DIFFERENCES`. From `by_task` also `identified`, and
        `<difference>_tasks`: the numbers of tasks whose layer is identified, or whose difference is
        positive, after Holm's correction for that many tests.
    """
    known = {name: of for name, of in MEANS.items() if not isinstance(of, str) or of in table}
    counts = {name: column for name, column in COUNTS.items() if column in table}
    rows = table.assign(solved=solved(table))
    return summaries.over_tasks(rows, [], known, counts, lists=word_lists)


def models_without_icl(table: pd.DataFrame) -> list[str]:
    """Models of a task table whose demonstrations help on no task: something is likely wrong."""
    helped = (table["icl"] > table["baseline"]).groupby(table["model"], sort=False).any()
    return [str(model) for model, any_task in helped.items() if not any_task]


def means(table: pd.DataFrame, paper: pd.DataFrame | None) -> pd.DataFrame:
    """Means over tasks: ours, and the paper's.

    Args:
        table, paper: from `by_task` and `paper_by_task`; no paper where it measured something else.

    Returns:
        The columns of `over_tasks`, and `source`: `tvsight` or `paper`. The last rows are of the
        paper's models together, the tasks resampled with all their models.
    """
    parts = [over_tasks(table).assign(source="tvsight")]
    for numbers in [] if paper is None else [paper, paper.assign(model=POOLED)]:
        parts.append(over_tasks(numbers).assign(source="paper"))
    counts = [f"{name}{of}" for name in COUNTS for of in ("", "_solved")]
    return pd.concat(parts, ignore_index=True).astype(dict.fromkeys(counts, "Int64"))


def bars(means: pd.DataFrame) -> pd.DataFrame:
    """The means of Figure 4: our models, then the paper's, one row each.

    Args:
        means: from `means`.

    Returns:
        The columns of `means`, and `paper`: whether the paper reports the model.
    """
    kept = means[(means["group"] == "all") & (means["model"] != POOLED)]
    return kept.assign(paper=kept["source"] == "paper").reset_index(drop=True)


def by_size(bars: pd.DataFrame, table: pd.DataFrame, depths: "pd.Series[int]") -> pd.DataFrame:
    """Size, depth, chosen blocks and recovered gap of each model, ours and the paper's.

    Args:
        bars, table: from `bars` and `by_task`.
        depths: the number of blocks of each of our models.

    Returns:
        The columns of `bars`, and `parameters` (none for a model that the catalogue lacks), `depth`
        (number of blocks), `layer` (the median over tasks of the block chosen), `layer_low` and
        `layer_high` (its quartiles) and the same of `relative_depth`, (block + 1) / depth. The
        paper reports blocks of three of its models.
    """
    sweeps, known = paper_layers(), catalogue()
    theirs = sweeps.loc[sweeps.groupby(["model", "task"])["accuracy"].idxmax()].assign(paper=True)
    chosen = pd.concat([table.assign(paper=False), theirs], ignore_index=True)
    chosen_blocks = chosen.astype({"layer": float}).groupby(["model", "paper"])["layer"]
    their_depths = sweeps.groupby("model")["layer"].max() + 1
    entries = [known.get(str(name).partition(AT)[0]) for name in bars["model"]]
    sizes = bars.assign(
        parameters=[entry.parameters if entry else np.nan for entry in entries],
        depth=bars["model"].map(depths).where(~bars["paper"], bars["model"].map(their_depths)),
    ).astype({"depth": float})
    keys = pd.MultiIndex.from_frame(bars[["model", "paper"]])
    for end, share in QUARTILES.items():
        layer = chosen_blocks.quantile(share, interpolation="nearest").reindex(keys).to_numpy()
        sizes[f"layer{end}"] = layer
        sizes[f"relative_depth{end}"] = (layer + 1) / sizes["depth"]
    return sizes.astype(dict.fromkeys(["depth", *(f"layer{end}" for end in QUARTILES)], "Int64"))


def by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each of `COMPARED` on the tasks that a model was measured on with every
    seed.

    Args:
        rows: with a column `seed`.

    Returns:
        One row per model, seed and task.
    """
    keys = ["model", "seed", "task"]
    test = rows[(rows["split"] == "test") & rows["procedure"].isin(COMPARED)]
    accuracies = test.groupby([*keys, "procedure"], sort=False, observed=True)["correct"].mean()
    table = accuracies.unstack("procedure")[list(COMPARED)].reset_index()
    seeds = table.groupby(["model", "task"], observed=True)["seed"].transform("nunique")
    every = table.groupby("model", observed=True)["seed"].transform("nunique")
    return table[seeds == every].reset_index(drop=True)


def over_seeds(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks with each seed, and their spread.

    Args:
        accuracies: from `by_seed`.

    Returns:
        One row per model and `quantity` (each of `COMPARED`, and `recovered_gap`): `tasks` (their
        number), `seed_<n>` for each seed n, `mean`, `deviation` (sample standard deviation over
        seeds), `low` and `high` (the least and the greatest).
    """
    means = accuracies.groupby(["model", "seed"], sort=False, observed=True)[list(COMPARED)].mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = pd.Series(recovered_gap(means.to_numpy()), means.index)
    means["recovered_gap"] = gaps.replace([np.inf, -np.inf], np.nan)
    tasks = accuracies.groupby("model", observed=True)["task"].nunique()

    def summary(run: pd.DataFrame) -> dict[str, object]:
        values = run["value"]
        return {
            "tasks": tasks[run["model"].iloc[0]],
            **{f"seed_{seed}": value for seed, value in zip(run["seed"], values, strict=True)},
            **{"mean": values.mean(), "deviation": values.std()},
            **{"low": values.min(), "high": values.max()},
        }

    long = means.reset_index().melt(["model", "seed"], var_name="quantity")
    return by_group(long, ["model", "quantity"], summary, order=["model"])


def significant(table: pd.DataFrame, difference: str) -> "pd.Series[bool]":
    """Where one of `DIFFERENCES` is positive after Holm's correction, in a table from `by_task`."""
    return table[f"{difference}_p_holm"] < SIGNIFICANCE


def _task_summary(rows: pd.DataFrame) -> dict[str, object]:
    parts = dict(list(rows.groupby(["split", "procedure"], sort=False, observed=True)))
    answered = {name: run for (split, name), run in parts.items() if split == "test"}
    vector = answered["task_vector"]
    summary: dict[str, object] = {
        **sizes(vector),
        "layer": int(vector["layer"].iloc[0]),
        "averaged_layer": int(answered["averaged_vector"]["layer"].iloc[0]),
        **identified(parts["dev", "task_vector"], parts["dev", "baseline"]),
    }
    for name in (*CENTRAL, *further(rows)):
        summary |= right(answered[name], name)
    for name, (first, second) in DIFFERENCES.items():
        summary |= paired(answered[first], answered[second], name)
    return summary | chance(rows)
