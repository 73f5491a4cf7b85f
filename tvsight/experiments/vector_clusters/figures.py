"""Figure 5 of the paper: task vectors in two dimensions, by t-SNE."""

from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.experiments.vector_clusters.numbers import CATEGORY, LEFT_OUT, TASK, Embedding
from tvsight.output.labels import counted, interval, task_title
from tvsight.output.plots import Plot
from tvsight.output.theme import CATEGORY_COLOURS, TASK_MARKERS, TWO_COLUMNS, new_figure

MARKER_SIZE = 3.3
HEADING = ""
"""Marker of a line of the legend that names no task."""
LEGEND_LINE = 0.145
"""Height of a line of the legend, in inches."""
LEAST_HEIGHT = 4.2


def scatter(embedding: Embedding, given: VectorSet, groupings: pd.DataFrame) -> Plot:
    """One point per vector: the category is its colour, the task its shape.

    Args:
        embedding: from `numbers.embedding`.
        given: the vectors.
        groupings: from `numbers.groupings`, for the caption.
    """
    points = embedding.points
    by_category = {
        str(category): list(dict.fromkeys(of_category["task"]))
        for category, of_category in points.groupby("category", sort=False)
    }
    tasks = [task for of_category in by_category.values() for task in of_category]
    lines = len(tasks) + 2 * len(by_category) - 1
    figure = new_figure(TWO_COLUMNS, max(LEAST_HEIGHT, LEGEND_LINE * lines))
    axes = figure.subplots()
    entries: list[Line2D] = []
    for category, of_category in by_category.items():
        if entries:
            entries.append(_heading(""))
        entries.append(_heading(category))
        for task in of_category:
            style = _style(category, tasks.index(task))
            own = points[points["task"] == task]
            axes.plot(own["x"], own["y"], label=task, **style)
            entries.append(Line2D([], [], label=task_title(task), **style))
    axes.set_aspect("equal", adjustable="datalim")  # a distance is as long in both directions
    axes.spines[["top", "right"]].set_visible(True)
    axes.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)", xticks=[], yticks=[])
    legend = figure.legend(
        handles=entries,
        loc="outside right upper",
        labelspacing=0.25,
        handletextpad=0.3,
        borderaxespad=0.2,
    )
    for entry, text in zip(entries, legend.get_texts(), strict=True):
        if entry.get_marker() == HEADING:
            text.set_fontweight("bold")
    caption = _about(embedding, given, groupings)
    return Plot(figure, _recognised(groupings), caption, given.sizes_note)


def _style(category: str, number: int) -> dict[str, Any]:
    # Shapes continue from one category to the next, and are hollow in the second round: they tell
    # tasks apart where colours cannot.
    colour = CATEGORY_COLOURS[category]
    hollow = (number // len(TASK_MARKERS)) % 2 == 1
    return {
        "linestyle": "none",
        "marker": TASK_MARKERS[number % len(TASK_MARKERS)],
        "markersize": MARKER_SIZE,
        "markeredgewidth": 0.8 if hollow else 0.3,
        "markeredgecolor": colour if hollow else "white",
        "markerfacecolor": "white" if hollow else colour,
    }


def _heading(text: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker=HEADING, label=text or " ")


def _recognised(groupings: pd.DataFrame) -> str:
    """The finding: how often the nearest centroid names the task of a vector, and its category, by
    the distance that t-SNE sees."""
    rows = groupings[groupings["measure"] == "euclidean"].dropna(subset="accuracy")
    parts = [
        f"its {row['grouping']} for {interval(row, 'accuracy')} (chance {row['chance']:.2f})"
        for _, row in rows[rows["grouping"].isin([TASK, CATEGORY])].iterrows()
    ]
    if not parts:
        return "Task vectors in two dimensions"
    return f"The centroid nearest to a vector names {', '.join(parts)}"


def _about(embedding: Embedding, given: VectorSet, groupings: pd.DataFrame) -> str:
    cut = f" (as many as {len(given.vectors)} vectors allow)" if embedding.bounded else ""
    lines = [
        f"{given.where}: {counted(len(given.names), 'task')}, n = {given.sizes} test episodes "
        "each.",
        f"t-SNE: perplexity {embedding.perplexity:.3g}{cut}, seed {embedding.seed}, begun from "
        "the first two principal components; Euclidean distances between the vectors as they are, "
        "neither scaled nor centred.",
    ]
    return "\n".join([*lines, *_measured(groupings)])


def _measured(groupings: pd.DataFrame) -> list[str]:
    cosine = groupings[groupings["measure"] == "cosine"]
    known = {row["grouping"]: row for _, row in cosine.dropna(subset="accuracy").iterrows()}
    parts = [
        f"by {name} silhouette {known[name]['silhouette']:.2f}, nearest centroid "
        f"{interval(known[name], 'accuracy')} (chance {known[name]['chance']:.2f})"
        for name in (TASK, CATEGORY)
        if name in known
    ]
    if LEFT_OUT in known:
        left = known[LEFT_OUT]
        parts.append(
            f"category, own task left out {interval(left, 'accuracy')} "
            f"(chance {left['chance']:.2f})"
        )
    if not parts:
        return []
    return [f"In the vectors' own space, cosine distance: {'; '.join(parts)}. 95 % intervals."]
