"""Figure 5 of the paper, task vectors in two dimensions, and the distances between tasks."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from tvsight.experiments.vector_clusters.numbers import (
    CATEGORY,
    DRAWN,
    LEFT_OUT,
    TASK,
    TSNE_SEED,
    Embedding,
    Tree,
)
from tvsight.output.labels import counted, interval, number, spread, task_title
from tvsight.output.lettering import width
from tvsight.output.plots import Plot
from tvsight.output.procedures import about, title, word
from tvsight.output.theme import (
    CATEGORY_COLOURS,
    COLOUR_MAP,
    LEAST_TYPE,
    TWO_COLUMNS,
    arranged,
    new_figure,
    text_in,
)
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet

Places = NDArray[np.float64]
"""Points of a plane, `[n, 2]`, or one of them."""
LIGHTEST, DARKEST = 0.55, -0.45
"""The ends of the tints of a category, towards white and towards black."""
SIDES = (3.2, 1.9, 0.55)
"""Widths of the picture, the heat map and the tree, in inches, without names."""
ROW, LEAST_HEIGHT = 0.115, 2.9
"""Height of a row of the heat map, and least height of the axes, in inches."""
BORDER = 1.16
"""The picture is so much longer than the points reach, for names."""
LABEL = 6.5
"""Size of the names at clusters, in points."""
REACHES = (0.11, 0.18, 0.28, 0.4, 0.55, 0.75, 1.0, 1.3)
"""Distances from a cluster at which its name is tried, in inches."""
DIRECTIONS = 16
GAP = np.array([0.06, 0.0])
"""Between two names beside each other, and above each other, in inches."""


def clusters(
    embedding: Embedding,
    tree: Tree | None,
    given: VectorSet,
    groupings: pd.DataFrame,
    below: dict[str, float],
    vector: str = "task_vector",
) -> Plot:
    """One point per vector, named by cluster; beside it how far the tasks' mean vectors are apart.

    Args:
        embedding: from `numbers.embedding`.
        tree: from `numbers.tree`.
        given: the vectors.
        groupings: from `numbers.groupings`, for title and caption.
        below: from `numbers.below_chance`, for the caption.
        vector: the procedure of the vectors.
    """
    tints = _tints(given.category)
    size = max(LEAST_HEIGHT, ROW * len(given.names)) + 0.75
    if tree is None:
        figure = new_figure(TWO_COLUMNS * 0.6, size)
        axes = figure.subplots()
    else:
        figure = new_figure(TWO_COLUMNS, size)
        axes, cells, joins = figure.subplots(1, 3, width_ratios=SIDES)
        _heat_map(figure, cells, joins, tree, tints)
    _scatter(figure, axes, embedding.points, tints)
    caption = _about(embedding, tree, given, groupings, below)
    return Plot(figure, _recognised(groupings, vector), caption, given.sizes_note)


def distances(tree: Tree, apart: pd.DataFrame, given: VectorSet, vector: str) -> Plot:
    """The distances between the vectors of tasks, where each task has one.

    Args:
        tree, apart: from `numbers.tree` and `numbers.between_tasks`.
        vector: the procedure of the vectors.
    """
    figure = new_figure(TWO_COLUMNS / 2, max(LEAST_HEIGHT, ROW * len(given.names)) + 0.75)
    cells, joins = figure.subplots(1, 2, width_ratios=SIDES[1:])
    _heat_map(figure, cells, joins, tree, _tints(given.category), "vectors")
    nearest = apart.iloc[int(apart["distance"].argmin())]
    pair = f"{task_title(nearest['task'])} and {task_title(nearest['other'])}"
    distance = spread(nearest["distance"], math.nan)
    found = f"The {word(vector)}s of {pair} are nearest ({distance} apart)"
    note = f"{given.where}: one vector for each of {counted(len(given.names), 'task')}."
    caption = f"{note} Euclidean distances, ordered by average linkage."
    return Plot(figure, found, caption, note)


def _scatter(figure: Figure, axes: Axes, points: pd.DataFrame, tints: dict[str, str]) -> None:
    """Every vector as a point in the tint of its task, and the task's name beside its points."""
    axes.spines[["top", "right"]].set_visible(True)
    axes.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)", xticks=[], yticks=[])
    arranged(figure)
    box = axes.get_window_extent()
    room = np.array([box.width, box.height]) / figure.dpi
    places = points[["x", "y"]].to_numpy()
    low, high = places.min(axis=0), places.max(axis=0)
    # A distance is as long in both directions, whatever the shape of the axes.
    unit = max(((high - low) / room).max() * BORDER, np.finfo(float).tiny)
    start = (low + high) / 2 - unit * room / 2
    axes.set(xlim=(start[0], start[0] + unit * room[0]), ylim=(start[1], start[1] + unit * room[1]))
    inches = (places - start) / unit
    taken: list[Places] = []
    handles = [
        Patch(color=CATEGORY_COLOURS[category], label=category)
        for category in dict.fromkeys(points["category"])
    ]
    below: dict[str, Any] = {
        "loc": "upper center",
        "bbox_to_anchor": (0.5, -0.09),
        "fontsize": LABEL,
    }
    axes.legend(handles=handles, ncols=4, handlelength=1, columnspacing=1.2, **below)
    for task, colour in tints.items():
        own = points["task"].to_numpy() == task
        axes.plot(
            *places[own].T,
            linestyle="none",
            marker="o",
            markersize=3.2,
            markeredgewidth=0,
            color=colour,
            alpha=0.75,
            label=task,
        )
        name = task_title(task)
        middle = _medoid(inches[own])
        text = np.array([width(name, LABEL), 1.15 * LABEL / 72])
        place = _free_place(middle, text, room, inches, taken)
        taken.append(np.array([place - text / 2, place + text / 2]))
        axes.annotate(
            name,
            xy=start + unit * middle,
            xytext=start + unit * place,
            ha="center",
            va="center",
            fontsize=LABEL,
            color=text_in(colour),
            arrowprops={
                **{"arrowstyle": "-", "color": colour, "linewidth": 0.6},
                **{"shrinkA": 0, "shrinkB": 0},
            },
        )


