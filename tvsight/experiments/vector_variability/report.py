"""Tables and figures of the distances between task vectors."""

import pandas as pd

from tvsight.experiments.vector_variability import Options, figures, numbers
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import spread
from tvsight.output.page import Page, Table
from tvsight.protocol.central import collect_with_vectors as collect
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, vector_sets
from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

COLUMNS_NOTE = (
    "Within, between: mean ± standard deviation of the distances between vectors of one task, and "
    "to those of other tasks. P(between > within): the probability that a distance to another task "
    "is the larger one. Overlap: the share that the two distributions have in common."
)


def _distances(kind: str) -> c.Column:
    return c.Column(kind.title(), lambda row: spread(row[f"{kind}_mean"], row[f"{kind}_deviation"]))


STATISTICS = (
    *(_distances("within"), _distances("between")),
    c.estimate("P(between > within)", "superiority"),
    *(c.estimate("Cohen's d", "cohens_d"), c.estimate("Overlap", "overlap")),
)
SUBTRACTED = (
    c.estimate("P(between > within), mean subtracted", "centred_superiority"),
    c.estimate("Overlap, mean subtracted", "centred_overlap"),
)
"""The columns shown for vectors without their mean too."""
DISTANCE = c.named("Distance", "measure", str.title)
TABLE = Table(
    "",
    "A row is a task; then all pairs pooled, and the mean of tasks with its 95 % bootstrap "
    f"interval over tasks [ ]. {COLUMNS_NOTE} Mean subtracted: the same without the mean "
    "vector over tasks, which all tasks have in common. n: vectors, with the number of "
    "different queries in brackets.",
    (c.MODEL, c.CATEGORY, c.TASK, *STATISTICS, c.with_sizes("n (queries)", "n", "units")),
    brief=("Task", *(column.heading for column in (*STATISTICS[2:], SUBTRACTED[0]))),
    secondary=("Category", "Within", "Between", "n (queries)"),
)
VARIANT_TABLE = Table(
    "Distances within and between tasks: does one coordinate decide?",
    "A row is a treatment of the vectors and a distance; numbers are means over tasks. [ ]: 95 % "
    f"bootstrap interval over tasks. {COLUMNS_NOTE}",
    (
        *(c.MODEL, c.BLOCK, c.plain("Vectors", "variant")),
        c.Column(
            "Strongest coordinate",
            lambda row: f"{row['coordinate']} ({row['share']:.0%} of squared length)",
        ),
        *(DISTANCE, *STATISTICS),
    ),
    part="variants",
    heading="All tasks: does one coordinate decide?",
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    page, sets = Page(display, drawn), vector_sets(outcome, options)
    separations = [numbers.separations(given, options.distance) for given in sets]
    densities = [numbers.densities(given, options.distance) for given in sets]
    variants = pd.concat([numbers.variants(given) for given in sets], ignore_index=True)
    table = pd.concat(separations, ignore_index=True)
    shown, declared = table[table["vectors"] == AS_THEY_ARE], TABLE
    centred = table[table["vectors"] == CENTRED]
    if len(centred):
        *first, sizes = TABLE.all_of()
        declared = TABLE._replace(columns=[*first, *SUBTRACTED, sizes])
        after = centred.set_index(["model", "task"]).add_prefix("centred_")
        shown = shown.join(after, on=["model", "task"])
    heading = f"{options.distance.title()} distances within tasks and to other tasks"
    page.table(declared._replace(title=heading), table, shown, notes=outcome.note_cells)
    page.table(VARIANT_TABLE, variants, variants[variants["task"] == numbers.MEAN])
    for given in sets:
        page.note(f"{given.where}.")
        if len(given.names) == 1:
            page.note("With one task there are no distances to other tasks to compare with.")
    for given, model_rows, histograms in zip(sets, separations, densities, strict=True):
        if histograms.empty:
            page.note(f"{given.model}: one vector has no distances.")
            continue
        page.figure(figures.distances(histograms, model_rows, given), given.model)
    page.numbers(pd.concat(densities, ignore_index=True), "histograms")
