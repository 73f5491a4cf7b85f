"""How much task vectors vary (Figure 6 of the paper, and the histograms of its appendix).

Claim: vectors of one task, made from different demonstrations and dummy queries, are nearer to each
other than to those of other tasks. It would be refuted by distributions that lie on each other: a
probability of superiority near 0.5, an overlap near 1. The distance is the paper's, cosine; a
vector's zero distance to itself is not counted, and each pair once. The vectors are those of
`analyses.main_results`, which is measured where it is missing.

Some models keep most of a vector's length in one or two coordinates that are the same for every
input, which presses cosine distances together. A second table says what they hold, and what the
numbers are without them.

    python -m analyses.vector_variability
    python -m analyses.vector_variability --centre
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from analyses.command import command
from analyses.measured import analyse
from analyses.vectors import VECTOR_RULES, VectorOptions, measure, vector_sets
from tvsight.config import RUNTIME
from tvsight.storage.store import folder_name

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

NAME = "vector_variability"
SHOWN_WHOLE = 100
"""Distances from this on are shown without decimals."""


@dataclass(frozen=True)
class Options(VectorOptions):
    """Options of a run, and of this figure."""

    distance: Literal["cosine", "euclidean"] = field(default="cosine", metadata=RUNTIME)
    """Distance between two vectors. The paper's is cosine."""
    centre: bool = field(default=False, metadata=RUNTIME)
    """Subtract the mean of all vectors first, in figures and in the table of tasks."""


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(options, measure, draw)


def draw(outcome: "Outcome", options: Options, display: "Display") -> None:
    """Tables and figures from stored vectors."""
    import pandas as pd

    from tvsight.experiments.vector_variability import figures as figures
    from tvsight.experiments.vector_variability import numbers as variability
    from tvsight.output import tables
    from tvsight.output.theme import save

    results = Path(options.results)
    sets = vector_sets(outcome, options)
    compared = [variability.prepared(given, options.centre) for given in sets]
    separations = [variability.separations(given, options.distance) for given in compared]
    densities = [variability.densities(given, options.distance) for given in compared]
    variants = pd.concat([variability.variants(given) for given in sets], ignore_index=True)
    table = pd.concat(separations, ignore_index=True)
    cells, variant_cells = _cells(table), _variant_cells(variants)
    how = ", mean subtracted" if options.centre else ""
    display.table(
        cells,
        f"{options.distance.title()} distances within tasks and to other tasks{how}",
        secondary=["Category", "n (queries)"],
    )
    display.table(variant_cells, "All tasks: does one coordinate decide?")
    for given in sets:
        display.note(f"{given.where}.")
        if len(given.names) == 1:
            display.note("With one task there are no distances to other tasks to compare with.")
    written = tables.write(
        results / "tables", NAME, table, [cells, *tables.note_cells(outcome.notes)]
    )
    written += tables.write(results / "tables", f"{NAME}_variants", variants, [variant_cells])
    for given, of_model, drawn in zip(compared, separations, densities, strict=True):
        if drawn.empty:
            display.note(f"{given.model}: one vector has no distances.")
            continue
        folder, name = results / "figures", folder_name(given.model)
        figure = figures.overall(drawn, of_model, given, options.centre)
        written += save(figure, folder, f"{NAME}_{name}")
        figure = figures.by_task(drawn, of_model, given, options.centre)
        written += save(figure, folder, f"{NAME}_by_task_{name}")
    histograms = pd.concat(densities, ignore_index=True)
    written += tables.write_numbers(results / "tables", f"{NAME}_histograms", histograms)
    display.written(written)


def _cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """A row per model and task, then those over all tasks."""
    import pandas as pd

    from tvsight.output.labels import display_name, interval

    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Category": row["category"],
            "Task": row["task"],
            "Within": _spread(row, "within"),
            "Between": _spread(row, "between"),
            "P(between > within)": interval(row, "superiority"),
            "Cohen's d": interval(row, "cohens_d"),
            "Overlap": interval(row, "overlap"),
            "n (queries)": f"{row['vectors']} ({row['units']})",
        }
        for _, row in table.iterrows()
    )


def _variant_cells(variants: "pd.DataFrame") -> "pd.DataFrame":
    """A row per model, treatment of the vectors and distance: the mean of tasks."""
    import pandas as pd

    from tvsight.experiments.vector_variability.numbers import MEAN
    from tvsight.output.labels import display_name, interval

    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Block": str(row["layer"]),
            "Vectors": row["variant"],
            "Strongest coordinate": f"{row['coordinate']} ({row['share']:.0%} of squared length)",
            "Distance": str(row["measure"]).title(),
            "Within": _spread(row, "within"),
            "Between": _spread(row, "between"),
            "P(between > within)": interval(row, "superiority"),
            "Cohen's d": interval(row, "cohens_d"),
            "Overlap": interval(row, "overlap"),
        }
        for _, row in variants[variants["task"] == MEAN].iterrows()
    )


def _spread(row: "pd.Series", kind: str) -> str:
    """Mean and standard deviation of distances, `0.0154 ± 0.0097`."""
    import pandas as pd

    mean, deviation = row[f"{kind}_mean"], row[f"{kind}_deviation"]
    if pd.isna(mean):
        return "–"
    form = ".0f" if mean >= SHOWN_WHOLE else ".3g"
    return f"{mean:{form}}" if pd.isna(deviation) else f"{mean:{form}} ± {deviation:{form}}"


if __name__ == "__main__":
    command(Options, main, __doc__, VECTOR_RULES)
