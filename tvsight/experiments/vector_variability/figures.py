"""Figure 6 of the paper, and task by task: distances within a task and to other tasks."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.vector_variability.numbers import MEAN
from tvsight.output.labels import counted, display_name, number
from tvsight.output.marks import legend_of, whiskered
from tvsight.output.panels import PANEL_NAME, placed_rows
from tvsight.output.plots import Plot
from tvsight.output.theme import TWO_COLUMNS, is_narrow, new_figure
from tvsight.protocol.vector_sets import AS_THEY_ARE, CENTRED, VectorSet

KINDS: dict[str, dict[str, Any]] = {
    # The larger kind lies below and is light; outlines keep the two apart where they overlap.
    "between": {"label": "to other tasks", "facecolor": "0.85", "edgecolor": "0.4"},
    "within": {"label": "within a task", "facecolor": "#2a788e99", "edgecolor": "0.1"},
}
TREATMENTS: dict[str, dict[str, Any]] = {
    AS_THEY_ARE: {"label": "Vectors as they are", "fmt": "o"},
    CENTRED: {"label": "Mean over tasks subtracted", "fmt": "D", "markerfacecolor": "white"},
}
SHOWN = 0.998
"""Share of the pairs of each kind that the axis reaches to."""
HISTOGRAM, ROW = 1.6, 0.17
"""Heights of a histogram and of a row of the tasks, in inches."""


def distances(densities: pd.DataFrame, table: pd.DataFrame, given: VectorSet) -> Plot:
    """All distances as histograms, one for each treatment of the vectors; beside them, task by
    task, how often one to another task is the larger one.

    Args:
        densities: from `numbers.densities`.
        table: from `numbers.separations`.
        given: the vectors that were compared.
    """
    by_task = table[table["task"].isin(given.names)].dropna(subset="superiority")
    parts = list(densities["vectors"].unique())
    heights = {**dict.fromkeys(parts, HISTOGRAM), "tasks": ROW * len(given.names) + 0.6}
    figure = new_figure(TWO_COLUMNS * (1 if len(by_task) else 0.6), HISTOGRAM * len(parts) + 0.9)
    rows = [[part] for part in parts]
    places = "Left", "Right"
    if len(by_task) and is_narrow():
        rows += [["tasks"]]
        places = "Above", "Below"
    elif len(by_task):
        rows = [[part, "tasks"] for part in parts]
    figure.set_figheight(max(sum(heights[row[0]] for row in rows), heights["tasks"]) + 0.6)
    ratios = [1, 1.2][: len(rows[0])]
    shares = [heights[row[0]] for row in rows]
    drawn = figure.subplot_mosaic(rows, width_ratios=ratios, height_ratios=shares)
    for part in parts:
        _histograms(drawn[part], densities[densities["vectors"] == part])
        drawn[part].set_title(TREATMENTS[part]["label"], loc="left", fontsize=PANEL_NAME)
    drawn[parts[-1]].set_xlabel(f"{str(densities['measure'].iloc[0]).title()} distance")
    if len(by_task):
        _tasks(drawn["tasks"], by_task)
    legend_of(figure, drawn.values(), ncols=2)
    note = f"{given.sizes_note} Whiskers: 95 % intervals, from resampling queries."
    caption = (
        f"{given.where}: task vectors of {counted(len(given.names), 'task')}, n = {given.sizes} "
        f"test episodes each; every pair counted once, no vector with itself. {places[0]}: "
        f"density; the axis ends where {100 * SHOWN:.1f} % of the pairs of each kind do. "
        f"{places[1]}: P, the probability that a distance to another task's vector is above one "
        "within the task. Whiskers: 95 % intervals, from resampling queries."
    )
    return Plot(figure, _nearer(table[table["task"] == MEAN], given), caption, note)


def _histograms(axes: Axes, densities: pd.DataFrame) -> None:
    """The two kinds of distances of one treatment; the axis begins at 0 and ends where they do."""
    ends = []
    for kind, style in KINDS.items():
        bins = densities[densities["kind"] == kind]
        if total := bins["pairs"].sum():
            edges = [*bins["low"], bins["high"].iloc[-1]]
            axes.stairs(bins["density"], edges, fill=True, linewidth=0.8, **style)
            ends.append(bins["high"][bins["pairs"].cumsum() >= SHOWN * total].iloc[0])
    axes.set(xlim=(0, max(ends)), yticks=[])
    axes.spines["left"].set_visible(False)


def _tasks(axes: Axes, table: pd.DataFrame) -> None:
    """A row per task, with a point for each treatment."""
    placed = placed_rows(axes, table, "superiority", linewidth=1.5)
    for treatment, rows in placed.groupby("vectors", sort=False):
        look: Any = {"color": "0.1", "markersize": 4, "elinewidth": 0.8, "zorder": 3}
        look |= TREATMENTS[str(treatment)]
        whiskered(axes, rows, "superiority", rows["place"], upright=False, **look)
    axes.axvline(0.5, color="0.5", linewidth=0.8, linestyle="--", zorder=1)
    axes.set(xlim=(None, 1.01), xlabel="P(between > within)")


def _nearer(means: pd.DataFrame, given: VectorSet) -> str:
    """The finding: how often distances to other tasks are the larger ones."""
    name = display_name(given.model)
    if means["superiority"].isna().all():
        return f"{name}: distances between task vectors"
    mean = means.set_index("vectors")["superiority"].map(number)
    after = f", {mean[CENTRED]} with the mean subtracted" if CENTRED in mean.index else ""
    return (
        f"{name}: a distance to another task's vector is larger than one within the task with "
        f"probability {mean[AS_THEY_ARE]}{after}"
    )
