"""Figure 6 of the paper and its histograms task by task: distances within and between tasks."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tvsight.experiments.vector_variability.numbers import MEAN, POOLED, STATISTICS
from tvsight.output.labels import MISSING, counted, interval, number, task_title
from tvsight.output.marks import grid_of_panels
from tvsight.output.plots import Plot
from tvsight.output.theme import TWO_COLUMNS, new_figure
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet

KINDS: dict[str, dict[str, Any]] = {
    # The larger kind lies below and is light; outlines keep the two apart where they overlap.
    "between": {"facecolor": "0.85", "edgecolor": "0.4", "linewidth": 0.7},
    "within": {"facecolor": "#2a788e99", "edgecolor": "0.1", "linewidth": 0.9},
}
NAMES = {"within": "within a task", "between": "to other tasks"}
TITLES = {AS_THEY_ARE: "Vectors as they are", CENTRED: "Mean over tasks subtracted"}
SHOWN = 0.998
"""Share of the pairs of each kind that the axis reaches to."""
RIDGE, TOUCH = 0.21, 0.9
"""Height of a ridge in inches, and how much of it the highest bin takes."""


def overall(densities: pd.DataFrame, table: pd.DataFrame, given: VectorSet) -> Plot:
    """The distances of all tasks together, a panel per treatment of the vectors.

    Args:
        densities: from `numbers.densities`.
        table: from `numbers.separations`.
        given: the vectors that were compared.
    """
    all_rows = densities[densities["task"] == POOLED]
    mean_rows = table[table["task"] == MEAN]
    figure, drawn = _panels(all_rows, 0.6, 2.3)
    for axes, (treatment, panel_rows) in drawn.items():
        _ridge(axes, panel_rows, 0, panel_rows["density"].max())
        axes.set(ylim=(0, 1.08), yticks=[])
        mean = mean_rows[mean_rows["vectors"] == treatment].iloc[0]
        if pd.notna(mean["superiority"]):
            text = f"P(between > within)\n{interval(mean, 'superiority')}"
            at: Any = {"transform": axes.transAxes, "ha": "right", "va": "top", "fontsize": 7}
            axes.text(0.99, 0.97, text, **at)
    next(iter(drawn)).set_ylabel("Density")
    lines = [_about(given), *_statistics(table)]
    note = f"{given.sizes_note} P: mean of tasks, 95 % interval over tasks."
    return Plot(figure, _nearer(mean_rows), "\n".join(lines), note)


def by_task(densities: pd.DataFrame, table: pd.DataFrame, given: VectorSet) -> Plot:
    """The same for each task as a ridge, the task with the largest overlap on top.

    Args:
        densities, table, given: as for `overall`.
    """
    task_rows = table[table["task"].isin(given.names)]
    as_they_are = task_rows[task_rows["vectors"] == AS_THEY_ARE]
    order = as_they_are.sort_values("overlap", kind="stable", ascending=False)["task"].iloc[::-1]
    densities = densities[densities["task"] != POOLED]
    figure, drawn = _panels(densities, 0.7, 1.0 + RIDGE * len(order))
    for axes, (treatment, histograms) in drawn.items():
        overlaps = task_rows[task_rows["vectors"] == treatment].set_index("task")["overlap"]
        said = {index: number(overlaps[task]) for index, task in enumerate(order)}
        for index, task in enumerate(order):
            ridge_rows = histograms[histograms["task"] == task]
            _ridge(axes, ridge_rows, index, ridge_rows["density"].max() / TOUCH)
        if overlaps.notna().any():
            said[len(order)] = "overlap"
        for index, text in said.items():
            if text != MISSING:
                at: Any = {"va": "bottom", "fontsize": 6.5, "transform": axes.get_yaxis_transform()}
                axes.text(1.02, index, text, **at)
        axes.set_ylim(0, len(order) + 0.02)
        axes.tick_params(axis="y", length=0)
    places = np.arange(len(order)) + 0.3
    next(iter(drawn)).set_yticks(places, list(map(task_title, order)))
    lines = [f"{_about(given)} Heights: density, each ridge with its own scale."]
    if task_rows["superiority"].notna().any():
        lines.append(
            "Overlap: the share of the two distributions of a task that is common. Tasks are "
            "sorted by it, of the vectors as they are."
        )
    return Plot(figure, _least_apart(as_they_are), "\n".join(lines), given.sizes_note)


def _ridge(axes: Axes, densities: pd.DataFrame, base: float, scale: float) -> None:
    """The two histograms of a task on one line, as high as their densities over a scale."""
    for kind, style in KINDS.items():
        drawn = densities[densities["kind"] == kind]
        if drawn["pairs"].sum():
            edges = [*drawn["low"], drawn["high"].iloc[-1]]
            heights = base + drawn["density"] / scale
            axes.stairs(heights, edges, baseline=base, fill=True, label=NAMES[kind], **style)


def _panels(
    densities: pd.DataFrame, alone: float, height: float
) -> tuple[Figure, dict[Axes, tuple[str, pd.DataFrame]]]:
    """A panel per treatment of the vectors, with the treatment and its histograms. The horizontal
    axis begins at 0 and ends where the data do.

    Args:
        alone: width of one panel, as a share of two columns.
        height: of the figure, in inches.
    """
    parts = [
        (str(name), panel_rows) for name, panel_rows in densities.groupby("vectors", sort=False)
    ]
    figure = new_figure(TWO_COLUMNS * (1 if len(parts) > 1 else alone), height)
    drawn = grid_of_panels(figure, len(parts), len(parts), sharey=True)
    for axes, (treatment, panel_rows) in zip(drawn, parts, strict=True):
        groups = panel_rows[panel_rows["pairs"] > 0].groupby(["task", "kind"], sort=False)
        ends = [
            group["high"][group["pairs"].cumsum() >= SHOWN * group["pairs"].sum()].iloc[0]
            for _, group in groups
        ]
        axes.set(xlim=(0, max(ends)))
        axes.set_xlabel(f"{str(panel_rows['measure'].iloc[0]).title()} distance")
        axes.set_title(TITLES[treatment], loc="left")
        axes.spines["left"].set_visible(False)
    known = set(densities["kind"][densities["pairs"] > 0])
    handles = [Patch(label=NAMES[kind], **KINDS[kind]) for kind in NAMES if kind in known]
    figure.legend(handles=handles, ncols=2, loc="outside upper left")
    return figure, dict(zip(drawn, parts, strict=True))


def _nearer(means: pd.DataFrame) -> str:
    """The finding of all tasks: how often distances to other tasks are the larger ones."""
    if means["superiority"].isna().all():
        return "Distances between task vectors"
    superiority = means.set_index("vectors")["superiority"].map(number)
    after = (
        f", {superiority[CENTRED]} with the mean subtracted" if CENTRED in superiority.index else ""
    )
    return (
        "A distance to another task's vector is larger than one within the task with probability "
        f"{superiority[AS_THEY_ARE]}{after}"
    )


def _least_apart(task_table: pd.DataFrame) -> str:
    """The finding by task: the tasks with the largest and with the least overlap."""
    known = task_table.dropna(subset="overlap").sort_values("overlap", kind="stable")
    if known.empty:
        return "Distances between task vectors, task by task"
    least, most = known.iloc[0], known.iloc[-1]
    return (
        "Distances within a task and to other tasks overlap by "
        f"{number(least['overlap'])} ({task_title(least['task'])}) to {number(most['overlap'])} "
        f"({task_title(most['task'])})"
    )


def _about(given: VectorSet) -> str:
    return (
        f"{given.where}: task vectors of {counted(len(given.names), 'task')}, n = {given.sizes} "
        "test episodes each; every pair counted once, no vector with itself. The axis ends where "
        f"{100 * SHOWN:.1f} % of the pairs of each kind do."
    )


def _statistics(table: pd.DataFrame) -> list[str]:
    """The numbers over all tasks, a line per treatment of the vectors."""
    lines: list[str] = []
    for treatment, treatment_rows in table.groupby("vectors", sort=False):
        whole, mean = (
            treatment_rows[treatment_rows["task"] == of].iloc[0] for of in (POOLED, MEAN)
        )
        pooled = [number(whole[name]) for name in STATISTICS]
        task_means = [interval(mean, name) for name in STATISTICS]
        if pd.isna(whole["superiority"]):
            continue
        lines.append(
            f"{TITLES[str(treatment)]}: {whole['within_pairs']} pairs within, "
            f"{whole['between_pairs']} between. Probability that a distance between is above one "
            f"within: pooled {pooled[0]}, mean of tasks {task_means[0]}; Cohen's d {pooled[1]}, "
            f"{task_means[1]}; overlap {pooled[2]}, {task_means[2]} (95 % bootstrap intervals over "
            "tasks)."
        )
    return lines
