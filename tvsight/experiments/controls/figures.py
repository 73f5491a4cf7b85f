"""The task vector beside its controls, and every task's vector applied to every task."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import ScaledTranslation

from tvsight.output.labels import block, counted, display_name, number, sizes, task_title
from tvsight.output.panels import BLOCK_AXIS, block_ticks, label_ends, line, panels, procedure_ends
from tvsight.output.plots import Plot
from tvsight.output.procedures import BESIDE_CONTROLS, CONTROLS, PROCEDURES, title
from tvsight.output.theme import (
    CATEGORY_COLOURS,
    COLOUR_MAP,
    LEAST_TYPE,
    TWO_COLUMNS,
    new_figure,
    text_on,
)
from tvsight.tasks import in_order

BANDS = ("task_vector", "shuffled_labels")
"""Procedures with a band: seven of them would hide each other."""
PER_ROW = 2
"""Panels beside each other."""
CELL, LEAST_SIDE = 0.27, 1.8
"""Side of a cell of the heat map, and least side of the map, in inches."""
STRIP = 4
"""Breadth of the strips that mark categories, in points."""


def means(table: pd.DataFrame, summary: pd.DataFrame) -> Plot:
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
    note = (
        f"n = {sizes(table['n'])} test episodes per task. Whiskers: 95 % bootstrap interval over "
        "tasks."
    )
    caption = (
        f"Bars: mean over tasks. Points: tasks. {note} All vectors are applied after the block "
        "that was chosen for the task vector on dev."
    )
    return Plot(figure, _against_best(summary), caption, note)


def curves(blocks: pd.DataFrame) -> Plot:
    """Mean dev accuracy after each block: the task vector and each control, a panel per model.

    Args:
        blocks: from `numbers.by_block`.
    """
    models = list(dict.fromkeys(blocks["model"]))
    figure, drawn = panels(len(models), PER_ROW, 0.3)
    peaks = [_peak(blocks[blocks["model"] == model], "task_vector") for model in models]
    for axes, model, peak in zip(drawn, models, peaks, strict=True):
        of_model = blocks[blocks["model"] == model]
        for name, means in of_model.groupby("procedure", sort=False):
            width = 1.8 if name == "task_vector" else 1.0
            line(axes, means, "layer", str(name), title(str(name)), name in BANDS, width)
        tasks = counted(of_model["tasks"].max(), "task")
        axes.set_title(f"{display_name(model)} ({tasks})", loc="left")
        axes.set_xlabel(BLOCK_AXIS)
        depth = int(of_model["layer"].max()) + 1
        axes.set_xlim(-0.5, depth - 0.5)
        axes.set_xticks(block_ticks(depth, [peak["layer"]]))
    drawn[0].set_ylabel("Mean dev accuracy")
    for axes, model in zip(drawn, models, strict=True):
        of_model = blocks[blocks["model"] == model]
        last = of_model[of_model["layer"] == of_model["layer"].max()]
        label_ends(figure, axes, procedure_ends(last))
    note = f"n = {sizes(blocks['n'])} dev episodes per task. Bands: 95 % intervals over tasks."
    caption = (
        f"{note} They are bootstrap intervals of the task vector and of shuffled labels. The no-op "
        "patch gives the zero-shot baseline after every block."
    )
    return Plot(figure, _peaks(blocks, models), caption, note)


def matrix(pairs: pd.DataFrame, model: str) -> Plot:
    """Accuracy on each task (row) with the vector of each task (column), of one model.

    Args:
        pairs: from `numbers.transfer`.
    """
    of_model = pairs[pairs["model"] == model]
    categories = dict(zip(of_model["source"], of_model["source_category"], strict=True))
    grid = of_model.pivot(index="task", columns="source", values="accuracy")
    columns = in_order(categories)
    order = [name for name in columns if name in grid.index]
    grid = grid.loc[order, columns]
    width, height = (max(LEAST_SIDE, CELL * len(names)) for names in (columns, order))
    figure = new_figure(width + 2.3, height + 2.2)
    axes = figure.subplots()
    shown = axes.imshow(grid, cmap=COLOUR_MAP, norm=Normalize(0, 1), aspect="auto")
    for (row, column), value in np.ndenumerate(grid.to_numpy()):
        if not np.isnan(value):
            axes.text(
                *(column, row, number(value) if value else "0"),
                ha="center",
                va="center",
                fontsize=LEAST_TYPE,
                color=text_on(COLOUR_MAP(value)),
                fontweight="bold" if order[row] == columns[column] else "normal",
            )
    for row, name in enumerate(order):
        corner = (columns.index(name) - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=0.8))
    axes.set_xticks(range(len(columns)), list(map(task_title, columns)), rotation=90)
    axes.set_yticks(range(len(order)), list(map(task_title, order)))
    axes.tick_params(axis="both", length=0, pad=STRIP + 3, labelsize=7)
    axes.spines[:].set_visible(False)
    for place, name in enumerate(columns):
        _strip(axes, place, categories[name], upright=False)
    for place, name in enumerate(order):
        _strip(axes, place, categories[name], upright=True)
    axes.set(xlabel="Task whose vector is applied", ylabel="Task that is asked")
    figure.colorbar(shown, ax=axes, label="Test accuracy", fraction=0.04, pad=0.02)
    named = dict.fromkeys(categories[name] for name in columns)
    handles = [Patch(color=CATEGORY_COLOURS[name], label=name) for name in named]
    figure.legend(handles=handles, ncols=min(4, len(handles)), loc="outside upper left")
    note = f"{display_name(model)}. n = {sizes(of_model['n'])} test episodes per cell."
    caption = (
        f"{note} Test accuracy after the block chosen for the asked task, with the mean vector "
        "of a task's dev episodes. Framed: the task's own."
    )
    return Plot(figure, _own_is_best(of_model), caption, note)


def _against_best(summary: pd.DataFrame) -> str:
    """The finding of the means: the task vector, and the control that comes nearest."""
    parts = []
    for model, of_model in summary.groupby("model", sort=False):
        accuracy = of_model.set_index("procedure")["accuracy"]
        controls = accuracy[accuracy.index.isin(CONTROLS)]
        best = controls.idxmax()
        parts.append(
            f"{display_name(str(model))}: {accuracy['task_vector']:.2f} with the task vector, "
            f"{controls.max():.2f} with the best control ({title(str(best)).lower()})"
        )
    return ". ".join(parts)


def _peaks(blocks: pd.DataFrame, models: list[str]) -> str:
    """The finding by block: where the task vector peaks, and how high the controls come."""
    parts = []
    for model in models:
        of_model = blocks[blocks["model"] == model]
        peak, depth = _peak(of_model, "task_vector"), int(of_model["layer"].max()) + 1
        controls = of_model[of_model["procedure"] != "task_vector"]
        parts.append(
            f"{display_name(model)}: the task vector peaks at {peak['accuracy']:.2f} after "
            f"{block(peak['layer'], depth)}, no control above {controls['accuracy'].max():.2f}"
        )
    return ". ".join(parts)


def _peak(of_model: pd.DataFrame, procedure: str) -> pd.Series:
    """The row of the block with the highest mean."""
    of_procedure = of_model[of_model["procedure"] == procedure].reset_index(drop=True)
    return of_procedure.iloc[int(of_procedure["accuracy"].argmax())]


def _own_is_best(of_model: pd.DataFrame) -> str:
    """The finding of the matrix: on how many tasks another task's vector does as well."""
    is_own = of_model["task"] == of_model["source"]
    own = of_model[is_own].set_index("task")["accuracy"]
    best = of_model[of_model["best_on_dev"]].set_index("task")["accuracy"]
    ahead = int((own > best.reindex(own.index)).sum())
    return (
        f"A task's own mean vector is ahead of the best other one, chosen on dev, on {ahead} of "
        f"{counted(len(own), 'task')}"
    )


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
