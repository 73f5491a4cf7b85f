"""From rows to what templates and dummy queries matter: accuracies by variant of the vector, and
their means over tasks.

A variant is told by the template that the vector was extracted under, the one that it was applied
under, and the number and choice of the dummy queries.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tvsight.output.labels import interval
from tvsight.statistics.intervals import Estimate, accuracy, mean_over_tasks, recovered_gap

CHOICES = {
    "task": "of the task",
    "foreign": "of another task",
    "query": "the query itself",
}
"""Where dummy queries come from. The paper's are inputs of the task."""
VARIANT = ["extracted_under", "applied_under", "dummy_queries", "dummy_choice"]
"""Columns that tell variants apart."""


def by_variant(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy with its interval: one row per model, task, procedure and variant.

    Returns:
        `model`, `category`, `task`, `procedure`, `VARIANT`, `layer` and `layer_identified` (of the
        block chosen on dev), `accuracy` with `_low` and `_high`, `n` (episodes), `queries`.
    """
    test = rows[rows["split"] == "test"]
    keys = ["model", "category", "task", "procedure", *VARIANT, "layer", "layer_identified"]
    found = []
    for key, group in test.groupby(keys, sort=False, observed=True, dropna=False):
        estimate = accuracy(group["correct"], group["query"])
        counts = {"n": estimate.n, "queries": estimate.distinct}
        found.append(
            {**dict(zip(keys, key, strict=True)), **_columns("accuracy", estimate), **counts}
        )
    types = {name: rows[name].dtype for name in (*VARIANT, "layer", "layer_identified")}
    return pd.DataFrame(found).astype(types)


def over_tasks(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: one row per model and variant.

    Args:
        table: from `by_variant`.

    Returns:
        `model`, `VARIANT`, `tasks` (their number); each with `_low` and `_high`: `accuracy`;
        `baseline` and `icl` of the template that the vector was applied under; `gain` over that
        baseline; `recovered_gap`, the share of that ICL's gain; `difference` from the vector of
        that template's own prompts, with the standard dummy queries; and `layer_median`,
        `layer_first`, `layer_last` of the blocks chosen, `identified` (tasks whose block was).
    """
    vectors = table[table["procedure"] == "task_vector"]
    _, standard = main_and_standard(table)
    own = vectors[
        (vectors["extracted_under"] == vectors["applied_under"])
        & (vectors["dummy_choice"] == "task")
        & (vectors["dummy_queries"] == standard)
    ]
    references = {
        "baseline": table[table["procedure"] == "baseline"],
        "icl": table[table["procedure"] == "icl"],
        "own": own,
    }
    place = ["model", "applied_under", "task"]
    known = {name: of.set_index(place)["accuracy"] for name, of in references.items()}
    found = []
    for key, group in vectors.groupby(["model", *VARIANT], sort=False, observed=True):
        where = pd.MultiIndex.from_frame(group[place])
        columns = {name: of.reindex(where).to_numpy() for name, of in known.items()}
        values = pd.DataFrame({**columns, "vector": group["accuracy"].to_numpy()})
        estimates = {
            "accuracy": mean_over_tasks(values[["vector"]], _only),
            "baseline": mean_over_tasks(values[["baseline"]], _only),
            "icl": mean_over_tasks(values[["icl"]], _only),
            "gain": mean_over_tasks(values[["vector", "baseline"]], _difference),
            "recovered_gap": mean_over_tasks(values[["baseline", "icl", "vector"]], recovered_gap),
            "difference": mean_over_tasks(values[["vector", "own"]], _difference),
        }
        row = dict(zip(["model", *VARIANT], key, strict=True)) | {"tasks": len(group)}
        for name, estimate in estimates.items():
            row |= _columns(name, estimate)
        layers = group["layer"].astype(int)
        row |= {"layer_median": layers.median(), "layer_first": layers.min()}
        row |= {"layer_last": layers.max(), "identified": int(group["layer_identified"].sum())}
        found.append(row)
    return pd.DataFrame(found)


def main_and_standard(table: pd.DataFrame) -> tuple[str, int]:
    """The template under which dummy queries are varied, and the number of them that the template
    matrix was measured with: foreign ones are tried under that template and in that number."""
    foreign = table[table["dummy_choice"] == "foreign"].iloc[0]
    return str(foreign["extracted_under"]), int(foreign["dummy_queries"])


def of_templates(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the template × template matrix, of a table with the columns `VARIANT`."""
    _, standard = main_and_standard(table)
    return table[(table["dummy_choice"] == "task") & (table["dummy_queries"] == standard)]


def of_dummy_queries(table: pd.DataFrame) -> pd.DataFrame:
    """The rows on the number and the choice of dummy queries, numbers of the task's own first."""
    main, _ = main_and_standard(table)
    kept = table[(table["extracted_under"] == main) & (table["applied_under"] == main)]
    places = {choice: place for place, choice in enumerate(CHOICES)}
    order = pd.DataFrame(
        {"choice": kept["dummy_choice"].map(places), "number": kept["dummy_queries"]}
    )
    return kept.loc[order.sort_values(["choice", "number"], kind="stable").index]


def blocks(means: pd.Series) -> str:
    """`10 (8–12)`: median and range of the blocks chosen, from a row of `over_tasks`."""
    first, last = means["layer_first"], means["layer_last"]
    return f"{means['layer_median']:g}" + (f" ({first}–{last})" if first != last else "")


def dummies_named(row: pd.Series) -> str:
    """`2 of another task`, `the query itself`: the dummy queries of a row of either table."""
    said = CHOICES[row["dummy_choice"]]
    return said if row["dummy_choice"] == "query" else f"{row['dummy_queries']} {said}"


def line(rows: pd.DataFrame) -> str:
    """One task in a line: the main template's own vector, and those of the others under it."""
    table = by_variant(rows)
    main, _ = main_and_standard(table)
    here = table[table["applied_under"] == main]
    baseline, icl = (here[here["procedure"] == name].iloc[0] for name in ("baseline", "icl"))
    matrix = of_templates(here)
    own = matrix[matrix["extracted_under"] == main].iloc[0]
    others = matrix.loc[matrix["extracted_under"] != main, "accuracy"]
    parts = [
        f"Baseline {interval(baseline, 'accuracy')}",
        f"ICL {interval(icl, 'accuracy')}",
        f"Task vector {interval(own, 'accuracy')}  block {own['layer']}",
    ]
    if len(others):
        parts.append(f"of other templates {others.min():.2f} to {others.max():.2f}")
    return "  ".join(parts)


def _only(means: NDArray[np.float64]) -> NDArray[np.float64]:
    return means[..., 0]


def _difference(means: NDArray[np.float64]) -> NDArray[np.float64]:
    return means[..., 0] - means[..., 1]


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
