"""Several methods side by side, task by task."""

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.main_results.method_numbers import WITHOUT_VECTOR
from tvsight.output.labels import NOT_IDENTIFIED, display_name, interval, number, of_models, sizes
from tvsight.output.marks import look_of, whiskered
from tvsight.output.panels import legend_above, task_rows
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import TWO_COLUMNS, is_narrow, new_figure

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
        accuracy: from `score_report.accuracy`.
        about: see `method_report.draw`.
    """
    model_rows, model_means = (of[of["model"] == model] for of in (table, means))
    labels = sum(~model_means["procedure"].isin(WITHOUT_VECTOR))
    heights = ROW * model_rows["task"].nunique(), LABEL * labels
    figure = new_figure(TWO_COLUMNS, 1.1 + max(heights))
    if is_narrow():
        figure.set_figheight(1.8 + sum(heights))
        tasks, gaps = figure.subplots(2, 1, height_ratios=heights)
    else:
        tasks, gaps = figure.subplots(1, 2, width_ratios=[2.2, 1])
    task_rows(tasks, model_rows, "accuracy", linewidth=0.8)
    tasks.set(xlim=(-0.03, 1.03), xlabel=f"Test {accuracy}")
    _gaps(gaps, model_means)
    legend_above(figure, tasks, 3)
    known = model_rows[~model_rows["procedure"].isin(WITHOUT_VECTOR)]
    note = (
        f"{display_name(model)}. n = {sizes(model_rows['n'])}. "
        f"{'Below' if is_narrow() else 'Right'}: of the means over tasks, 95 % bootstrap "
        "intervals over tasks."
    )
    caption = f"{note} Each method has its block chosen on dev, per task."
    if not known["layer_identified"].all():
        note += " Hollow: not identified."
        caption += f" Hollow: {NOT_IDENTIFIED}."
    return Plot(figure, of_models(finding(model_means, about)), caption, note)


def finding(means: pd.DataFrame, about: str = "") -> str:
    """The recovered gap of each method, the largest first.

    Args:
        means: rows of one model from `method_numbers.over_tasks`.
        about: see `method_report.draw`.
    """
    kept = means[~means["procedure"].isin(WITHOUT_VECTOR)].sort_values(
        "recovered_gap", ascending=False
    )
    parts = [
        f"{title(row['procedure']).lower()} {number(row['recovered_gap'])}"
        for _, row in kept.iterrows()
    ]
    return f"{f'Recovered gap {about}'.rstrip()}: {', '.join(parts)}"


def _gaps(axes: Axes, means: pd.DataFrame) -> None:
    """The recovered gap of each method, the first at the top."""
    kept = means[~means["procedure"].isin(WITHOUT_VECTOR)].iloc[::-1].reset_index(drop=True)
    for index, (_, row) in enumerate(kept.iterrows()):
        look = look_of(row["procedure"]) | {"markersize": 5, "elinewidth": 0.9}
        whiskered(axes, row.to_frame().T, "recovered_gap", index, upright=False, **look)
    axes.axvline(0, color="0.5", linewidth=0.8, zorder=1)
    axes.axvline(1, color="0.5", linewidth=0.8, linestyle="--", zorder=1)
    axes.set(ylim=(-0.5, len(kept) - 0.3), xlabel="Recovered gap (dashed: ICL)")
    names = [
        f"{title(row['procedure'])}\n{interval(row, 'recovered_gap')}" for _, row in kept.iterrows()
    ]
    axes.set_yticks(range(len(kept)), names, fontsize=6.5)
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.25), max(high, 1.25))
    axes.xaxis.grid(True)
