"""Accuracy against the number of demonstrations."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tvsight.figures.theme import (
    ONE_COLUMN,
    PROCEDURE_COLOURS,
    PROCEDURE_MARKERS,
    TWO_COLUMNS,
    caption,
    new_figure,
)
from tvsight.labels import PROCEDURE_NAMES, display_name
from tvsight.summaries import PROCEDURES

BAND_ALPHA = 0.15
PER_ROW = 3
"""Panels beside each other."""


def curves(means: pd.DataFrame, episodes: int) -> Figure:
    """Mean test accuracy of each procedure, with a band; one panel per model.

    Args:
        means: from `shots.over_tasks`.
        episodes: test episodes per task.
    """
    models = list(dict.fromkeys(means["model"]))
    columns = min(PER_ROW, len(models))
    rows = -(-len(models) // columns)
    figure = new_figure(ONE_COLUMN * 1.35 if columns == 1 else TWO_COLUMNS, 0.7 + 2.3 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, model in zip(panels, models, strict=False):
        of_model = means[means["model"] == model]
        for procedure in PROCEDURES:
            _line(axes, of_model[of_model["procedure"] == procedure], procedure)
        axes.set_title(f"{display_name(model)} ({of_model['tasks'].max()} tasks)", loc="left")
    for axes in panels[len(models) :]:
        axes.remove()
    counts = sorted(set(means["shots"]))
    for axes in panels[: len(models)]:
        axes.set(xscale="log", ylim=(0, 1))
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.grid(True)
    figure.supylabel("Mean test accuracy", fontsize=8)
    for axes in panels[max(0, len(models) - columns) : len(models)]:
        axes.set_xlabel("Demonstrations")
        axes.tick_params(labelbottom=True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=2 if columns == 1 else 4, loc="outside upper left")
    caption(
        figure,
        f"n = {episodes} test episodes per task, the same queries for every number of "
        "demonstrations. Band: 95 % bootstrap interval over tasks. The block is chosen anew, on "
        "dev, for each number.",
    )
    return figure


def _line(axes: Axes, means: pd.DataFrame, procedure: str) -> None:
    colour, counts = PROCEDURE_COLOURS[procedure], means["shots"].astype(float)
    axes.plot(
        counts,
        means["accuracy"],
        color=colour,
        marker=PROCEDURE_MARKERS[procedure],
        markersize=3.4,
        linewidth=1.2,
        label=PROCEDURE_NAMES[procedure],
    )
    low, high = means["accuracy_low"].astype(float), means["accuracy_high"].astype(float)
    axes.fill_between(counts, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0)
