"""Tables and the figure of clusters of task vectors."""

import pandas as pd

from tvsight.experiments.vector_clusters import Options, figures, numbers
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, number, task_title
from tvsight.output.page import Page, Table
from tvsight.output.procedures import word
from tvsight.protocol.central import stored_vectors
from tvsight.protocol.methods import each_vector, with_further_methods
from tvsight.protocol.vector_sets import VectorSet, vector_sets
from tvsight.run.outcome import Outcome
from tvsight.run.runner import Runner

__all__ = ["collect", "draw"]

LEFT_OUT_COLUMNS = {
    "euclidean": "Category without own task",
    "cosine": "The same, cosine",
    "centred": "The same, mean subtracted",
}
"""Titles of the columns of a category without the own task, by `numbers.WAYS`."""
TABLE = Table(
    "Do {vector}s cluster by task, and by category?",
    "A row is a grouping of the vectors (the number of groups in brackets) and a way to compare "
    "them; subtracting the mean over tasks leaves Euclidean distances as they are. "
    "Silhouette: its mean over vectors, from −1 to 1. Nearest centroid: the share of vectors whose "
    "group has the nearest centroid, cross-validated over queries, with its 95 % interval; chance "
    "is that of the group sizes. Own task left out: nothing is learnt from the vector's own task. "
    "n: vectors, with the number of units that the interval resamples in brackets (queries, or "
    "tasks where the own task is left out).",
    (
        *(c.MODEL, c.BLOCK, c.with_sizes("Grouped by", "grouping", "groups")),
        *(c.named("Distance", "measure", str.title), c.plain("Vectors", "vectors")),
        *(c.number("Silhouette", "silhouette"), c.estimate("Nearest centroid", "accuracy")),
        *(c.number("Chance", "chance"), c.with_sizes("n (units)", "asked", "units")),
    ),
    heading="do {vector}s cluster?",
    brief=("Grouped by", "Distance", "Silhouette", "Nearest centroid", "Chance"),
    secondary=("n (units)",),
)
TASK_TABLE = Table(
    "Do {vector}s cluster? Task by task, by Euclidean distance",
    "A row is a task. [ ]: 95 % interval over queries. Taken for: the task that its vectors are "
    "most often mistaken for, and the share of them. Category without own task: the share whose "
    "category is named right when nothing is learnt from the task itself, by Euclidean distance, "
    "by cosine distance, and by cosine distance with the mean subtracted. n: vectors, with the "
    "number of different queries in brackets.",
    (
        *(c.MODEL, c.CATEGORY, c.TASK, c.number("Silhouette", "silhouette")),
        c.estimate("Nearest centroid", "accuracy"),
        c.named("Taken for", "taken_for", task_title, words=True),
        c.Column(
            "Share", lambda row: number(row["taken_for_share"]) if row["taken_for"] else MISSING
        ),
        *(c.number(title, f"category_left_out_{way}") for way, title in LEFT_OUT_COLUMNS.items()),
        c.with_sizes("n (queries)", "n", "units"),
    ),
    part="by_task",
    heading="Task by task, Euclidean distance",
    secondary=(*("Category", "Silhouette", *list(LEFT_OUT_COLUMNS.values())[1:], "n (queries)"),),
)


def collect(runner: Runner, options: Options) -> Outcome:
    """The central comparison with its vectors, and each further method with its own."""
    return with_further_methods(options, lambda method: stored_vectors(runner, options, method))


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables, of each vector."""
    for vector, vector_outcome, files in each_vector(outcome, drawn):
        page = Page(display, files)
        sets = vector_sets(vector_outcome, options, vector)
        if vector != "task_vector" and all(given.is_of_tasks for given in sets):
            _draw_distances(sets, vector, page)
        else:
            _draw_clusters(vector_outcome, sets, vector, options, page)


def _draw_distances(sets: list[VectorSet], vector: str, page: Page) -> None:
    """The distances of a method that makes one vector for each task."""
    distances = [numbers.between_tasks(given) for given in sets]
    page.numbers(pd.concat(distances, ignore_index=True), "distances")
    for given, model_distances in zip(sets, distances, strict=True):
        tree = numbers.tree(given)
        page.note(f"{given.where}: each task has one {word(vector)}, so nothing clusters.")
        if tree is not None:
            page.figure(figures.distances(tree, model_distances, given, vector), given.model)


def _draw_clusters(
    outcome: Outcome, sets: list[VectorSet], vector: str, options: Options, page: Page
) -> None:
    """The clusters of vectors of episodes."""
    groupings = pd.concat([numbers.groupings(given) for given in sets], ignore_index=True)
    by_task = pd.concat([numbers.by_task(given) for given in sets], ignore_index=True)
    page.table(TABLE.of(vector), groupings, notes=outcome.note_cells)
    page.table(TASK_TABLE.of(vector), by_task)
    points = []
    for given in sets:
        page.note(f"{given.where}.")
        model_groupings = groupings[groupings["model"] == given.model]
        for reason in numbers.not_computed(model_groupings):
            page.note(reason)
        embedding = numbers.embedding(given, options.perplexity)
        if embedding is None:
            page.note(f"{given.model}: {len(given.vectors)} vectors are too few for t-SNE.")
            continue
        tree = numbers.tree(given)
        page.figure(figures.clusters(embedding, tree, given, model_groupings, vector), given.model)
        points.append(embedding.points)
    if points:
        page.numbers(pd.concat(points, ignore_index=True), "points")
    apart = [numbers.between_tasks(given) for given in sets]
    page.numbers(pd.concat(apart, ignore_index=True), "distances")
