"""Task vectors in two dimensions, and whether they cluster (Figure 5 of the paper).

Claim: task vectors of one task lie together, whatever the demonstrations and the dummy query, and
apart from those of other tasks; tasks of one category are neighbours. It would be refuted by
clusters that mix tasks: a silhouette near 0 or below, and a nearest centroid that is right no more
often than chance. t-SNE shows neighbours and hides distances, so those numbers are taken from the
vectors themselves. The vectors are those of `analyses.main_results`, which is measured where it is
missing.

    python -m analyses.vector_clusters
    python -m analyses.vector_clusters --layer 11 --perplexity 50
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from analyses.command import command
from analyses.measured import analyse
from analyses.vectors import VECTOR_RULES, VectorOptions, measure, vector_sets
from tvsight.config import RUNTIME
from tvsight.errors import UsageError
from tvsight.storage.store import folder_name

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

NAME = "vector_clusters"


@dataclass(frozen=True)
class Options(VectorOptions):
    """Options of a run, and of this figure."""

    perplexity: Annotated[float, tyro.conf.arg(metavar="NUMBER")] = field(
        default=30.0, metadata=RUNTIME
    )
    """Perplexity of t-SNE: about how many neighbours each vector has. Few vectors lower it."""
    tsne_seed: Annotated[int, tyro.conf.arg(metavar="N")] = field(default=0, metadata=RUNTIME)
    """Seed of t-SNE."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.perplexity > 0:
            raise UsageError(f"--perplexity {self.perplexity}: more than 0 was expected.")
        if not 0 <= self.tsne_seed < 2**32:
            raise UsageError(f"--tsne-seed {self.tsne_seed}: 0 to 4294967295 was expected.")


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(options, measure, draw)


def draw(outcome: "Outcome", options: Options, display: "Display") -> None:
    """Tables and figures from stored vectors."""
    import pandas as pd

    from tvsight.experiments.vector_clusters import numbers as clusters
    from tvsight.experiments.vector_clusters.figures import scatter
    from tvsight.output import tables
    from tvsight.output.theme import save

    results = Path(options.results)
    sets = vector_sets(outcome, options)
    numbers = pd.concat([clusters.groupings(given) for given in sets], ignore_index=True)
    by_task = pd.concat([clusters.by_task(given) for given in sets], ignore_index=True)
    cells, task_cells = _cells(numbers), _task_cells(by_task)
    display.table(cells, "Do task vectors cluster?", secondary=["n (units)"])
    display.table(
        task_cells, "Task by task, cosine distance", secondary=["Category", "n (queries)"]
    )
    for given in sets:
        display.note(f"{given.where}.")
        for reason in clusters.not_computed(numbers[numbers["model"] == given.model]):
            display.note(reason)
    written = tables.write(
        results / "tables", NAME, numbers, [cells, *tables.note_cells(outcome.notes)]
    )
    written += tables.write(results / "tables", f"{NAME}_by_task", by_task, [task_cells])
    drawn = []
    for given in sets:
        points = clusters.points(given, options.perplexity, options.tsne_seed)
        if points is None:
            display.note(f"{given.model}: {len(given.vectors)} vectors are too few for t-SNE.")
            continue
        of_model = numbers[numbers["model"] == given.model]
        figure = scatter(points, given, of_model, options.perplexity, options.tsne_seed)
        written += save(figure, results / "figures", f"{NAME}_{folder_name(given.model)}")
        drawn.append(points)
    if drawn:
        shown = pd.concat(drawn, ignore_index=True)
        written += tables.write_numbers(results / "tables", f"{NAME}_points", shown)
    display.written(written)


def _cells(numbers: "pd.DataFrame") -> "pd.DataFrame":
    """A row per model, grouping and measure."""
    import pandas as pd

    from tvsight.output.labels import display_name, interval, number

    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Block": str(row["layer"]),
            "Grouped by": f"{row['grouping']} ({row['groups']})",
            "Distance": str(row["measure"]).title(),
            "Silhouette": number(row["silhouette"]),
            "Nearest centroid": interval(row, "accuracy"),
            "Chance": number(row["chance"]),
            "n (units)": f"{row['asked']} ({row['units']})",
        }
        for _, row in numbers.iterrows()
    )


def _task_cells(by_task: "pd.DataFrame") -> "pd.DataFrame":
    """A row per model and task."""
    import pandas as pd

    from tvsight.output.labels import display_name, interval, number

    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Category": row["category"],
            "Task": row["task"],
            "Silhouette": number(row["silhouette"]),
            "Nearest centroid": interval(row, "accuracy"),
            "Taken for": row["taken_for"] or "–",
            "Share": number(row["taken_for_share"]) if row["taken_for"] else "–",
            "Category without own task": number(row["category_left_out"]),
            "n (queries)": f"{row['n']} ({row['units']})",
        }
        for _, row in by_task.iterrows()
    )


if __name__ == "__main__":
    command(Options, main, __doc__, VECTOR_RULES)
