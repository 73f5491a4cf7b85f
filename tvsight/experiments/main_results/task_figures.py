"""The central comparison task by task."""

from typing import Any

import pandas as pd

from tvsight.experiments.main_results.figures import episodes
from tvsight.experiments.main_results.numbers import significant
from tvsight.output.labels import (
    NOT_IDENTIFIED,
    counted,
    display_name,
    number,
    of_models,
    shortened,
    sizes,
    task_title,
)
from tvsight.output.marks import dumbbells, legend_of, points, rows_of, whiskered
from tvsight.output.panels import shade_categories
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, title
from tvsight.output.theme import TWO_COLUMNS, new_figure

DIFFERENCE = "icl_minus_task_vector"
SIZES = {"baseline": 4.6, "task_vector": 5.4, "icl": 3.4}
"""Of marks, in points, from back to front: where accuracies are equal, both are seen."""
NEAR = 0.1
"""A mean difference of accuracies up to which a category does not lag behind ICL."""


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
    figure = new_figure(TWO_COLUMNS, 1.0 + 0.19 * len(rows))
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
    right.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
    right.tick_params(axis="y", length=0)
    right.xaxis.grid(True)
    shade_categories(rows["category"], left, right)
    legend_of(figure, [left])
    short = f"{display_name(model)}. {episodes(rows)} Right: 95 % intervals"
    caption = (
        f"{short} of paired differences, from resampling queries ({sizes(rows['queries'])} "
        "different ones per task); filled where ICL is ahead after Holm's correction. Chance: "
        "always giving the most frequent answer."
    )
    note = (
        f"{display_name(model)}. n = {sizes(rows['n'])}. Right: 95 % intervals; filled: p < 0.05 "
        "(Holm)."
    )
    if len(others):
        small = f" Small: seed {', '.join(map(str, others['seed'].unique()))}."
        note, caption = note + small, caption + small
    if not rows["layer_identified"].all():
        note += " * Not identified."
        caption += f" * {NOT_IDENTIFIED}: no block beats the baseline on dev (5 %, max-corrected)."
    return Plot(figure, _ahead(rows), caption, note)


def _ahead(rows: pd.DataFrame) -> str:
    """The finding task by task: which categories lag behind ICL, and where the vector works."""
    works = int(significant(rows, "task_vector_minus_baseline").sum())
    lags = rows.groupby("category", sort=False)[DIFFERENCE].mean().round(9)
    behind = [shortened(str(category)) for category in lags.index[lags > NEAR]]
    if len(lags) == 1:
        finding = f"ICL leads the vector by {number(lags.iloc[0])} on average"
    elif len(behind) == 1:
        finding = f"Only {behind[0]} lags behind ICL, by {number(lags.max())}"
    elif behind:
        finding = f"Behind ICL by more than {NEAR:.2f}: {', '.join(behind)}"
    else:
        finding = f"No category of tasks lags behind ICL by more than {NEAR:.2f}"
    tasks = counted(len(rows), "task")
    return of_models(f"{finding}; the vector beats the baseline on {works} of {tasks}")
