"""The task vector against its controls, task by task, on average and after every block."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tvsight.output.labels import display_name, number, shortened, sizes, task_title
from tvsight.output.marks import grid_of_panels, legend_of, level, rows_of, whiskered
from tvsight.output.panels import (
    BLOCK_AXIS,
    MOST_TICKS,
    axis_of_blocks,
    legend_above,
    line,
    name_panel,
    panels,
)
from tvsight.output.placing import Floats, name_points
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, beside, title, word
from tvsight.output.theme import CATEGORY_COLOURS, TWO_COLUMNS, new_figure

PAIRS = (("shuffled_labels", "task_vector"), ("best_other", "own_mean"))
"""A control and the vector of the task that it is drawn against, a panel each."""
STRIP = ("any_other_task", "other_tasks_mean", "random_deviation", "random_vector", "baseline")
"""The other controls, from top to bottom."""
SQUARE, BELOW = 3.3, 1.3
"""Heights of a panel of tasks, and of the strip of controls, in inches."""
LINES = ("shuffled_labels", "any_other_task")
"""Controls that have a line of their own after every block; the others share a band."""
BAND = "0.82"
ACROSS, NAME_ROOM, FEW_TICKS = 3, 1.5, 6
"""Models beside each other, the width of their names in inches, and ticks of blocks there."""


def against_controls(
    table: pd.DataFrame, summary: pd.DataFrame, model: str, vector: str = "task_vector"
) -> Plot:
    """Test accuracy with a task's own vector against that with a control, a point per task; below,
    how far the vector leads the other controls.

    Args:
        table: from `numbers.by_task`.
        summary: from `numbers.over_tasks`.
        vector: the procedure of the vector.
    """
    tasks = table[table["model"] == model]
    means = summary[summary["model"] == model].set_index("procedure")
    pairs = [beside(pair, vector) for pair in PAIRS if pair[0] in means.index]
    figure = new_figure(TWO_COLUMNS, SQUARE + BELOW)
    across = max(1, min(len(pairs), round(figure.get_figwidth() / SQUARE)))
    is_narrow = figure.get_figwidth() <= SQUARE  # where names of controls take two lines
    heights = [*([SQUARE * -(-len(pairs) // across)] if pairs else []), BELOW * (1 + is_narrow)]
    figure.set_figheight(sum(heights))
    *above, below = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat
    strip = means.loc[[name for name in STRIP if name in means.index]]
    _strip(below.subplots(), strip, vector)
    drawn = [axes for part in above for axes in grid_of_panels(part, len(pairs), across)]
    whiskers = [
        _diagonal(axes, tasks, means.loc[[control]], own, control)
        for axes, (control, own) in zip(drawn, pairs, strict=True)
    ]
    legend_of(figure, drawn, ncols=len(CATEGORY_COLOURS), handletextpad=0.1)
    for axes, (control, own), whisker in zip(drawn, pairs, whiskers, strict=True):
        _name_tasks(figure, axes, tasks, own, control, whisker)
    note = (
        f"{display_name(model)}. n = {sizes(tasks['n'])} test episodes per task. Black, and below: "
        "means with 95 % intervals of the paired difference."
    )
    no_op = number(means["accuracy"]["no_op"])
    caption = (
        f"{note} They are bootstrap intervals over tasks. Above the diagonal the task's own vector "
        "is right more often; the whisker of the mean tells whether it is. All vectors are applied "
        f"after the block that was chosen for the {word(vector)} on dev. The no-op patch, not "
        f"drawn, has {no_op}, as the baseline."
    )
    return Plot(figure, _finding(means["accuracy"], model, vector), caption, note)


def curves(blocks: pd.DataFrame, summary: pd.DataFrame, vector: str = "task_vector") -> Plot:
    """Mean dev accuracy after each block: the vector, two controls and a band of the others, a
    panel per model.

    Args:
        blocks: from `numbers.by_block`.
        summary: from `numbers.over_tasks`, for the level of ICL on test.
        vector: the procedure of the vector.
    """
    models = list(dict.fromkeys(blocks["model"]))
    figure, drawn = panels(len(models), ACROSS, 0.3)
    levels = summary[summary["procedure"] == "icl"].set_index("model")["accuracy"]
    named = [name for name in (vector, *LINES) if name in set(blocks["procedure"])]
    most, room = (MOST_TICKS, math.inf) if len(models) == 1 else (FEW_TICKS, NAME_ROOM)
    for axes, model in zip(drawn, models, strict=True):
        model_rows = blocks[blocks["model"] == model]
        others = model_rows[~model_rows["procedure"].isin(named)].groupby("layer")["accuracy"]
        level(axes, levels[model], "icl", 1.0, label="ICL (test)")
        for name in named:
            rows = model_rows[model_rows["procedure"] == name]
            line(axes, rows, "layer", name, title(name), band=name == vector)
        band: Any = {"color": BAND, "linewidth": 0, "zorder": 0, "label": "Other controls"}
        axes.fill_between(*others.agg(["min", "max"]).reset_index().T.to_numpy(), **band)
        name_panel(axes, model, model_rows["tasks"].max(), room)
        peak, depth = _peak(model_rows, vector), int(model_rows["layer"].max()) + 1
        label = BLOCK_AXIS if len(models) == 1 else "After block"
        axis_of_blocks(axes, depth, [peak["layer"]], most, label)
    drawn[0].set_ylabel("Mean dev accuracy")
    legend_above(figure, drawn[0], 3)
    note = (
        f"n = {sizes(blocks['n'])} dev episodes per task. Coloured band: 95 % interval over tasks."
    )
    others = [title(name) for name in blocks["procedure"].unique() if name not in named]
    caption = (
        f"{note} It is a bootstrap interval of the {word(vector)}. Grey: from the least to the "
        "greatest of the other controls "
        f"({', '.join(others)}). The no-op patch gives the zero-shot baseline after every block. "
        "ICL, dashed, is measured on test."
    )
    return Plot(figure, _peaks(blocks, models, vector), caption, note)


def _diagonal(
    axes: Axes, tasks: pd.DataFrame, mean: pd.DataFrame, own: str, control: str
) -> Floats:
    """A point per task, and the mean with the interval of its height over the diagonal.

    Returns:
        Points along this whisker, `[n, 2]`.
    """
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, linestyle="--", zorder=1)
    axes.set(xlim=(-0.06, 1.06), ylim=(-0.06, 1.06), aspect="equal")
    axes.set(xlabel=title(control), ylabel=title(own))
    for category, rows in tasks.groupby("category", sort=False, observed=True):
        colour, label = _colour(category), shortened(str(category))
        axes.plot(rows[control], rows[own], "o", color=colour, ms=4.2, label=label)
    height = mean.filter(like="lead").astype(float).add(mean["accuracy"], axis="index")
    look: Any = {"fmt": "D", "color": "black", "markersize": 4.5, "label": "mean", "zorder": 5}
    whiskered(axes, height, "lead", mean["accuracy"], **look)
    along = np.linspace(height["lead_low"].item(), height["lead_high"].item(), 12)
    return np.stack([np.full(12, mean["accuracy"].item()), along], axis=1)


def _name_tasks(
    figure: Figure, axes: Axes, tasks: pd.DataFrame, own: str, control: str, whisker: Floats
) -> None:
    """The names of tasks beside their points, in the colours of their categories."""
    known = tasks.dropna(subset=control)
    places = zip(known[control], known[own], map(_colour, known["category"]), strict=True)
    named = dict(zip(map(task_title, known["task"]), places, strict=True))
    name_points(figure, axes, named, nameless=whisker)


def _strip(axes: Axes, controls: pd.DataFrame, vector: str) -> None:
    """How far the vector leads each control on average, a row each."""
    places = range(len(controls))[::-1]
    for place, (name, mean) in zip(places, controls.iterrows(), strict=True):
        drawn_as = PROCEDURES[str(name)]
        look: Any = {"fmt": drawn_as.marker, "color": drawn_as.colour, "ecolor": "black"}
        look |= {"markeredgecolor": "black", "markeredgewidth": 0.7, "elinewidth": 0.9}
        row = pd.DataFrame([mean]).astype({"lead_low": float, "lead_high": float})
        whiskered(axes, row, "lead", [place], upright=False, markersize=5.5, **look)
    said = [f"{title(str(name))} ({number(of['accuracy'])})" for name, of in controls.iterrows()]
    rows_of(axes, said, list(places))
    axes.axvline(0, color="0.5", linewidth=0.8, zorder=1)
    axes.set(ylim=(-0.6, len(controls) - 0.4), xlabel=f"{title(vector)} − control (its accuracy)")


def _colour(category: object) -> str:
    return CATEGORY_COLOURS.get(str(category), CATEGORY_COLOURS["custom"])


def _finding(accuracy: pd.Series, model: str, vector: str) -> str:
    """The vector, and the controls that it is drawn against."""
    said = {
        vector: f"the {word(vector)} is right for",
        "shuffled_labels": "one from shuffled labels for",
        "best_other": "the best other task's for",
    }
    parts = [f"{what} {number(accuracy[of])}" for of, what in said.items() if of in accuracy]
    return f"{display_name(model)}: {', '.join(parts)}"


def _peaks(blocks: pd.DataFrame, models: list[str], vector: str) -> str:
    """The finding by block: where the vector peaks, and how high the controls come."""
    parts = []
    for model in models:
        model_rows = blocks[blocks["model"] == model]
        peak = _peak(model_rows, vector)
        controls = model_rows.loc[model_rows["procedure"] != vector, "accuracy"].max()
        own, where = number(peak["accuracy"]), f"{display_name(model)}, block {peak['layer']}"
        parts.append(f"{own} ({number(controls)}; {where})")
    return f"Peak of the {word(vector)}, and of all controls in brackets: {', '.join(parts)}"


def _peak(model_rows: pd.DataFrame, procedure: str) -> pd.Series:
    """The row of the block with the highest mean."""
    procedure_rows = model_rows[model_rows["procedure"] == procedure].reset_index(drop=True)
    return procedure_rows.iloc[int(procedure_rows["accuracy"].argmax())]
