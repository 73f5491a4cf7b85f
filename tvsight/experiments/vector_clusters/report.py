"""Tables and the figure of clusters of task vectors."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results.request import collect_with_vectors as collect
from tvsight.experiments.main_results.vector_sets import vector_sets
from tvsight.experiments.vector_clusters import Options, figures, numbers
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, interval, number

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Taken for"]
"""Columns with words from elsewhere."""


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    sets = vector_sets(outcome, options)
    groupings = pd.concat([numbers.groupings(given) for given in sets], ignore_index=True)
    by_task = pd.concat([numbers.by_task(given) for given in sets], ignore_index=True)
    cells, task_cells = _cells(groupings), _task_cells(by_task)
    display.table(cells, "Do task vectors cluster?", secondary=["n (units)"])
    heading = "Task by task, cosine distance"
    display.table(task_cells, heading, secondary=["Category", "n (queries)"])
    drawn.table(groupings, [cells, *outcome.note_cells], names=NAMES)
    drawn.table(by_task, [task_cells], "by_task", names=NAMES)
    of_models = [groupings[groupings["model"] == given.model] for given in sets]
    for given, of_model in zip(sets, of_models, strict=True):
        display.note(f"{given.where}.")
        for reason in numbers.not_computed(of_model):
            display.note(reason)
    points = []
    for given, of_model in zip(sets, of_models, strict=True):
        embedding = numbers.embedding(given, options.perplexity, options.tsne_seed)
        if embedding is None:
            display.note(f"{given.model}: {len(given.vectors)} vectors are too few for t-SNE.")
            continue
        drawn.figure(figures.scatter(embedding, given, of_model), given.model)
        points.append(embedding.points)
    if points:
        drawn.numbers(pd.concat(points, ignore_index=True), "points")


def _cells(groupings: pd.DataFrame) -> pd.DataFrame:
    """A row per model, grouping and measure."""
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
        for _, row in groupings.iterrows()
    )


def _task_cells(by_task: pd.DataFrame) -> pd.DataFrame:
    """A row per model and task."""
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
