"""Figure 5 of the paper: task vectors in two dimensions, by t-SNE."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.experiments.vector_clusters.numbers import CATEGORY, LEFT_OUT, TASK
from tvsight.output.labels import interval, shortened
from tvsight.output.theme import CATEGORY_COLOURS, TASK_MARKERS, TWO_COLUMNS, caption, new_figure
from tvsight.statistics.geometry import possible_perplexity

MARKER_SIZE = 3.3
HEADING = ""
"""Marker of a line of the legend that is no task's."""
LEGEND_LINE = 0.145
"""Height of a line of the legend, in inches."""
LEAST_HEIGHT, CAPTION_HEIGHT = 4.2, 0.75


def scatter(
    points: pd.DataFrame, given: VectorSet, numbers: pd.DataFrame, perplexity: float, seed: int
) -> Figure:
    """One point per vector: the category is its colour, the task its shape.

    Args:
        points: from `clusters.points`.
        given: the vectors.
        numbers: from `clusters.groupings`, for the caption.
        perplexity, seed: what `points` was asked for with.
    """
    by_category = {
        str(category): list(dict.fromkeys(of_category["task"]))
        for category, of_category in points.groupby("category", sort=False)
    }
    tasks = [task for of_category in by_category.values() for task in of_category]
    lines = len(tasks) + 2 * len(by_category) - 1
    height = max(LEAST_HEIGHT, LEGEND_LINE * lines) + CAPTION_HEIGHT
    figure = new_figure(TWO_COLUMNS, height)
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
            entries.append(Line2D([], [], label=shortened(task), **style))
    _square(axes, points)
    axes.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
    axes.set(xticks=[], yticks=[])
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
    caption(figure, _note(given, numbers, perplexity, seed))
    return figure


def _style(category: str, number: int) -> dict[str, Any]:
    # Shapes go on from one category to the next, and are hollow in the second round, so that they
    # tell tasks apart where colours cannot.
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


def _square(axes: Axes, points: pd.DataFrame) -> None:
    # Distances in the picture mean the same in both directions.
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(True)


def _note(given: VectorSet, numbers: pd.DataFrame, perplexity: float, seed: int) -> str:
    n = len(given.vectors)
    used = possible_perplexity(perplexity, n)
    cut = "" if used == perplexity else f" (as many as {n} vectors allow)"
    tasks = len(given.names)
    return "\n".join(
        [
            f"{given.where}: {tasks} task{'s' if tasks > 1 else ''}, n = {given.sizes} test "
            f"episodes each.",
            f"t-SNE: perplexity {used:.3g}{cut}, seed {seed}, begun from the first two principal "
            "components; Euclidean distances between the vectors as they are, neither scaled nor "
            "centred.",
            *_measured(numbers),
        ]
    )


def _measured(numbers: pd.DataFrame) -> list[str]:
    cosine = numbers[numbers["measure"] == "cosine"]
    known = {row["grouping"]: row for _, row in cosine.dropna(subset="accuracy").iterrows()}
    parts = [
        f"by {grouping} silhouette {known[grouping]['silhouette']:.2f}, nearest centroid "
        f"{interval(known[grouping], 'accuracy')} (chance {known[grouping]['chance']:.2f})"
        for grouping in (TASK, CATEGORY)
        if grouping in known
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
