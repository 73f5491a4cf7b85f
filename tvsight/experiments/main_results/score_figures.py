"""A score beyond accuracy, task by task and against the block."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, NullFormatter

from tvsight.experiments.main_results.score_numbers import Score, best, procedures
from tvsight.output.labels import block, display_name, number, sizes, task_title
from tvsight.output.panels import (
    block_ticks,
    label_ends,
    legend_above,
    model_panels,
    shade_categories,
    whiskers,
)
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES
from tvsight.output.theme import TWO_COLUMNS, new_figure

ROW = 0.2
"""Height of a task, in inches."""
TICKS = 7
"""Ticks along the blocks of a panel."""
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
    axes.hlines([places[str(task)] for task in ends.index], ends["min"], ends["max"], color="0.8")
    for procedure in procedures(of_model):
        drawn_as = PROCEDURES[procedure]
        style: Any = {"marker": drawn_as.marker, "color": drawn_as.colour, "linestyle": ""}
        rows = of_model[of_model["procedure"] == procedure]
        lines = [places[task] for task in rows["task"]]
        axes.plot(rows[score.column], lines, markersize=4.6, label=drawn_as.title, **style)
        of_mean = mean[mean["procedure"] == procedure]
        whisker = whiskers(of_mean, score.column)
        axes.errorbar(of_mean[score.column], [top], xerr=whisker, markersize=6, **style)
    axes.set_yticks([*places.values(), top], [*map(task_title, places), "Mean over tasks"])
    axes.set(ylim=(-0.6, top + 0.6), xlabel=f"{score.title}, on test")
    if score.is_ratio:
        axes.set_xscale("log")
        _plain(axes.xaxis)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.grid(True)
    shade_categories(tasks["category"], axes)
    legend_above(figure, axes, 4)
    note = (
        f"{display_name(model)}. n = {sizes(of_model['n'])} test episodes per task. Whiskers: "
        "95 % bootstrap intervals over tasks."
    )
    return Plot(figure, _of_means(mean, score), f"{note} {EXPLAINED[score.column]}", note)


def curves(table: pd.DataFrame, means: pd.DataFrame, score: Score) -> Plot:
    """A score on dev against the block after which the vector is applied, a panel per model.

    Args:
        table, means: from `score_numbers.by_layer` and `.layers_over_tasks`.
    """
    models = list(means["model"].unique())
    figure, drawn = model_panels(models, 2.9, 0.62)
    vectors = means[means["layer"].notna()]
    for axes, model in zip(drawn, models, strict=True):
        of_model = table[table["model"] == model]
        for _, task in of_model[of_model["procedure"] == "task_vector"].groupby("task"):
            axes.plot(task["layer"].astype(float), task[score.column], color="0.85", linewidth=0.6)
        depth = int(of_model["layer"].max()) + 1
        peak = _best_block(means, score, model)
        axes.set_xticks(block_ticks(depth, [int(peak["layer"])], TICKS))
        axes.set(xlabel=f"Block (0–{depth - 1})", xlim=(-0.5, depth - 0.5))
        if score.is_ratio:
            axes.set_yscale("log")
            _plain(axes.yaxis)
    drawn[0].set_ylabel(f"{score.title}, on dev")
    for axes, model in zip(drawn, models, strict=True):
        ends = _means(axes, vectors[vectors["model"] == model], score.column)
        level = means[(means["model"] == model) & means["layer"].isna()][score.column].iloc[0]
        baseline = PROCEDURES["baseline"]
        axes.axhline(level, color=baseline.colour, linewidth=1.1, linestyle="--")
        ends[baseline.title] = (float(level), baseline.colour)
        if not score.is_ratio:  # names at the ends of lines are placed on a linear axis
            label_ends(figure, axes, ends)
    if score.is_ratio:
        legend_above(figure, drawn[0], 4)
    note = f"n = {sizes(table['n'])} dev episodes per task. Thin: tasks. Dashed: without a vector."
    return Plot(figure, _where(means, score, models), f"{note} {EXPLAINED[score.column]}", note)


def _plain(axis: Axis) -> None:
    """Write `1,000` at a logarithmic axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def _means(axes: Axes, means: pd.DataFrame, column: str) -> dict[str, tuple[float, str]]:
    """A line per vector, with the ends for their names."""
    ends = {}
    for procedure in procedures(means):
        of_vector = means[means["procedure"] == procedure]
        drawn_as = PROCEDURES[procedure]
        axes.plot(
            of_vector["layer"].astype(float),
            of_vector[column],
            color=drawn_as.colour,
            marker=drawn_as.marker,
            markersize=3,
            label=drawn_as.title,
        )
        ends[drawn_as.title] = (float(of_vector[column].iloc[-1]), drawn_as.colour)
    return ends


def _best_block(means: pd.DataFrame, score: Score, model: str) -> pd.Series:
    own = means[(means["model"] == model) & (means["procedure"] == "task_vector")]
    return best(own, score)


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


def _where(means: pd.DataFrame, score: Score, models: list[str]) -> str:
    """The finding of the curves: the best block."""
    extreme = "lowest" if score.less_is_better else "highest"
    if len(models) > 1:
        found = [_best_block(means, score, model) for model in models]
        places = ", ".join(f"{row['layer']} in {display_name(row['model'])}" for row in found)
        return f"{score.title}: {extreme} after block {places}"
    row = _best_block(means, score, models[0])
    depth = int(means["layer"].max()) + 1
    level = means[means["layer"].isna()][score.column].iloc[0]
    where, value = block(int(row["layer"]), depth), number(row[score.column])
    return f"{score.title}: {extreme}, {value}, after {where}; {number(level)} without a vector"
