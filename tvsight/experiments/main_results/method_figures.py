"""Several methods side by side, task by task."""

import pandas as pd
from matplotlib.axes import Axes

from tvsight.output.labels import NOT_IDENTIFIED, display_name, interval, number, sizes, task_title
from tvsight.output.marks import dumbbells, look_of, rows_of, whiskered
from tvsight.output.panels import legend_above, shade_categories
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import TWO_COLUMNS, new_figure

UNPATCHED = ("baseline", "icl")
ROW, LABEL = 0.2, 0.27
"""Height of a task, and of the two lines that name a method beside its gap, in inches."""


def methods(
    table: pd.DataFrame,
    means: pd.DataFrame,
    model: str,
    accuracy: str = "accuracy",
    about: str = "",
) -> Plot:
    """Accuracy of every method on each task of a model, and the recovered gap of each method.

    Args:
        table, means: from `method_numbers.by_task` and `.over_tasks`.
        accuracy: from `answers_report.accuracy`.
        about: see `method_report.draw`.
    """
    of_model = table[table["model"] == model]
    tasks = of_model.drop_duplicates("task").iloc[::-1].reset_index(drop=True)
    places = {task: float(place) for place, task in enumerate(tasks["task"])}
    labels = len(set(of_model["procedure"]) - set(UNPATCHED))
    figure = new_figure(TWO_COLUMNS, 1.1 + max(ROW * len(tasks), LABEL * labels))
    left, right = figure.subplots(1, 2, width_ratios=[2.2, 1])
    ends = of_model.groupby("task", sort=False)["accuracy"].agg(["min", "max"])
    lines = [places[str(task)] for task in ends.index]
    dumbbells(left, lines, ends, color="0.8", linewidth=0.8)
    for procedure, rows in of_model.groupby("procedure", sort=False):
        _dots(left, rows, [places[task] for task in rows["task"]], str(procedure))
    rows_of(left, [task_title(task) for task in places])
    left.set(xlim=(-0.03, 1.03), ylim=(-0.6, len(places) - 0.4), xlabel=f"Test {accuracy}")
    shade_categories(tasks["category"], left)
    _gaps(right, means[means["model"] == model])
    legend_above(figure, left, 3)
    known = of_model[~of_model["procedure"].isin(UNPATCHED)]
    note = (
        f"{display_name(model)}. n = {sizes(of_model['n'])}. Right: of the means over tasks, 95 % "
        "bootstrap intervals over tasks."
    )
    caption = f"{note} Each method has its block chosen on dev, per task."
    if not known["layer_identified"].all():
        note += " Hollow: not identified."
        caption += f" Hollow: {NOT_IDENTIFIED}."
    return Plot(figure, finding(means[means["model"] == model], about), caption, note)


def finding(means: pd.DataFrame, about: str = "") -> str:
    """The recovered gap of each method, the largest first.

    Args:
        means: rows of one model from `method_numbers.over_tasks`.
        about: see `method_report.draw`.
    """
    kept = means[~means["procedure"].isin(UNPATCHED)].sort_values("recovered_gap", ascending=False)
    parts = [
        f"{title(row['procedure']).lower()} {number(row['recovered_gap'])}"
        for _, row in kept.iterrows()
    ]
    return f"{f'Recovered gap {about}'.rstrip()}: {', '.join(parts)}"


def _dots(axes: Axes, rows: pd.DataFrame, lines: list[float], procedure: str) -> None:
    drawn_as = PROCEDURES[procedure]
    known = rows["layer_identified"].fillna(True).astype(bool).tolist()
    shape = look_of(procedure)
    axes.plot([], [], markersize=4.6, label=drawn_as.title, **shape)
    for is_known, face in ((True, drawn_as.colour), (False, "white")):
        at = [number for number, one in enumerate(known) if one == is_known]
        values = rows["accuracy"].iloc[at]
        axes.plot(values, [lines[n] for n in at], markersize=4.6, markerfacecolor=face, **shape)


def _gaps(axes: Axes, means: pd.DataFrame) -> None:
    """The recovered gap of each method, the first at the top."""
    kept = means[~means["procedure"].isin(UNPATCHED)].iloc[::-1].reset_index(drop=True)
    for place, (_, row) in enumerate(kept.iterrows()):
        look = look_of(row["procedure"]) | {"markersize": 5, "elinewidth": 0.9}
        whiskered(axes, row.to_frame().T, "recovered_gap", place, upright=False, **look)
    axes.axvline(0, color="0.5", linewidth=0.8, zorder=1)
    axes.axvline(1, color="0.5", linewidth=0.8, linestyle="--", zorder=1)
    axes.set(ylim=(-0.5, len(kept) - 0.3), xlabel="Recovered gap (dashed: ICL)")
    axes.set_yticks(range(len(kept)), [_named(row) for _, row in kept.iterrows()], fontsize=6.5)
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.25), max(high, 1.25))
    axes.xaxis.grid(True)


def _named(row: pd.Series) -> str:
    return f"{title(row['procedure'])}\n{interval(row, 'recovered_gap')}"
