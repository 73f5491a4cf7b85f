"""The central comparison task by task, and the task vector against ICL."""

from typing import Any

import pandas as pd

from tvsight.experiments.main_results.figures import episodes
from tvsight.experiments.main_results.numbers import significant
from tvsight.output.labels import (
    NOT_IDENTIFIED,
    counted,
    display_name,
    number,
    shortened,
    sizes,
    task_title,
)
from tvsight.output.marks import dumbbells, points, rows_of, whiskered
from tvsight.output.panels import shade_categories
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, title
from tvsight.output.theme import CATEGORY_COLOURS, TWO_COLUMNS, new_figure

DIFFERENCE = "icl_minus_task_vector"
SIZES = {"baseline": 4.6, "task_vector": 5.4, "icl": 3.4}
"""Of marks, in points, from back to front: where accuracies are equal, both are seen."""
ABOVE: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
"""The place of a legend above the axes."""
NEAR = 0.1
"""A difference of accuracies up to which a task lies near the diagonal."""


def task_by_task(
    table: pd.DataFrame, model: str, seeds: pd.DataFrame, accuracy: str = "accuracy"
) -> Plot:
    """Accuracy of the three procedures on every task of one model, and how far ICL is ahead.

    Args:
        table: from `numbers.by_task`.
        seeds: from `numbers.by_seed`, of other seeds than that of `table`.
        accuracy: from `score_report.accuracy`.
    """
    rows = table[table["model"] == model]
    order = {name: index for index, name in enumerate(rows["category"].unique())}
    # From the hardest for ICL to the easiest within each category, upwards.
    rows = rows.assign(order=rows["category"].map(order), lost=-rows["icl"])
    rows = rows.sort_values(["order", "lost"], kind="stable").iloc[::-1].reset_index(drop=True)
    figure = new_figure(TWO_COLUMNS, 0.85 + 0.19 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.6, 1])
    dumbbells(left, rows.index, rows[list(COMPARED)], color="0.75", linewidth=1)
    left.plot(rows["chance"], rows.index, "|", color="0.1", markersize=6, label="Chance", zorder=3)
    others = seeds[(seeds["model"] == model) & seeds["task"].isin(rows["task"])]
    lines = others["task"].map(dict(zip(rows["task"], rows.index, strict=True))).astype(float)
    for name, size in SIZES.items():
        points(left, rows[name], rows.index, name, markersize=size, label=title(name))
        points(left, others[name], lines - 0.34, name, markersize=1.8, clip_on=False)
    ahead = significant(rows, DIFFERENCE)
    for kept, face in ((rows[ahead], "0.1"), (rows[~ahead], "white")):
        look: Any = {"color": "0.1", "markerfacecolor": face, "markersize": 3.8, "fmt": "o"}
        look |= {"elinewidth": 0.8, "markeredgewidth": 0.8}
        whiskered(right, kept, DIFFERENCE, kept.index, upright=False, **look)
    right.axvline(0, color="0.5", linewidth=0.8, zorder=1)
    marks = rows["layer_identified"].map({True: "", False: " *"})
    rows_of(left, (rows["task"].map(task_title) + marks).tolist())
    left.set(xlim=(-0.03, 1.03), ylim=(-0.6, len(rows) - 0.4), xlabel=f"Test {accuracy}")
    right.set(xlabel="ICL − task vector")
    right.tick_params(axis="y", length=0)
    right.xaxis.grid(True)
    shade_categories(rows["category"], left, right)
    left.legend(ncols=4, **ABOVE)
    short = f"{display_name(model)}. {episodes(rows)} Right: 95 % intervals"
    caption = (
        f"{short} of paired differences, from resampling queries ({sizes(rows['queries'])} "
        "different ones per task); filled where ICL is ahead after Holm's correction. Chance: "
        "always giving the most frequent answer."
    )
    note = (
        f"{display_name(model)}. n = {sizes(rows['n'])}. Right: 95 % intervals; filled: p < 0.05."
    )
    if len(others):
        small = f" Small: seed {', '.join(map(str, others['seed'].unique()))}."
        note, caption = note + small, caption + small
    if not rows["layer_identified"].all():
        note += " * Not identified."
        caption += f" * {NOT_IDENTIFIED}: no block beats the baseline on dev (5 %, max-corrected)."
    return Plot(figure, _ahead(rows), caption, note)


def against_icl(table: pd.DataFrame, model: str, accuracy: str = "accuracy") -> Plot:
    """Accuracy of the task vector against that of ICL, one labelled point per task of a model.

    Args:
        table: from `numbers.by_task`.
        accuracy: from `score_report.accuracy`.
    """
    rows = table[table["model"] == model]
    figure = new_figure(4.6, 4.3)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, linestyle="--", zorder=1)
    axes.set(xlim=(-0.06, 1.06), ylim=(-0.06, 1.06), xlabel=f"ICL, test {accuracy}")
    axes.set(ylabel=f"Task vector, test {accuracy}", aspect="equal")
    named = {}
    for category, tasks in rows.groupby("category", sort=False):
        colour = CATEGORY_COLOURS.get(str(category), CATEGORY_COLOURS["custom"])
        for known, kind_rows in tasks.groupby("layer_identified"):
            face = colour if known else "white"
            axes.plot(
                kind_rows["icl"], kind_rows["task_vector"], "o", color=colour, mfc=face, ms=4.5
            )
        axes.plot([], [], "o", color=colour, markersize=4.5, label=shortened(str(category)))
        for _, task in tasks.iterrows():
            named[task_title(task["task"])] = (task["icl"], task["task_vector"], colour)
    axes.legend(ncols=len(CATEGORY_COLOURS), handletextpad=0.1, columnspacing=1.0, **ABOVE)
    name_points(figure, axes, named)
    name = display_name(model)
    note = f"{name}. n = {sizes(rows['n'])}. Dashed: equal."
    caption = f"{name}. {episodes(rows)} Dashed: the vector answers as often as ICL."
    if not rows["layer_identified"].all():
        note += " Hollow: not identified."
        caption += f" Hollow: {NOT_IDENTIFIED}."
    return Plot(figure, _apart(rows), caption, note)


def _ahead(rows: pd.DataFrame) -> str:
    """The finding task by task: where the vector beats the baseline, and ICL the vector."""
    beaten, behind = (
        int(significant(rows, name).sum()) for name in ("task_vector_minus_baseline", DIFFERENCE)
    )
    return (
        f"The task vector beats the baseline on {beaten} of {counted(len(rows), 'task')}; ICL "
        f"beats the vector on {behind}"
    )


def _apart(rows: pd.DataFrame) -> str:
    """The finding of the scatter: how many tasks lie near the diagonal, and which farthest."""
    near = int((rows[DIFFERENCE].abs().round(9) <= NEAR).sum())
    text = f"Vector and ICL differ by at most {NEAR:.2f} on {near} of {counted(len(rows), 'task')}"
    last = rows.iloc[int(rows[DIFFERENCE].argmax())]
    if last[DIFFERENCE].round(9) <= NEAR:
        return text
    left = f"{number(last['icl'])} to {number(last['task_vector'])}"
    return f"{text}; most is lost on {task_title(last['task'])} ({left})"