def _medoid(places: Places) -> Places:
    """The point that is nearest to all others."""
    apart = np.linalg.norm(places[:, None] - places, axis=2).sum(axis=1)
    found: Places = places[apart.argmin()]
    return found


def _free_place(
    middle: Places, text: Places, room: Places, points: Places, taken: list[Places]
) -> Places:
    """Where a name of some width and height is centred: near its cluster, in the axes, on no other
    name, and on as few points as possible. All in inches."""
    best, least = middle, math.inf
    for reach in REACHES:
        for angle in np.arange(DIRECTIONS) * 2 * math.pi / DIRECTIONS:
            direction = np.array([math.cos(angle), math.sin(angle)])
            place = middle + direction * (reach + np.abs(direction) * text / 2)
            low, high = place - text / 2, place + text / 2
            outside = (low < 0.02).any() or (high > room - 0.02).any()
            over = sum(bool(((low - GAP < box[1]) & (high + GAP > box[0])).all()) for box in taken)
            covered = ((points > low - 0.02) & (points < high + 0.02)).all(axis=1).sum()
            cost = 1e6 * outside + 1e4 * over + covered + 12 * reach
            if cost < least:
                best, least = place, cost
    return best


def _heat_map(
    figure: Figure,
    cells: Axes,
    joins: Axes,
    tree: Tree,
    tints: dict[str, str],
    what: str = "mean vectors",
) -> None:
    """Distances between vectors of tasks, and beside them the tree that orders them."""
    names = list(map(str, tree.distances))
    drawn = cells.imshow(tree.distances, cmap=COLOUR_MAP, vmin=0, aspect="auto")
    cells.set_xticks([])
    cells.set_yticks(range(len(names)), list(map(task_title, names)))
    cells.tick_params(length=0, labelsize=LEAST_TYPE + 0.3, pad=9)
    for row, (name, label) in enumerate(zip(names, cells.get_yticklabels(), strict=True)):
        label.set_color(text_in(tints[name]))
        swatch = Rectangle((-0.05, row - 0.4), 0.03, 0.8, color=tints[name], clip_on=False)
        swatch.set_transform(cells.get_yaxis_transform())
        cells.add_patch(swatch)
    cells.spines[:].set_visible(False)
    for line in tree.lines:
        joins.plot(*line.T, color="0.35", linewidth=0.8)
    joins.set(xlim=(0, None), ylim=(len(names) - 0.5, -0.5))
    joins.set_axis_off()
    bar = figure.colorbar(drawn, ax=cells, location="bottom", fraction=0.05, pad=0.03)
    bar.set_label(f"Euclidean distance of {what}", fontsize=7)
    bar.ax.tick_params(labelsize=LEAST_TYPE + 0.5)


