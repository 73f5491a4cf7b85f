"""The task vector beside its controls, and every task's vector applied to every task."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import ScaledTranslation

from tvsight.output.labels import counted, display_name, shortened, sizes
from tvsight.output.panels import line, panels
from tvsight.output.procedures import BESIDE_CONTROLS, PROCEDURES, title
from tvsight.output.theme import CATEGORY_COLOURS, TWO_COLUMNS, caption, new_figure

BANDS = ("task_vector", "shuffled_labels")
"""Procedures with a band: seven of them would hide each other."""
PER_ROW = 2
"""Panels beside each other."""
CELL, LEAST_SIDE = 0.245, 1.8
"""Side of a cell of the heat map, and least side of the map, in inches."""
STRIP = 4
"""Breadth of the strips that mark categories, in points."""
DARK = 0.55
"""Accuracies below this are written in white: the colour map is dark there."""


def means(table: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Mean test accuracy of each procedure, the tasks as points; one panel per model.

    Args:
        table: from `numbers.by_task`.
        summary: from `numbers.over_tasks`.
    """
    models = list(dict.fromkeys(summary["model"]))
    figure = new_figure(TWO_COLUMNS, 0.8 + 2.1 * len(models))
    drawn = figure.subplots(len(models), 1, squeeze=False, sharex=True)[:, 0]
    measured = [name for name in BESIDE_CONTROLS if name in set(summary["procedure"])]
    for axes, model in zip(drawn, models, strict=True):
        of_model = summary[summary["model"] == model].set_index("procedure")
        tasks = table[table["model"] == model]
        for place, name in enumerate(measured):
            if name in of_model.index:
                _bar(axes, place, name, of_model.loc[name], tasks[name].dropna())
        axes.set(ylim=(0, 1.02), xlim=(-0.6, len(measured) - 0.4), ylabel="Test accuracy")
        axes.set_title(f"{display_name(model)} ({counted(len(tasks), 'task')})", loc="left")
        axes.yaxis.grid(True)
        axes.tick_params(axis="x", length=0)
    labels = [title(name).replace(" ", "\n") for name in measured]
    drawn[-1].set_xticks(range(len(measured)), labels)
    caption(
        figure,
        f"Bars: mean over tasks. Whiskers: 95 % bootstrap interval over tasks. Points: tasks, n = "
        f"{sizes(table['n'])} test episodes each. All vectors are applied after the block that "
        "was chosen for the task vector on dev.",
    )
    return figure


def curves(blocks: pd.DataFrame) -> Figure:
    """Mean dev accuracy after each block: the task vector and each control, a panel per model.

    Args:
        blocks: from `numbers.by_block`.
    """
    models = list(dict.fromkeys(blocks["model"]))
    figure, drawn = panels(len(models), PER_ROW, 1.1)
    for axes, model in zip(drawn, models, strict=True):
        of_model = blocks[blocks["model"] == model]
        for name, means in of_model.groupby("procedure", sort=False):
            width = 1.8 if name == "task_vector" else 1.0
            line(axes, means, "layer", str(name), title(str(name)), name in BANDS, width)
        tasks = counted(of_model["tasks"].max(), "task")
        axes.set_title(f"{display_name(model)} ({tasks})", loc="left")
        axes.set_xlabel("Block L after which the vector is applied")
        axes.set_xlim(-0.5, float(of_model["layer"].max()) + 0.5)
    figure.supylabel("Mean dev accuracy", fontsize=8)
    handles, labels = drawn[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=2 if len(models) == 1 else 3, loc="outside upper left")
    caption(
        figure,
        f"n = {sizes(blocks['n'])} dev episodes per task. Band: 95 % bootstrap interval over "
        "tasks of the task vector and of shuffled labels. The no-op patch gives the zero-shot "
        "baseline after every block.",
    )
    return figure


