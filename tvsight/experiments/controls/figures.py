"""The task vector beside its controls, and every task's vector applied to every task."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tvsight.output.labels import block, display_name, number, sizes
from tvsight.output.marks import grid_of_panels, level, points, rows_of
from tvsight.output.panels import (
    BLOCK_AXIS,
    MOST_TICKS,
    Ends,
    axis_of_blocks,
    label_ends,
    line,
    name_panel,
    panels,
)
from tvsight.output.plots import Plot
from tvsight.output.procedures import CONTROLS, PROCEDURES, beside, title, word
from tvsight.output.theme import TWO_COLUMNS, new_figure

ROWS = (
    ("icl", "icl_shuffled"),
    ("task_vector", "shuffled_labels"),
    ("own_mean", "best_other"),
    ("any_other_task", "other_tasks_mean", "random_deviation", "random_vector", "baseline"),
)
"""Procedures from top to bottom, in groups. The first three groups are pairs that are compared."""
ROW, GAP, APART = 0.2, 0.4, 0.7
"""Height of a row of points in inches; space between groups, and within a pair, in rows."""
ACROSS, NAME_ROOM = 3, 1.5
"""Models beside each other, and width of their names in inches."""
TIE, STACKED = 0.015, 0.11
"""Accuracies nearer than this are drawn above each other, so far apart, in rows."""
GREYED = tuple(name for name in CONTROLS if name != "shuffled_labels")
"""Procedures whose curves are grey; the others have their colour and a band."""
GREY = "0.55"
FEW_TICKS = 6
"""Ticks of blocks where models stand beside each other."""


def means(table: pd.DataFrame, summary: pd.DataFrame, vector: str = "task_vector") -> Plot:
    """Test accuracy of each procedure: tasks as points, their mean with its interval; a panel per
    model. The same task is joined where two procedures are compared.

    Args:
        table: from `numbers.by_task`.
        summary: from `numbers.over_tasks`.
        vector: the procedure of the vector.
    """
    rows = [beside(group, vector) for group in ROWS]
    models = list(dict.fromkeys(summary["model"]))
    places = _places(rows, set(summary["procedure"]))
    lowest = max(places.values())
    across = min(ACROSS, len(models))
    down = -(-len(models) // across)
    figure = new_figure(TWO_COLUMNS, down * (0.75 + ROW * (lowest + 1)))
    drawn = grid_of_panels(figure, len(models), across, sharex=True, sharey=True)
    for axes, model in zip(drawn, models, strict=True):
        model_rows = summary[summary["model"] == model].set_index("procedure")
        tasks = table[table["model"] == model]
        task_points = {
            name: (tasks[name], at + _stacked(tasks[name])) for name, at in places.items()
        }
        for upper, lower in rows[:-1]:
            if {upper, lower} <= set(model_rows.index):
                (from_x, from_y), (to_x, to_y) = task_points[upper], task_points[lower]
                look: Any = {"color": "0.75", "linewidth": 0.6, "zorder": 1}
                axes.plot([from_x, to_x], [from_y, to_y], **look)
        for name in model_rows.index.intersection(list(places)):
            _strip_of_points(axes, places[name], str(name), model_rows.loc[name], task_points[name])
        axes.set(xlim=(-0.02, 1.02), ylim=(lowest + 0.6, -0.6), xlabel="Test accuracy")
        name_panel(axes, model, len(tasks), _name_room(models))
        axes.spines["left"].set_visible(False)
        rows_of(axes, list(map(title, places)), list(places.values()))
    note = (
        f"n = {sizes(table['n'])} test episodes per task. Small points: tasks. Large ones: their "
        "mean, with a 95 % bootstrap interval over tasks. Lines: the same task."
    )
    no_op = map(number, summary.loc[summary["procedure"] == "no_op", "accuracy"])
    caption = (
        f"{note} All vectors are applied after the block that was chosen for the {word(vector)} on "
        f"dev. The no-op patch, not drawn, has {' and '.join(no_op)}, as the baseline."
    )
    return Plot(figure, _against_best(summary, vector), caption, note)


def curves(blocks: pd.DataFrame, summary: pd.DataFrame, vector: str = "task_vector") -> Plot:
    """Mean dev accuracy after each block: the vector and each control, a panel per model.

    Args:
        blocks: from `numbers.by_block`.
        summary: from `numbers.over_tasks`, for the level of ICL on test.
        vector: the procedure of the vector.
    """
    models = list(dict.fromkeys(blocks["model"]))
    figure, drawn = panels(len(models), ACROSS, 0.3)
    levels = summary[summary["procedure"] == "icl"].set_index("model")["accuracy"]
    ends: Ends = {}
    most = MOST_TICKS if len(models) == 1 else FEW_TICKS
    for axes, model in zip(drawn, models, strict=True):
        model_rows = blocks[blocks["model"] == model]
        ends = {"ICL (test)": (levels[model], PROCEDURES["icl"].colour)}
        level(axes, levels[model], "icl", 1.0)
        for procedure, procedure_rows in model_rows.groupby("procedure", sort=False):
            name, known = str(procedure), procedure not in GREYED
            look: Any = {"width": 1.6} if known else {"width": 0.9, "color": GREY, "marker": ""}
            ends |= line(axes, procedure_rows, "layer", name, title(name), known, **look)
        name_panel(axes, model, model_rows["tasks"].max(), _name_room(models))
        peak, depth = _peak(model_rows, vector), int(model_rows["layer"].max()) + 1
        label = BLOCK_AXIS if len(models) == 1 else "After block"
        axis_of_blocks(axes, depth, [peak["layer"]], most, label)
    drawn[0].set_ylabel("Mean dev accuracy")
    label_ends(figure, drawn[-1], ends)
    note = f"n = {sizes(blocks['n'])} dev episodes per task. Bands: 95 % intervals over tasks."
    caption = (
        f"{note} They are bootstrap intervals of the {word(vector)} and of shuffled labels; the "
        "other controls are grey. The no-op patch gives the zero-shot baseline after every block. "
        "ICL, dashed, is measured on test."
    )
    return Plot(figure, _peaks(blocks, models, vector), caption, note)


def _name_room(models: list[str]) -> float:
    """Width of the name of a model above its panel, in inches."""
    return math.inf if len(models) == 1 else NAME_ROOM


def _places(rows: Sequence[tuple[str, ...]], measured: set[str]) -> dict[str, float]:
    """The vertical place of each procedure that was measured, from the top."""
    places: dict[str, float] = {}
    for group in rows:
        start = max(places.values(), default=-1 - GAP) + 1 + GAP
        names = [name for name in group if name in measured]
        step = 1 + APART if len(group) == 2 else 1
        places |= {name: start + number * step for number, name in enumerate(names)}
    return places


def _stacked(values: pd.Series) -> pd.Series:
    """Vertical places of points of one row: those of nearly one value lie above each other."""
    near = (values / TIE).round()
    by_value = near.groupby(near)
    gap = (0.7 / by_value.transform("size")).clip(upper=STACKED)
    return gap * (by_value.cumcount() - (by_value.transform("size") - 1) / 2)


def _strip_of_points(
    axes: Axes, place: float, name: str, mean: pd.Series, task_points: tuple[pd.Series, pd.Series]
) -> None:
    """The tasks of a procedure as points in a row, and their mean with its interval."""
    faint = {"marker": "o", "markersize": 2.8, "markeredgewidth": 0, "alpha": 0.55, "zorder": 2}
    points(axes, *task_points, name, clip_on=False, **faint)
    ends = [mean["accuracy_low"], mean["accuracy_high"]]
    axes.plot(ends, [place, place], color="black", linewidth=1.3, zorder=3)
    bold = {"markersize": 5.5, "markeredgewidth": 0.7, "markeredgecolor": "black", "zorder": 4}
    points(axes, mean["accuracy"], place, name, clip_on=False, label=title(name), **bold)
    at: Any = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 7}
    axes.text(1.03, place, number(mean["accuracy"]), **at)


def _against_best(summary: pd.DataFrame, vector: str) -> str:
    """The finding of the means: the vector, and the control that comes nearest."""
    best_by_model = {}
    for model, model_rows in summary.groupby("model", sort=False):
        accuracy = model_rows.set_index("procedure")["accuracy"]
        controls = accuracy[accuracy.index.isin(("shuffled_labels", *ROWS[-1]))]
        nearest = title(str(controls.idxmax()))
        best = (f"{nearest[0].lower()}{nearest[1:]}", number(controls.max()))
        best_by_model[display_name(str(model))] = (number(accuracy[vector]), *best)
    if len(best_by_model) == 1:
        ((own, control, highest),) = best_by_model.values()
        return f"The {word(vector)} is right for {own}, the best control ({control}) for {highest}"
    names = {what for _, what, _ in best_by_model.values()}
    shared = f" ({names.pop()})" if len(names) == 1 else ""
    parts = [
        f"{model} {ours} to {best}" + ("" if shared else f" ({what})")
        for model, (ours, what, best) in best_by_model.items()
    ]
    return f"{title(vector)} against the best control{shared}: {', '.join(parts)}"


def _peaks(blocks: pd.DataFrame, models: list[str], vector: str) -> str:
    """The finding by block: where the vector peaks, and how high the controls come."""
    peaks = {}
    for model in models:
        model_rows = blocks[blocks["model"] == model]
        peak, depth = _peak(model_rows, vector), int(model_rows["layer"].max()) + 1
        controls = model_rows.loc[model_rows["procedure"] != vector, "accuracy"].max()
        where = block(peak["layer"], depth)
        peaks[display_name(model)] = (number(peak["accuracy"]), where, number(controls))
    if len(peaks) == 1:
        ((own, where, highest),) = peaks.values()
        return f"The {word(vector)} peaks at {own} after {where}, no control above {highest}"
    parts = [f"{name} {own} ({highest})" for name, (own, _, highest) in peaks.items()]
    return f"Peak of the {word(vector)}, and of all controls in brackets: {', '.join(parts)}"


def _peak(model_rows: pd.DataFrame, procedure: str) -> pd.Series:
    """The row of the block with the highest mean."""
    procedure_rows = model_rows[model_rows["procedure"] == procedure].reset_index(drop=True)
    return procedure_rows.iloc[int(procedure_rows["accuracy"].argmax())]
