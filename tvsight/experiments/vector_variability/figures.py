"""Figure 6 of the paper and its histograms task by task: distances within and between tasks."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.main_results.vector_sets import VectorSet
from tvsight.experiments.vector_variability.numbers import MEAN, POOLED
from tvsight.output.labels import counted, interval, number, task_title
from tvsight.output.plots import Plot
from tvsight.output.theme import ONE_COLUMN, TWO_COLUMNS, new_figure

KINDS: dict[str, dict[str, Any]] = {
    # The larger kind lies below and is light; outlines keep the two apart where they overlap.
    "between": {"facecolor": "0.85", "edgecolor": "0.4", "linewidth": 0.7},
    "within": {"facecolor": "#2a788e99", "edgecolor": "0.1", "linewidth": 0.9},
}
NAMES = {"within": "within a task", "between": "to other tasks"}
PANELS_ACROSS = 4
PANEL_HEIGHT = 1.05


def overall(densities: pd.DataFrame, table: pd.DataFrame, given: VectorSet, centre: bool) -> Plot:
    """The distances of all tasks together.

    Args:
        densities: from `numbers.densities`.
        table: from `numbers.separations`.
        given: the vectors that were compared.
        centre: whether their mean was subtracted, for the caption.
    """
    figure = new_figure(ONE_COLUMN * 1.35, 3.3)
    axes = figure.subplots()
    _panel(axes, densities[densities["task"] == POOLED])
    axes.set(xlabel=_distance(densities), ylabel="Density")
    axes.yaxis.grid(True)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], ncols=2, loc="outside upper left")
    whole = table[table["task"] == POOLED].iloc[0]
    mean = table[table["task"] == MEAN].iloc[0]
    text = "\n".join([_about(given, centre), *_statistics(whole, mean)])
    return Plot(figure, _nearer(mean), text, given.sizes_note)


def by_task(densities: pd.DataFrame, table: pd.DataFrame, given: VectorSet, centre: bool) -> Plot:
    """The same for each task in a panel of its own; all share the horizontal axis.

    Args:
        densities, table, given, centre: as for `overall`.
    """
    tasks = given.names
    across = min(PANELS_ACROSS, len(tasks))
    down = math.ceil(len(tasks) / across)
    width = TWO_COLUMNS if across > 2 else TWO_COLUMNS * across / 3 + 0.6
    figure = new_figure(width, 1.25 + PANEL_HEIGHT * down + (0.5 if down == 1 else 0))
    grid = figure.subplots(down, across, sharex=True, squeeze=False)
    panels = list(grid.flat)
    for axes, task in zip(panels, tasks, strict=False):
        _panel(axes, densities[densities["task"] == task])
        row = table[table["task"] == task].iloc[0]
        axes.set_title(task_title(task), fontsize=7.5, loc="left", pad=3)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        if pd.notna(row["superiority"]):
            text = f"P {number(row['superiority'])}\nOVL {number(row['overlap'])}"
            at = {"transform": axes.transAxes, "ha": "right", "va": "top"}
            axes.text(0.98, 0.95, text, fontsize=6.5, **at)
    for axes in panels[len(tasks) :]:
        axes.set_axis_off()
    for column in range(across):
        last = [axes for axes in grid[:, column] if axes.axison][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel(_distance(densities), fontsize=7)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], ncols=2, loc="outside upper left")
    lines = [f"{_about(given, centre)} Vertical: density, each panel with its own scale."]
    if table["superiority"].notna().any():
        lines.append(
            "P: probability that a distance to another task's vector is above one within the task. "
            "OVL: overlap coefficient, the share of the two distributions that is common."
        )
    of_tasks = table[table["task"].isin(tasks)]
    return Plot(figure, _least_apart(of_tasks), "\n".join(lines), given.sizes_note)


def _panel(axes: Axes, densities: pd.DataFrame) -> None:
    for kind, style in KINDS.items():
        drawn = densities[densities["kind"] == kind]
        if drawn["pairs"].sum():
            edges = [*drawn["low"], drawn["high"].iloc[-1]]
            axes.stairs(drawn["density"], edges, fill=True, label=NAMES[kind], **style)
    axes.set_ylim(bottom=0)


def _distance(densities: pd.DataFrame) -> str:
    return f"{str(densities['measure'].iloc[0]).title()} distance"


def _nearer(mean: pd.Series) -> str:
    """The finding of all tasks: how often distances to other tasks are the larger ones."""
    if pd.isna(mean["superiority"]):
        return "Distances between task vectors"
    return (
        "A distance to another task's vector is larger than one within the task with probability "
        f"{interval(mean, 'superiority')} (mean of tasks)"
    )


def _least_apart(of_tasks: pd.DataFrame) -> str:
    """The finding by task: the task whose vectors are least apart from the others'."""
    known = of_tasks.dropna(subset="superiority").sort_values("superiority", kind="stable")
    if known.empty:
        return "Distances between task vectors, task by task"
    least = known.iloc[0]
    return (
        f"Distances to other tasks exceed those within a task with probability "
        f"{number(least['superiority'])} ({task_title(least['task'])}) to "
        f"{number(known['superiority'].max())}"
    )


def _about(given: VectorSet, centre: bool) -> str:
    how = "their mean subtracted" if centre else "as they are"
    return (
        f"{given.where}: task vectors, {how}, of {counted(len(given.names), 'task')}, "
        f"n = {given.sizes} test episodes each; every pair counted once, no vector with itself."
    )


def _statistics(whole: pd.Series, mean: pd.Series) -> list[str]:
    if pd.isna(whole["superiority"]):
        return []
    return [
        f"{whole['within_pairs']} pairs within, {whole['between_pairs']} between. Pooled: "
        f"probability of superiority {number(whole['superiority'])}, Cohen's d "
        f"{number(whole['cohens_d'])}, overlap {number(whole['overlap'])}. Mean of tasks: "
        f"{interval(mean, 'superiority')}, {interval(mean, 'cohens_d')}, "
        f"{interval(mean, 'overlap')} (95 % bootstrap intervals over tasks)."
    ]
