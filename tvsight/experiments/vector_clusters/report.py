"""Tables and the figure of clusters of task vectors."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results.request import collect_with_vectors as collect
from tvsight.experiments.main_results.vector_sets import vector_sets
from tvsight.experiments.vector_clusters import Options, figures, numbers
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, display_name, interval, number, task_title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Taken for"]
"""Columns with words from elsewhere."""
LEFT_OUT_COLUMNS = {
    "euclidean": "Category without own task",
    "cosine": "The same, cosine",
    "centred": "The same, mean subtracted",
}
"""Titles of the columns of a category without the own task, by `numbers.WAYS`."""
TABLE = Wording(
    "Do task vectors cluster by task, and by category?",
    "A row is a grouping of the vectors (the number of groups in brackets) and a way to compare "
    "them; subtracting the mean over tasks leaves Euclidean distances as they are. "
    "Silhouette: its mean over vectors, from −1 to 1. Nearest centroid: the share of vectors whose "
    "group has the nearest centroid, cross-validated over queries, with its 95 % interval; chance "
    "is that of the group sizes. Own task left out: nothing is learnt from the vector's own task. "
    "n: vectors, with the number of units that the interval resamples in brackets (queries, or "
    "tasks where the own task is left out).",
)
TASK_TABLE = Wording(
    "Do task vectors cluster? Task by task, by Euclidean distance",
    "A row is a task. [ ]: 95 % interval over queries. Taken for: the task that its vectors are "
    "most often mistaken for, and the share of them. Category without own task: the share whose "
    "category is named right when nothing is learnt from the task itself, by Euclidean distance, "
    "by cosine distance, and by cosine distance with the mean subtracted. n: vectors, with the "
    "number of different queries in brackets.",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    sets = vector_sets(outcome, options)
    groupings = pd.concat([numbers.groupings(given) for given in sets], ignore_index=True)
    by_task = pd.concat([numbers.by_task(given) for given in sets], ignore_index=True)
    cells, task_cells = _cells(groupings), _task_cells(by_task)
    display.table(cells, "Do task vectors cluster?", secondary=["n (units)"])
    heading = "Task by task, Euclidean distance"
    secondary = ["Category", "Silhouette", *list(LEFT_OUT_COLUMNS.values())[1:], "n (queries)"]
    display.table(task_cells, heading, secondary=secondary)
    drawn.table(groupings, [cells, *outcome.note_cells], names=NAMES, wording=TABLE)
    drawn.table(by_task, [task_cells], "by_task", names=NAMES, wording=TASK_TABLE)
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
        of_tasks = by_task[by_task["model"] == given.model]
        below = numbers.below_chance(of_tasks, of_model)
        tree = numbers.tree(given)
        drawn.figure(figures.clusters(embedding, tree, given, of_model, below), given.model)
        points.append(embedding.points)
    if points:
        drawn.numbers(pd.concat(points, ignore_index=True), "points")
    apart = [numbers.between_tasks(given) for given in sets]
    drawn.numbers(pd.concat(apart, ignore_index=True), "distances")


def _cells(groupings: pd.DataFrame) -> pd.DataFrame:
    """A row per model, grouping and measure."""
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Block": str(row["layer"]),
            "Grouped by": f"{row['grouping']} ({row['groups']})",
            "Distance": str(row["measure"]).title(),
            "Vectors": row["vectors"],
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
            "Task": task_title(row["task"]),
            "Silhouette": number(row["silhouette"]),
            "Nearest centroid": interval(row, "accuracy"),
            "Taken for": task_title(row["taken_for"]) if row["taken_for"] else MISSING,
            "Share": number(row["taken_for_share"]) if row["taken_for"] else MISSING,
            **{
                title: number(row[f"category_left_out_{way}"])
                for way, title in LEFT_OUT_COLUMNS.items()
            },
            "n (queries)": f"{row['n']} ({row['units']})",
        }
        for _, row in by_task.iterrows()
    )
