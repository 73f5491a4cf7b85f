"""Accuracy against the number of demonstrations."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tvsight.output.labels import counted, display_name
from tvsight.output.panels import line, panels
from tvsight.output.procedures import title
from tvsight.output.theme import caption

PER_ROW = 3
"""Panels beside each other."""


def curves(means: pd.DataFrame, episodes: int) -> Figure:
    """Mean test accuracy of each procedure, with a band; one panel per model.

    Args:
        means: from `numbers.over_tasks`.
        episodes: test episodes per task.
    """
    models = list(dict.fromkeys(means["model"]))
    counts = sorted(set(means["shots"]))
    figure, drawn = panels(len(models), PER_ROW, 0.9)
    for axes, model in zip(drawn, models, strict=True):
        of_model = means[means["model"] == model]
        for procedure, of_procedure in of_model.groupby("procedure", sort=False):
            line(axes, of_procedure, "shots", str(procedure), title(str(procedure)))
        tasks = counted(of_model["tasks"].max(), "task")
        axes.set_title(f"{display_name(model)} ({tasks})", loc="left")
        axes.set(xscale="log", xlabel="Demonstrations")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.xaxis.set_minor_locator(NullLocator())
    figure.supylabel("Mean test accuracy", fontsize=8)
    handles, labels = drawn[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=2 if len(models) == 1 else 4, loc="outside upper left")
    caption(
        figure,
        f"n = {episodes} test episodes per task, the same queries for every number of "
        "demonstrations. Band: 95 % bootstrap interval over tasks. The block is chosen anew, on "
        "dev, for each number.",
    )
    return figure
