"""Figure 5 of the paper, task vectors in two dimensions, and the distances between tasks."""

import math
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from tvsight.experiments.vector_clusters.numbers import (
    DRAWN,
    LEFT_OUT,
    TASK,
    TSNE_SEED,
    Embedding,
    Tree,
)
from tvsight.output.labels import counted, display_name, number, spread, task_title
from tvsight.output.marks import heat_map
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.procedures import about, word
from tvsight.output.theme import (
    CATEGORY_COLOURS,
    LEAST_TYPE,
    TWO_COLUMNS,
    arranged,
    is_narrow,
    new_figure,
    text_in,
    tinted,
)
from tvsight.protocol.vector_sets import AS_THEY_ARE, VectorSet

LIGHTEST, DARKEST = 0.45, 0.55
"""Shares of a category's colour in its lightest tint, beside white, and in its darkest one, beside
black."""
SIDES = (3.2, 1.9, 0.7)
"""Widths of the picture, the heat map and the tree, in inches, without names."""
ROW, LEAST_HEIGHT = 0.115, 2.9
"""Height of a row of the heat map, and least height of the axes, in inches."""
LEGEND_ENTRY = 1.1
"""Width of a category in the legend, in inches."""
BORDER = 1.16
"""The picture is so much longer than the points reach, for names."""


def clusters(
    embedding: Embedding,
    tree: Tree | None,
    given: VectorSet,
    groupings: pd.DataFrame,
    vector: str = "task_vector",
) -> Plot:
    """One point per vector, named by cluster; beside it how far the tasks' mean vectors are apart.

    Args:
        embedding: from `numbers.embedding`.
        tree: from `numbers.tree`.
        given: the vectors.
        groupings: from `numbers.groupings`, for the title.
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
    handles = [
        Patch(color=CATEGORY_COLOURS[of], label=of) for of in dict.fromkeys(given.categories)
    ]
    across = min(len(handles), int(figure.get_figwidth() / LEGEND_ENTRY))
    figure.legend(handles=handles, ncols=across, loc="outside upper left")
    _scatter(figure, axes, embedding.points, tints)
    finding = f"{display_name(given.model)}: {_recognised(groupings, vector)}"
    return Plot(figure, finding, _about(embedding, tree, given), given.sizes_note)


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
    name = display_name(given.model)
    finding = f"{name}: the {word(vector)}s of {pair} are nearest ({distance} apart)"
    note = f"{given.where}: one vector for each of {counted(len(given.names), 'task')}."
    caption = f"{note} Euclidean distances, ordered by average linkage."
    return Plot(figure, finding, caption, note)


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
    named = {}
    for task, colour in tints.items():
        own = places[points["task"].to_numpy() == task]
        style: dict[str, Any] = {"markersize": 3.2, "markeredgewidth": 0, "alpha": 0.75}
        axes.plot(*own.T, "o", color=colour, label=task, **style)
        # The point that is nearest to all others of its task.
        medoid = own[np.linalg.norm(own[:, None] - own, axis=2).sum(axis=1).argmin()]
        named[task_title(task)] = (*medoid, colour)
    name_points(figure, axes, named, nameless=places)


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
    drawn = heat_map(cells, tree.distances, list(map(task_title, names)), [], most=None)
    cells.tick_params(labelsize=LEAST_TYPE + 0.3, pad=9)
    for row, (name, label) in enumerate(zip(names, cells.get_yticklabels(), strict=True)):
        label.set_color(text_in(tints[name]))
        swatch = Rectangle((-0.05, row - 0.4), 0.03, 0.8, color=tints[name], clip_on=False)
        swatch.set_transform(cells.get_yaxis_transform())
        cells.add_patch(swatch)
    for line in tree.lines:
        joins.plot(*line.T, color="0.35", linewidth=0.8)
    joins.set(xlim=(0, None), ylim=(len(names) - 0.5, -0.5), yticks=[], xlabel="Joined at")
    joins.xaxis.set_major_locator(MaxNLocator(2))
    joins.tick_params(labelsize=LEAST_TYPE + 0.5)
    joins.spines["left"].set_visible(False)
    bar = figure.colorbar(drawn, ax=cells, location="bottom", fraction=0.05, pad=0.03)
    bar.set_label(f"Euclidean distance of {what}", fontsize=7)
    bar.ax.tick_params(labelsize=LEAST_TYPE + 0.5)


def _tints(categories: dict[str, str]) -> dict[str, str]:
    """A tint of its category's colour for each task. Neighbours in the order differ most."""
    tints: dict[str, str] = {}
    for category in dict.fromkeys(categories.values()):
        tasks = [task for task, own in categories.items() if own == category]
        half, colour = -(-len(tasks) // 2), np.array(to_rgb(CATEGORY_COLOURS[category]))
        light, dark = tinted(colour, LIGHTEST), tuple(DARKEST * colour)
        shades = sns.blend_palette([light, colour, dark], len(tasks)).as_hex()
        tints |= {task: shades[n // 2 + half * (n % 2)] for n, task in enumerate(tasks)}
    return tints


def _recognised(groupings: pd.DataFrame, vector: str) -> str:
    """The finding: how often the nearest centroid names the task of a vector, and its category when
    the task is left out, by the distance that t-SNE sees."""
    drawn = (groupings["measure"] == DRAWN) & (groupings["vectors"] == AS_THEY_ARE)
    rows = groupings[drawn].dropna(subset="accuracy").set_index("grouping")
    said = {TASK: "a vector's task", LEFT_OUT: "the category of a left-out task"}
    parts = [
        f"{what} for {number(rows['accuracy'][name])} (chance {number(rows['chance'][name])})"
        for name, what in said.items()
        if name in rows.index
    ]
    if not parts:
        return f"{word(vector)}s in two dimensions"
    return about(f"the nearest centroid names {', '.join(parts)}", vector)


def _about(embedding: Embedding, tree: Tree | None, given: VectorSet) -> str:
    cut = f" (as many as {len(given.vectors)} vectors allow)" if embedding.bounded else ""
    lines = [
        f"{given.where}: {counted(len(given.names), 'task')}, n = {given.sizes} test episodes "
        "each. Colour: the category, with a tint for each task.",
        f"t-SNE: perplexity {embedding.perplexity:.3g}{cut}, seed {TSNE_SEED}, begun from "
        "the first two principal components; Euclidean distances between the vectors as they are, "
        "neither scaled nor centred. The title is about distances in their own space.",
    ]
    if tree is not None:
        lines.append(
            f"{'Below' if is_narrow() else 'Right'}: Euclidean distances between the mean vectors "
            "of tasks, ordered by average linkage; the tree shows the distance at which tasks are "
            "joined."
        )
    return "\n".join(lines)
