"""Accuracy against the number of demonstrations."""

from typing import Any

import pandas as pd
from matplotlib.ticker import NullLocator

from tvsight.output.labels import counted, display_name, number
from tvsight.output.marks import level, whiskered
from tvsight.output.panels import ALONE, Ends, label_ends, line, name_panel
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import TWO_COLUMNS, new_figure

NAME_ROOM = 1.35
"""Width of the names of models, in inches."""
LAG = "task_vector"
"""The procedure whose distance from ICL has a panel of its own."""


def curves(means: pd.DataFrame, episodes: int, accuracy: str = "accuracy") -> Plot:
    """Mean test accuracy of each procedure, and below how far ICL is ahead of the vector; a column
    of panels per model.

    Args:
        means: from `numbers.over_tasks`.
        episodes: test episodes per task.
        accuracy: from `score_report.accuracy`.
    """
    several = means.groupby("model")["shots"].transform("nunique") > 1
    alone = means[~several] if several.any() else means.iloc[:0]  # where all are, all are drawn
    means = means.drop(alone.index)
    models = list(dict.fromkeys(means["model"]))
    counts = sorted(set(means["shots"]))
    figure = new_figure(TWO_COLUMNS * (ALONE if len(models) == 1 else 1), 3.4)
    rows = figure.subplots(
        2, len(models), sharex=True, sharey="row", squeeze=False, height_ratios=[2.4, 1]
    )
    ends: dict[str, Ends] = {}
    for upper, lower, model in zip(*rows, models, strict=True):
        model_rows, ends[model] = means[means["model"] == model], {}
        for procedure, procedure_rows in model_rows.groupby("procedure", sort=False):
            name = str(procedure)
            if name == "baseline":  # which is asked without demonstrations
                value = procedure_rows["accuracy"].iloc[0]
                level(upper, value, name, 1.2, label=title(name))
                ends[model][title(name)] = (value, PROCEDURES[name].colour)
            else:
                ends[model] |= line(upper, procedure_rows, "shots", name, title(name), band=False)
        lag = model_rows[model_rows["procedure"] == LAG]
        dots: Any = {"fmt": "o", "color": "0.1", "markersize": 3.4, "elinewidth": 0.9}
        whiskered(lower, lag, "behind_icl", lag["shots"], **dots)
        lower.axhline(0, color="0.5", linewidth=0.8, zorder=1)
        name_panel(upper, model, model_rows["tasks"].max(), NAME_ROOM)
        upper.set(ylim=(0, 1), xscale="log")
        lower.set_xlabel("Demonstrations (log scale)")
        lower.set_xticks(counts, [str(count) for count in counts])
        lower.xaxis.set_minor_locator(NullLocator())
        for axes in (upper, lower):
            axes.yaxis.grid(True)
    rows[0, 0].set_ylabel(f"Mean test {accuracy}")
    rows[1, 0].set_ylabel("ICL −\ntask vector")
    figure.align_ylabels(list(rows[:, 0]))
    for upper, model_ends in zip(rows[0], ends.values(), strict=True):
        label_ends(figure, upper, model_ends)
    note = f"n = {episodes} test episodes per task. Whiskers: 95 % bootstrap intervals over tasks."
    caption = (
        f"{note} Dashed: the baseline, which has no demonstrations. Below: how much more accurate "
        "ICL is, tasks paired. The queries are the same for every number of demonstrations. The "
        f"block is chosen anew, on dev, for each number.{_left_out(alone)}"
    )
    return Plot(figure, _growth(means), caption, note)


def _left_out(alone: pd.DataFrame) -> str:
    """The models that are not drawn, in sentences."""
    counts = alone.drop_duplicates("model")
    return "".join(
        f" Not drawn: {display_name(model)}, measured with {counted(count, 'demonstration')} alone."
        for model, count in zip(counts["model"], counts["shots"], strict=True)
    )


def _growth(means: pd.DataFrame) -> str:
    """The finding: the task vector with the fewest and the most demonstrations, and ICL's lead."""
    lag = means[means["procedure"] == LAG].sort_values(["model", "shots"])
    fewest, most = (lag.drop_duplicates("model", keep=keep) for keep in ("first", "last"))
    counts = set(zip(fewest["shots"], most["shots"], strict=True))
    gains = most["accuracy"].to_numpy() > fewest["accuracy"].to_numpy()
    first, last = fewest.iloc[0], most.iloc[0]
    low, high = min(counts)
    if all(low == high for low, high in counts):  # each model with one number of them
        of = counted(high, "demonstration") if len(counts) == 1 else "its demonstrations"
        if len(most) > 1:
            ahead = int((most["behind_icl"] > 0).sum())
            return f"With {of} ICL is ahead of the task vector in {ahead} of {len(most)} models"
        return (
            f"With {of} the task vector answers {number(last['accuracy'])}, and ICL's lead is "
            f"{number(last['behind_icl'])}"
        )
    over = f"From {low} to {counted(high, 'demonstration')}"
    if len(counts) > 1:
        over = "From the fewest to the most demonstrations"
    if len(most) > 1:
        return f"{over} the task vector gains accuracy in {gains.sum()} of {len(gains)} models"
    return (
        f"{over} the task vector goes from {number(first['accuracy'])} to "
        f"{number(last['accuracy'])}, and ICL's lead from {number(first['behind_icl'])} to "
        f"{number(last['behind_icl'])}"
    )
