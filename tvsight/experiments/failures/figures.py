"""Kinds of wrong answers task by task, and confusion matrices of tasks with few answers."""

from typing import Any

import pandas as pd

from tvsight.experiments.failures.numbers import KINDS, OTHER, PROCEDURES
from tvsight.output.labels import counted, display_name, shortened, sizes, task_title
from tvsight.output.marks import heat_map, say_cells
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
    "query": "#3b3b8f",
    "other_language": "#7a4a94",
    "other_task": "#c46a9a",
    "in_set": "#e3c04b",
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
    figure = new_figure(TWO_COLUMNS, 0.85 + 0.19 * len(tasks))
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
    return Plot(figure, _most(model_rows), caption, note)


def confusion(counts: pd.DataFrame, model: str) -> Plot:
    """Which answer is given for which, a row per task of one model, for ICL and for the vector.

    Args:
        counts: from `numbers.confusion`.
    """
    model_rows = counts[counts["model"] == model]
    tasks = list(dict.fromkeys(model_rows["task"]))
    answers = model_rows.groupby("task", sort=False)["expected"].nunique()
    ratios = [1.15 + 0.23 * size for size in answers]
    figure = new_figure(TWO_COLUMNS, 0.4 + sum(ratios))
    rows = figure.subplots(len(tasks), len(PROCEDURES), squeeze=False, height_ratios=ratios)
    for panels, task in zip(rows, tasks, strict=True):
        task_rows = model_rows[model_rows["task"] == task]
        expected = sorted(task_rows["expected"].unique())
        columns = [*sorted({*expected, *task_rows["given"]} - {OTHER}), OTHER]
        for axes, procedure in zip(panels, PROCEDURES, strict=True):
            run = task_rows[task_rows["procedure"] == procedure]
            grid = run.pivot(index="expected", columns="given", values="times")
            grid = grid.reindex(index=expected, columns=columns).fillna(0).astype(int)
            totals = grid.sum(axis=1)
            shares = grid.div(totals.where(totals > 0, 1), axis=0)
            names = [f"{shortened(str(name))} ({total})" for name, total in totals.items()]
            across = [shortened(str(name)) for name in columns]
            is_first = procedure == PROCEDURES[0]
            heat_map(axes, shares, names if is_first else [], across, turned=True, lined=True)
            shades = shares.to_numpy(dtype=float)
            say_cells(
                axes, grid.to_numpy(), lambda times: str(times) if times else "", shades, size=6.5
            )
            axes.set_title(f"{task_title(task)}: {title(procedure)}", loc="left")
            axes.set(xlabel="Given", ylabel="Expected" if is_first else "")
    figure.align_ylabels(list(rows[:, 0]))
    note = (
        f"{display_name(model)}. Numbers of test answers; in brackets how often one is expected. "
        "Shade: share of the row."
    )
    return Plot(figure, _diagonal(model_rows, tasks), note, note)


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


def _diagonal(model_rows: pd.DataFrame, tasks: list[str]) -> str:
    """The finding of the matrices: which wrong answer is given most often with the vector."""
    vector = model_rows[model_rows["procedure"] == "task_vector"]
    wrong = vector[(vector["expected"] != vector["given"]) & (vector["given"] != OTHER)]
    if wrong.empty:
        return f"In {counted(len(tasks), 'task')} with few answers the vector confuses none of them"
    most = wrong.sort_values("times", kind="stable").iloc[-1]
    return (
        f"The vector's most frequent confusion: {shortened(most['given'])} for "
        f"{shortened(most['expected'])} "
        f"({most['times']} of {most['n']}, {task_title(most['task'])})"
    )
