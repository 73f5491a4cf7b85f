"""Accuracy against the number of demonstrations."""

import pandas as pd
from matplotlib.ticker import NullLocator

from tvsight.output.labels import counted, display_name
from tvsight.output.panels import label_ends, line, panels, procedure_ends
from tvsight.output.plots import Plot
from tvsight.output.procedures import title

PER_ROW = 3
"""Panels beside each other."""


def curves(means: pd.DataFrame, episodes: int) -> Plot:
    """Mean test accuracy of each procedure, with a band; one panel per model.

    Args:
        means: from `numbers.over_tasks`.
        episodes: test episodes per task.
    """
    models = list(dict.fromkeys(means["model"]))
    counts = sorted(set(means["shots"]))
    figure, drawn = panels(len(models), PER_ROW, 0.3)
    for axes, model in zip(drawn, models, strict=True):
        of_model = means[means["model"] == model]
        for procedure, of_procedure in of_model.groupby("procedure", sort=False):
            line(axes, of_procedure, "shots", str(procedure), title(str(procedure)))
        tasks = counted(of_model["tasks"].max(), "task")
        axes.set_title(f"{display_name(model)} ({tasks})", loc="left")
        axes.set(xscale="log", xlabel="Demonstrations (log scale)")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.xaxis.set_minor_locator(NullLocator())
    drawn[0].set_ylabel("Mean test accuracy")
    for axes, model in zip(drawn, models, strict=True):
        last = means[(means["model"] == model) & (means["shots"] == counts[-1])]
        label_ends(figure, axes, procedure_ends(last))
    note = f"n = {episodes} test episodes per task. Band: 95 % bootstrap interval over tasks."
    caption = (
        f"{note} The queries are the same for every number of demonstrations. The block is chosen "
        "anew, on dev, for each number."
    )
    return Plot(figure, _growth(means, counts), caption, note)


def _growth(means: pd.DataFrame, counts: list[int]) -> str:
    """The finding: task vector and ICL with the fewest and the most demonstrations."""
    parts = []
    of_procedure = means.set_index(["model", "procedure", "shots"])["accuracy"]
    for model in dict.fromkeys(means["model"]):
        both = [
            f"{title(name)} {of_procedure[model, name, counts[0]]:.2f} to "
            f"{of_procedure[model, name, counts[-1]]:.2f}"
            for name in ("task_vector", "icl")
        ]
        parts.append(f"{', '.join(both)} ({display_name(model)})")
    return f"From {counts[0]} to {counted(counts[-1], 'demonstration')}: {'; '.join(parts)}"
