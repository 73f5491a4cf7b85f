"""A score beyond accuracy, task by task."""

import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, NullFormatter

from tvsight.experiments.main_results.score_numbers import Score, procedures
from tvsight.output.labels import display_name, number, sizes, task_title
from tvsight.output.marks import dumbbells, look_of, rows_of, whiskered
from tvsight.output.panels import legend_above, shade_categories
from tvsight.output.plots import Plot
from tvsight.output.procedures import title
from tvsight.output.theme import TWO_COLUMNS, new_figure

ROW = 0.2
"""Height of a task, in inches."""
EXPLAINED = {
    "answer_gap": "Gap: log-probability of the answer minus that of the next episode's wrong one. "
    "Probabilities are renormalised over the answers of the episodes.",
    "icl_divergence": "KL(ICL ‖ procedure) over the answers of the episodes, renormalised.",
    "rank": "Rank of the usual answer's first token among all tokens; means are geometric.",
}
"""By column: what a caption says."""


def by_task(table: pd.DataFrame, means: pd.DataFrame, score: Score, model: str) -> Plot:
    """A score of every procedure on each task of a model, and its means over tasks.

    Args:
        table, means: from `score_numbers.by_task` and `.over_tasks`.
    """
    of_model, mean = table[table["model"] == model], means[means["model"] == model]
    tasks = of_model.drop_duplicates("task").iloc[::-1].reset_index(drop=True)
    places = {task: float(place) for place, task in enumerate(tasks["task"])}
    figure = new_figure(TWO_COLUMNS, 1.1 + ROW * (len(tasks) + 2))
    axes, top = figure.subplots(1), len(tasks) + 0.6
    ends = of_model.groupby("task", sort=False)[score.column].agg(["min", "max"])
    dumbbells(axes, [places[str(task)] for task in ends.index], ends, color="0.8")
    for procedure in procedures(of_model):
        style = look_of(procedure)
        rows = of_model[of_model["procedure"] == procedure]
        lines = [places[task] for task in rows["task"]]
        axes.plot(rows[score.column], lines, markersize=4.6, label=title(procedure), **style)
        of_mean = mean[mean["procedure"] == procedure]
        whiskered(axes, of_mean, score.column, [top], upright=False, markersize=6, **style)
    names = [*map(task_title, places), "Mean over tasks"]
    rows_of(axes, names, [*places.values(), top])
    axes.set(ylim=(-0.6, top + 0.6), xlabel=f"{score.title}, on test")
    if score.is_ratio:
        axes.set_xscale("log")
        plain_logarithms(axes.xaxis)
    shade_categories(tasks["category"], axes)
    legend_above(figure, axes, 4)
    note = (
        f"{display_name(model)}. n = {sizes(of_model['n'])} test episodes per task. Whiskers: "
        "95 % bootstrap intervals over tasks."
    )
    return Plot(figure, _of_means(mean, score), f"{note} {EXPLAINED[score.column]}", note)


def plain_logarithms(axis: Axis) -> None:
    """Write `1,000` at a logarithmic axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def _of_means(means: pd.DataFrame, score: Score) -> str:
    """The finding of the means over tasks."""
    values = {row["procedure"]: number(float(row[score.column])) for _, row in means.iterrows()}
    vector, baseline, icl = (values[name] for name in ("task_vector", "baseline", "icl"))
    if score.column == "icl_divergence":
        of_vector = means[means["procedure"] == "task_vector"]
        share = number(of_vector["icl_divergence_recovered"].iloc[0])
        return (
            f"The task vector removes {share} of the divergence from ICL: {vector} nats are left "
            f"of {baseline}"
        )
    name = "log-probability gap" if score.column == "answer_gap" else "mean rank of the answer"
    return f"The {name} is {baseline} zero-shot, {vector} with the task vector and {icl} with ICL"
