"""Tables and figures of the distances between task vectors."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results.request import collect_with_vectors as collect
from tvsight.experiments.main_results.vector_sets import AS_THEY_ARE, CENTRED, vector_sets
from tvsight.experiments.vector_variability import Options, figures, numbers
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, interval, spread, task_title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task"]
"""Columns with words from elsewhere."""
AFTER = ("P(between > within)", "Overlap")
"""Columns that are shown for vectors without their mean too."""
COLUMNS_NOTE = (
    "Within, between: mean ± standard deviation of the distances between vectors of one task, and "
    "to those of other tasks. P(between > within): the probability that a distance to another task "
    "is the larger one. Overlap: the share that the two distributions have in common."
)
VARIANT_TABLE = Wording(
    "Distances within and between tasks: does one coordinate decide?",
    "A row is a treatment of the vectors and a distance; numbers are means over tasks. [ ]: 95 % "
    f"bootstrap interval over tasks. {COLUMNS_NOTE}",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    sets = vector_sets(outcome, options)
    separations = [numbers.separations(given, options.distance) for given in sets]
    densities = [numbers.densities(given, options.distance) for given in sets]
    variants = pd.concat([numbers.variants(given) for given in sets], ignore_index=True)
    table = pd.concat(separations, ignore_index=True)
    cells, variant_cells = _cells(table), _variant_cells(variants)
    heading = f"{options.distance.title()} distances within tasks and to other tasks"
    display.table(cells, heading, secondary=["Category", "Within", "Between", "n (queries)"])
    display.table(variant_cells, "All tasks: does one coordinate decide?")
    for given in sets:
        display.note(f"{given.where}.")
        if len(given.names) == 1:
            display.note("With one task there are no distances to other tasks to compare with.")
    wording = Wording(
        heading,
        "A row is a task; then all pairs pooled, and the mean of tasks with its 95 % bootstrap "
        f"interval over tasks [ ]. {COLUMNS_NOTE} Mean subtracted: the same without the mean "
        "vector over tasks, which all tasks have in common. n: vectors, with the number of "
        "different queries in brackets.",
    )
    drawn.table(table, [cells, *outcome.note_cells], names=NAMES, wording=wording)
    drawn.table(variants, [variant_cells], "variants", names=NAMES, wording=VARIANT_TABLE)
    for given, of_model, histograms in zip(sets, separations, densities, strict=True):
        if histograms.empty:
            display.note(f"{given.model}: one vector has no distances.")
            continue
        drawing = (histograms, of_model, given)
        drawn.figure(figures.overall(*drawing), given.model)
        drawn.figure(figures.by_task(*drawing), "by_task", given.model)
    drawn.numbers(pd.concat(densities, ignore_index=True), "histograms")


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """A row per model and task, then those over all tasks."""
    rows = []
    for _, of_task in table.groupby(["model", "task"], sort=False):
        found = {row["vectors"]: row for _, row in of_task.iterrows()}
        row = found[AS_THEY_ARE]
        cells = {
            "Model": display_name(row["model"]),
            "Category": row["category"],
            "Task": task_title(row["task"]),
            **_statistics(row),
        }
        if CENTRED in found:
            after = _statistics(found[CENTRED])
            cells |= {f"{name}, mean subtracted": after[name] for name in AFTER}
        rows.append(cells | {"n (queries)": f"{row['n']} ({row['units']})"})
    return pd.DataFrame(rows)


def _variant_cells(variants: pd.DataFrame) -> pd.DataFrame:
    """A row per model, treatment of the vectors and distance: the mean of tasks."""
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Block": str(row["layer"]),
            "Vectors": row["variant"],
            "Strongest coordinate": f"{row['coordinate']} ({row['share']:.0%} of squared length)",
            "Distance": str(row["measure"]).title(),
            **_statistics(row),
        }
        for _, row in variants[variants["task"] == numbers.MEAN].iterrows()
    )


def _statistics(row: pd.Series) -> dict[str, str]:
    return {
        "Within": spread(row["within_mean"], row["within_deviation"]),
        "Between": spread(row["between_mean"], row["between_deviation"]),
        "P(between > within)": interval(row, "superiority"),
        "Cohen's d": interval(row, "cohens_d"),
        "Overlap": interval(row, "overlap"),
    }
