"""Kinds of wrong answers task by task."""

from typing import Any

import pandas as pd

from tvsight.experiments.failures.numbers import KINDS, PROCEDURES
from tvsight.output.labels import counted, display_name, of_models, sizes, task_title
from tvsight.output.panels import category_runs, legend_above, name_categories
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import TWO_COLUMNS, new_figure

KIND_NAMES = {
    "query": "The query itself",
    "other_language": "Right in another language",
    "other_task": "Right in another task",
    "in_set": "The task's answer to another query",
    "other": "Anything else",
}
KIND_COLOURS = {
    "query": "#22225c",
    "other_language": "#80579f",
    "other_task": "#cf7fa8",
    "in_set": "#e8c95a",
    "other": "#f7f7f7",
}
"""In order from dark to light, so that they differ in greyscale too."""
EDGE = "0.35"
"""Of each part of a bar: the lightest parts are seen on white."""


def by_kind(table: pd.DataFrame, model: str) -> Plot:
    """Wrong answers of one model by kind, tasks as rows, for ICL and for the task vector.

    Args:
        table: from `numbers.by_task`.
    """
    model_rows = table[table["model"] == model]
    tasks = model_rows.drop_duplicates("task").iloc[::-1]
    figure = new_figure(TWO_COLUMNS, 1.05 + 0.19 * len(tasks))
    panels = figure.subplots(1, len(PROCEDURES), sharex=True, sharey=True)
    for axes, procedure in zip(panels, PROCEDURES, strict=True):
        run = model_rows[model_rows["procedure"] == procedure].set_index("task").loc[tasks["task"]]
        shares = run[list(KINDS)].div(run["n"], axis=0)
        lefts = shares.cumsum(axis=1) - shares
        for kind, name in KIND_NAMES.items():
            look: Any = {"facecolor": KIND_COLOURS[kind], "edgecolor": EDGE, "linewidth": 0.5}
            axes.barh(range(len(run)), shares[kind], left=lefts[kind], label=name, **look)
        axes.set_title(title(procedure), loc="left")
        axes.set(xlim=(0, 1), ylim=(-0.6, len(run) - 0.4), xlabel="Share of test answers")
        axes.tick_params(axis="y", length=0)
        axes.xaxis.grid(True)
    panels[0].set_yticks(range(len(tasks)), [task_title(name) for name in tasks["task"]])
    name_categories(panels[-1], category_runs(tasks["category"]))
    legend_above(figure, panels[0], 4)
    note = (
        f"{display_name(model)}. n = {sizes(model_rows['n'])} test episodes per task; what is left "
        "is right."
    )
    caption = (
        f"{note} Of the kinds of a wrong answer the first that fits, from the left. Another task: "
        "any packaged one that has this query."
    )
    return Plot(figure, of_models(_most(model_rows)), caption, note)


def _most(model_rows: pd.DataFrame) -> str:
    """The finding by kind: how often either errs, and the most frequent kind."""
    parts = []
    for procedure, name in zip(PROCEDURES, ("ICL errs", "the vector"), strict=True):
        run = model_rows[model_rows["procedure"] == procedure]
        sums = run[list(KINDS)].sum()
        times = f"{name} {counted(int(run['wrong'].sum()), 'time')}"
        if sums.any():
            kind = KIND_NAMES[str(sums.idxmax())]
            kind = kind[0].lower() + kind[1:]
            times += f", most often with {kind} ({sums.max()})"
        parts.append(times)
    return "; ".join(parts)
