"""A score beyond accuracy, task by task."""

import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, NullFormatter

from tvsight.experiments.main_results.score_numbers import Earlier, Score
from tvsight.output.labels import display_name, interval, number, of_models, sizes
from tvsight.output.marks import look_of, whiskered
from tvsight.output.panels import legend_above, task_rows
from tvsight.output.plots import Plot
from tvsight.output.theme import TWO_COLUMNS, new_figure

ROW = 0.2
"""Height of a task, in inches."""
FIRST_TOKEN = {
    "answer_gap": "Gap: log-probability of the answer minus that of the next episode's wrong one. "
    "Probabilities are renormalised over the answers of the episodes.",
    "icl_divergence": "KL(ICL ‖ procedure) over the answers of the episodes, renormalised.",
    "rank": "Rank of the usual answer's first token among all tokens; means are geometric.",
}
"""By column: what a caption says of earlier results."""
ACCEPTED = {
    "answer_gap": "Gap: log-probability of the answer minus that of the next episode's wrong one, "
    "each summed over all tokens that accuracy accepts. "
    "Probabilities are renormalised over the answers of the episodes.",
    "icl_divergence": "KL(ICL ‖ procedure) over the answers of the episodes, each summed over all "
    "tokens that accuracy accepts, renormalised.",
    "rank": "Rank of the first accepted token among all tokens; means are geometric.",
}


def explained(column: str, earlier: Earlier) -> str:
    """What a caption says of a score, as results were measured."""
    known = FIRST_TOKEN if earlier.results == earlier.total else ACCEPTED
    return known[column] + remark(earlier)


def remark(earlier: Earlier) -> str:
    """The sentence on earlier results, where there are others beside them."""
    if earlier.results in (0, earlier.total):
        return ""
    return (
        f" In {earlier.results} of {earlier.total} results, of an earlier version, an answer is "
        "the first token of the usual one alone."
    )


def by_task(
    table: pd.DataFrame, means: pd.DataFrame, score: Score, model: str, earlier: Earlier
) -> Plot:
    """A score of every procedure on each task of a model, and its means over tasks.

    Args:
        table, means: from `score_numbers.by_task` and `.over_tasks`.
        earlier: of the model.
    """
    model_rows, mean = table[table["model"] == model], means[means["model"] == model]
    tasks = model_rows["task"].nunique()
    figure = new_figure(TWO_COLUMNS, 1.1 + ROW * (tasks + 2))
    axes, top = figure.subplots(1), tasks + 0.6
    task_rows(axes, model_rows, score.column)
    for _, row in mean.iterrows():
        style = look_of(row["procedure"]) | {"markersize": 6}
        whiskered(axes, row.to_frame().T, score.column, [top], upright=False, **style)
    names = [label.get_text() for label in axes.get_yticklabels()]
    axes.set_yticks([*range(tasks), top], [*names, "Mean over tasks"])
    axes.set(ylim=(-0.6, top + 0.6), xlabel=f"{score.title}, on test")
    if score.is_ratio:
        axes.set_xscale("log")
        plain_logarithms(axes.xaxis)
    legend_above(figure, axes, 4)
    note = (
        f"{display_name(model)}. n = {sizes(model_rows['n'])} test episodes per task. Whiskers: "
        "95 % bootstrap intervals over tasks."
    )
    caption = f"{note} {explained(score.column, earlier)}"
    return Plot(figure, of_models(_of_means(mean, score)), caption, note)


def plain_logarithms(axis: Axis) -> None:
    """Write `1,000` at a logarithmic axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def _of_means(means: pd.DataFrame, score: Score) -> str:
    """The finding of the means over tasks: how far the vector comes from the baseline to ICL."""
    said = means.set_index("procedure")[score.column].astype(float).map(number)
    vector, baseline, icl = said[["task_vector", "baseline", "icl"]]
    if score.is_ratio:
        return f"The vector brings the answer from mean rank {baseline} to {vector}, ICL to {icl}"
    vector_mean = means[means["procedure"] == "task_vector"].iloc[0]
    share = interval(vector_mean, f"{score.column}_recovered")
    if score.less_is_better:
        return f"The vector removes {share} of the divergence from ICL, {baseline} to {vector} nats"
    return f"The vector recovers {share} of ICL's log-probability gap, {baseline} to {vector} nats"