def matrix(pairs: pd.DataFrame, model: str) -> Figure:
    """Accuracy on each task (row) with the vector of each task (column), of one model.

    Args:
        pairs: from `numbers.transfer`.
    """
    of_model = pairs[pairs["model"] == model]
    categories = dict(zip(of_model["source"], of_model["source_category"], strict=True))
    places = {category: place for place, category in enumerate(dict.fromkeys(categories.values()))}
    grid = of_model.pivot(index="task", columns="source", values="accuracy")
    columns = sorted(dict.fromkeys(of_model["source"]), key=lambda name: places[categories[name]])
    order = [name for name in columns if name in grid.index]
    grid = grid.loc[order, columns]
    width, height = (max(LEAST_SIDE, CELL * len(names)) for names in (columns, order))
    figure = new_figure(width + 2.3, height + 2.2)
    axes = figure.subplots()
    shown = axes.imshow(grid, cmap="viridis", norm=Normalize(0, 1), aspect="auto")
    for (row, column), value in np.ndenumerate(grid.to_numpy()):
        if not np.isnan(value):
            colour = "white" if value < DARK else "black"
            axes.text(
                *(column, row, f"{100 * value:.0f}"),
                ha="center",
                va="center",
                fontsize=5.5,
                color=colour,
                fontweight="bold" if order[row] == columns[column] else "normal",
            )
    for number, name in enumerate(order):
        corner = (columns.index(name) - 0.45, number - 0.45)
        axes.add_patch(Rectangle(corner, 0.9, 0.9, fill=False, edgecolor="white", linewidth=1))
    axes.set_xticks(range(len(columns)), [shortened(name) for name in columns], rotation=90)
    axes.set_yticks(range(len(order)), [shortened(name) for name in order])
    axes.tick_params(axis="both", length=0, pad=STRIP + 3, labelsize=7)
    axes.spines[:].set_visible(False)
    for number, name in enumerate(columns):
        _strip(axes, number, categories[name], upright=False)
    for number, name in enumerate(order):
        _strip(axes, number, categories[name], upright=True)
    axes.set(xlabel="Task whose vector is applied", ylabel="Task that is asked")
    figure.colorbar(shown, ax=axes, label="Test accuracy", fraction=0.04, pad=0.02)
    handles = [Patch(color=CATEGORY_COLOURS[name], label=name) for name in places]
    figure.legend(handles=handles, ncols=min(4, len(handles)), loc="outside upper left")
    caption(
        figure,
        f"{display_name(model)}. Test accuracy in %, n = {sizes(of_model['n'])} episodes per "
        "cell, after the block chosen for the asked task, with the mean vector of a task's dev "
        "episodes. Framed: the task's own.",
    )
    return figure


def _bar(axes: Axes, place: int, name: str, mean: pd.Series, tasks: pd.Series) -> None:
    axes.bar(place, mean["accuracy"], width=0.62, color=PROCEDURES[name].colour, alpha=0.85)
    # Spread in the order of the tasks, so that a redraw is the same and no point hides another.
    spread = place + np.linspace(-0.22, 0.22, len(tasks)) if len(tasks) > 1 else [place]
    axes.plot(
        *(spread, tasks, "o"),
        markersize=2.2,
        color="white",
        markeredgecolor="0.25",
        markeredgewidth=0.5,
        clip_on=False,
        zorder=4,
    )
    if not pd.isna(mean["accuracy_low"]):
        below = mean["accuracy"] - mean["accuracy_low"]
        above = mean["accuracy_high"] - mean["accuracy"]
        axes.errorbar(
            *(place, mean["accuracy"]),
            yerr=[[max(0.0, below)], [max(0.0, above)]],
            fmt="none",
            ecolor="black",
            elinewidth=1.1,
            capsize=2.5,
        )


def _strip(axes: Axes, number: int, category: str, upright: bool) -> None:
    """The colour of a task's category between its cells and its name."""
    ends, edge, offset = (number - 0.5, number + 0.5), (0, 0), -(STRIP / 2 + 1) / 72
    inches = axes.figure.dpi_scale_trans
    if upright:
        moved = axes.get_yaxis_transform() + ScaledTranslation(offset, 0, inches)
    else:
        moved = axes.get_xaxis_transform() + ScaledTranslation(0, offset, inches)
    axes.plot(
        *((edge, ends) if upright else (ends, edge)),
        color=CATEGORY_COLOURS[category],
        linewidth=STRIP,
        solid_capstyle="butt",
        transform=moved,
        clip_on=False,
        scalex=False,
        scaley=False,
    )
