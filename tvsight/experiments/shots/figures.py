"""Accuracy against the number of demonstrations."""

import pandas as pd
from matplotlib.ticker import NullLocator

from tvsight.output.labels import counted, display_name, number
from tvsight.output.panels import label_ends, line, procedure_ends, whiskers
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import ONE_COLUMN, TWO_COLUMNS, new_figure

NARROWEST = 1.7
"""Width of a model's panels, in inches."""
LAG = "task_vector"
"""The procedure whose distance from ICL has a panel of its own."""


def curves(means: pd.DataFrame, episodes: int) -> Plot:
    """Mean test accuracy of each procedure, and below how far ICL is ahead of the vector; a column
    of panels per model.

    Args:
        means: from `numbers.over_tasks`.
        episodes: test episodes per task.
    """
    models = list(dict.fromkeys(means["model"]))
    counts = sorted(set(means["shots"]))
    width = ONE_COLUMN * 1.5 if len(models) == 1 else max(TWO_COLUMNS, NARROWEST * len(models))
    figure = new_figure(width, 3.4)
    rows = figure.subplots(
        2, len(models), sharex=True, sharey="row", squeeze=False, height_ratios=[2.4, 1]
    )
    for upper, lower, model in zip(*rows, models, strict=True):
        of_model = means[means["model"] == model]
        for procedure, of_procedure in of_model.groupby("procedure", sort=False):
            line(upper, of_procedure, "shots", str(procedure), title(str(procedure)), band=False)
        lag = of_model[of_model["procedure"] == LAG]
        lower.errorbar(
            lag["shots"],
            lag["behind_icl"],
            yerr=whiskers(lag, "behind_icl"),
            fmt="o",
            color="0.1",
            markersize=3.4,
            elinewidth=0.9,
        )
        lower.axhline(0, color="0.5", linewidth=0.8, zorder=1)
        tasks = counted(of_model["tasks"].max(), "task")
        upper.set_title(f"{display_name(model)}\n({tasks})", loc="left")
        upper.set(ylim=(0, 1), xscale="log")
        lower.set_xlabel("Demonstrations (log scale)")
        lower.set_xticks(counts, [str(count) for count in counts])
        lower.xaxis.set_minor_locator(NullLocator())
        for axes in (upper, lower):
            axes.yaxis.grid(True)
    rows[0, 0].set_ylabel("Mean test accuracy")
    rows[1, 0].set_ylabel("ICL −\ntask vector")
    figure.align_ylabels(list(rows[:, 0]))
    for upper, model in zip(rows[0], models, strict=True):
        last = means[(means["model"] == model) & (means["shots"] == counts[-1])]
        label_ends(figure, upper, procedure_ends(last))
    note = f"n = {episodes} test episodes per task. Whiskers: 95 % bootstrap intervals over tasks."
    caption = (
        f"{note} Below: how much more accurate ICL is, tasks paired. The queries are the same for "
        "every number of demonstrations. The block is chosen anew, on dev, for each number."
    )
    return Plot(figure, _growth(means, counts), caption, note)


def _growth(means: pd.DataFrame, counts: list[int]) -> str:
    """The finding: the task vector with the fewest and the most demonstrations, and ICL's lead."""
    models = list(dict.fromkeys(means["model"]))
    lag = means[means["procedure"] == LAG].set_index(["model", "shots"])
    fewest, most = (lag.xs(count, level="shots") for count in (counts[0], counts[-1]))
    ends = f"from {counts[0]} to {counted(counts[-1], 'demonstration')}"
    if len(models) > 1:
        grown = int((most["accuracy"] > fewest["accuracy"]).sum())
        return (
            f"{ends.capitalize()} the task vector gains accuracy in {grown} of {len(models)} models"
        )
    return (
        f"{ends.capitalize()} the task vector goes from {number(fewest['accuracy'].iloc[0])} to "
        f"{number(most['accuracy'].iloc[0])}, and ICL's lead from "
        f"{number(fewest['behind_icl'].iloc[0])} to {number(most['behind_icl'].iloc[0])}"
    )