def _tints(categories: dict[str, str]) -> dict[str, str]:
    """A tint of its category's colour for each task. Neighbours in the order differ most."""
    tints = {}
    for category in dict.fromkeys(categories.values()):
        tasks = [task for task, of_task in categories.items() if of_task == category]
        half = -(-len(tasks) // 2)
        for place, task in enumerate(tasks):
            step = place // 2 + half * (place % 2)
            share = step / max(1, len(tasks) - 1) if len(tasks) > 1 else 0.5
            tints[task] = _tint(CATEGORY_COLOURS[category], LIGHTEST + share * (DARKEST - LIGHTEST))
    return {task: tints[task] for task in categories}


def _tint(colour: str, amount: float) -> str:
    """A colour mixed with white (above 0) or with black (below 0)."""
    end = 1.0 if amount > 0 else 0.0
    red, green, blue = (part + abs(amount) * (end - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def _recognised(groupings: pd.DataFrame, vector: str) -> str:
    """The finding: how often the nearest centroid names the task of a vector, and its category when
    the task is left out, by the distance that t-SNE sees."""
    rows = _known(groupings, DRAWN)
    said = {TASK: "a vector's task", LEFT_OUT: "the category of a left-out task"}
    parts = [
        f"{what} for {number(rows[name]['accuracy'])} (chance {number(rows[name]['chance'])})"
        for name, what in said.items()
        if name in rows
    ]
    if not parts:
        return f"{title(vector)}s in two dimensions"
    return about(f"The nearest centroid names {', '.join(parts)}", vector)


def _about(
    embedding: Embedding,
    tree: Tree | None,
    given: VectorSet,
    groupings: pd.DataFrame,
    below: dict[str, float],
) -> str:
    cut = f" (as many as {len(given.vectors)} vectors allow)" if embedding.bounded else ""
    lines = [
        f"{given.where}: {counted(len(given.names), 'task')}, n = {given.sizes} test episodes "
        "each. Colour: the category, with a tint for each task.",
        f"t-SNE: perplexity {embedding.perplexity:.3g}{cut}, seed {TSNE_SEED}, begun from "
        "the first two principal components; Euclidean distances between the vectors as they are, "
        "neither scaled nor centred.",
    ]
    if tree is not None:
        lines.append(
            "Right: Euclidean distances between the mean vectors of tasks, ordered by average "
            "linkage."
        )
    return "\n".join([*lines, *_measured(groupings, below)])


def _measured(groupings: pd.DataFrame, below: dict[str, float]) -> list[str]:
    """What was measured in the vectors' own space, by the distance that is drawn and by others."""
    known = _known(groupings, DRAWN)
    parts = [
        f"by {name} silhouette {number(known[name]['silhouette'])}, nearest centroid "
        f"{interval(known[name], 'accuracy')} (chance {number(known[name]['chance'])})"
        for name in (TASK, CATEGORY)
        if name in known
    ]
    lines = [f"In their own space, Euclidean: {'; '.join(parts)}. 95 % intervals."] if parts else []
    if LEFT_OUT in known:
        others = [
            f"{interval(_known(groupings, 'cosine', way)[LEFT_OUT], 'accuracy')} {said}"
            for way, said in (
                (AS_THEY_ARE, "by cosine distance"),
                (CENTRED, f"with their {CENTRED}"),
            )
        ]
        named = [f"{task_title(task)} ({number(share)})" for task, share in below.items()]
        of_tasks = f", below chance for {', '.join(named)}" if named else ""
        lines.append(
            f"Category when the own task is left out: {interval(known[LEFT_OUT], 'accuracy')} "
            f"(chance {number(known[LEFT_OUT]['chance'])}){of_tasks}; {', '.join(others)}."
        )
    return lines


def _known(
    groupings: pd.DataFrame, measure: str, treatment: str = AS_THEY_ARE
) -> dict[str, pd.Series]:
    """What could be classified by one distance, by grouping."""
    compared = (groupings["measure"] == measure) & (groupings["vectors"] == treatment)
    rows = groupings[compared].dropna(subset="accuracy")
    return {row["grouping"]: row for _, row in rows.iterrows()}
