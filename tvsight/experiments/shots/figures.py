"""Accuracy against the number of demonstrations."""

from typing import Any

import pandas as pd
from matplotlib.ticker import NullLocator

from tvsight.output.labels import counted, display_name, number
from tvsight.output.lettering import wrapped
from tvsight.output.marks import level, whiskered
from tvsight.output.panels import label_ends, line, procedure_ends
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import ONE_COLUMN, TWO_COLUMNS, new_figure

NARROWEST = 1.7
"""Width of a model's panels, in inches."""
NAME_ROOM, NAME_SIZE = 1.35, 7.5
"""Width of the names of models in inches, and their size in points."""
LAG = "task_vector"
"""The procedure whose distance from ICL has a panel of its own."""


def curves(means: pd.DataFrame, episodes: int, accuracy: str = "accuracy") -> Plot:
    """Mean test accuracy of each procedure, and below how far ICL is ahead of the vector; a column
    of panels per model.

    Args:
        means: from `numbers.over_tasks`.
        episodes: test episodes per task.
        accuracy: from `answers_report.accuracy`.
    """
    several = means.groupby("model")["shots"].transform("nunique") > 1
    alone = means[~several] if several.any() else means.iloc[:0]  # where all are, all are drawn
    means = means.drop(alone.index)
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
            if procedure == "baseline":  # which is asked without demonstrations
                value, name = of_procedure["accuracy"].iloc[0], str(procedure)
                level(upper, value, name, 1.2, label=title(name))
                continue
            line(upper, of_procedure, "shots", str(procedure), title(str(procedure)), band=False)
        lag = of_model[of_model["procedure"] == LAG]
        dots: Any = {"fmt": "o", "color": "0.1", "markersize": 3.4, "elinewidth": 0.9}
        whiskered(lower, lag, "behind_icl", lag["shots"], **dots)
        lower.axhline(0, color="0.5", linewidth=0.8, zorder=1)
        tasks = counted(of_model["tasks"].max(), "task").replace(" ", "\u00a0")
        name = wrapped(f"{display_name(model)} ({tasks})", NAME_ROOM, NAME_SIZE)
        upper.set_title(name, loc="left", fontsize=NAME_SIZE)
        upper.set(ylim=(0, 1), xscale="log")
        lower.set_xlabel("Demonstrations (log scale)")
        lower.set_xticks(counts, [str(count) for count in counts])
        lower.xaxis.set_minor_locator(NullLocator())
        for axes in (upper, lower):
            axes.yaxis.grid(True)
    rows[0, 0].set_ylabel(f"Mean test {accuracy}")
    rows[1, 0].set_ylabel("ICL −\ntask vector")
    figure.align_ylabels(list(rows[:, 0]))
    for upper, model in zip(rows[0], models, strict=True):
        last = means[(means["model"] == model) & (means["shots"] == counts[-1])]
        label_ends(figure, upper, procedure_ends(last))
    note = f"n = {episodes} test episodes per task. Whiskers: 95 % bootstrap intervals over tasks."
    caption = (
        f"{note} Dashed: the baseline, which has no demonstrations. Below: how much more accurate "
        "ICL is, tasks paired. The queries are the same for every number of demonstrations. The "
        f"block is chosen anew, on dev, for each number.{_left_out(alone)}"
    )
    return Plot(figure, _growth(means), caption, note)


def _left_out(alone: pd.DataFrame) -> str:
    """The models that are not drawn, in sentences."""
    counts = alone.drop_duplicates("model").set_index("model")["shots"]
    return "".join(
        f" Not drawn: {display_name(str(model))}, measured with "
        f"{counted(int(count), 'demonstration')} alone."
        for model, count in counts.items()
    )


def _growth(means: pd.DataFrame) -> str:
    """The finding: the task vector with the fewest and the most demonstrations, and ICL's lead."""
    lag = means[means["procedure"] == LAG].sort_values(["model", "shots"])
    fewest, most = (lag.drop_duplicates("model", keep=keep) for keep in ("first", "last"))
    counts = {(low, high) for low, high in zip(fewest["shots"], most["shots"], strict=True)}
    if all(low == high for low, high in counts):
        return _ahead(most, {high for _, high in counts})
    ends = "from the fewest to the most demonstrations"
    if len(counts) == 1:
        ((low, high),) = counts
        ends = f"from {low} to {counted(high, 'demonstration')}"
    if len(most) > 1:
        gains = most["accuracy"].to_numpy() > fewest["accuracy"].to_numpy()
        return (
            f"{ends.capitalize()} the task vector gains accuracy in {int(gains.sum())} of "
            f"{len(gains)} models"
        )
    return (
        f"{ends.capitalize()} the task vector goes from {number(fewest['accuracy'].iloc[0])} to "
        f"{number(most['accuracy'].iloc[0])}, and ICL's lead from "
        f"{number(fewest['behind_icl'].iloc[0])} to {number(most['behind_icl'].iloc[0])}"
    )


def _ahead(lag: pd.DataFrame, counts: set[int]) -> str:
    """The finding where each model was measured with one number of demonstrations.

    Args:
        lag: a row per model.
    """
    number_of = counted(min(counts), "demonstration") if len(counts) == 1 else "its demonstrations"
    if len(lag) > 1:
        ahead = int((lag["behind_icl"] > 0).sum())
        return f"With {number_of} ICL is ahead of the task vector in {ahead} of {len(lag)} models"
    return (
        f"With {number_of} the task vector answers {number(lag['accuracy'].iloc[0])}, and ICL's "
        f"lead is {number(lag['behind_icl'].iloc[0])}"
    )
