"""Figure 3 of the paper: accuracy against the block after which the vector is applied."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tvsight.experiments.main_results.layers import PEAK_SHARE
from tvsight.output.labels import counted, display_name, shortened, sizes
from tvsight.output.theme import MODEL_COLOURS, TWO_COLUMNS, caption, new_figure

BAND_ALPHA = 0.15
PAPER_ALPHA = 0.6


def curves(
    means: pd.DataFrame, peaks: pd.DataFrame, table: pd.DataFrame, paper: bool = False
) -> Figure:
    """Mean dev accuracy against the block, and against relative depth; one line per model.

    Args:
        means: from `numbers.curves`.
        peaks: from `numbers.highest`; the caption names them.
        table: from `layers.by_layer`; the caption gives its numbers of tasks and episodes.
        paper: draw the paper's curves too, dashed.
    """
    figure = new_figure(TWO_COLUMNS, 2.9)
    left, right = figure.subplots(1, 2, sharey=True)
    drawn = means if paper else means[means["source"] == "tvsight"]
    lines = drawn.groupby(["source", "model"], sort=False)
    for number, ((source, model), of_model) in enumerate(lines):
        colour = MODEL_COLOURS[number % len(MODEL_COLOURS)]
        for axes, column in ((left, "layer"), (right, "relative_depth")):
            _line(axes, of_model, column, colour, str(model), source == "paper")
    left.set(xlabel="Block L after which the vector is applied", ylabel="Mean dev accuracy")
    right.set(xlabel="Relative depth, (L + 1) / number of blocks", xlim=(0, 1.02))
    left.set(ylim=(0, 1), xlim=(-0.5, None))
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (left, right):
        axes.yaxis.grid(True)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=min(4, len(lines)), loc="outside upper left")
    caption(figure, _note(peaks[peaks["source"] == "tvsight"], table))
    return figure


def heat_map(table: pd.DataFrame, model: str) -> Figure:
    """Dev accuracy of one model, task by block; a dot marks the block that was chosen.

    Args:
        table: from `layers.by_layer`.
    """
    of_model = table[table["model"] == model]
    order = of_model["task"].drop_duplicates()
    grid = of_model.pivot(index="task", columns="layer", values="accuracy").loc[order]
    figure = new_figure(TWO_COLUMNS, 1.2 + 0.2 * len(grid))
    axes = figure.subplots()
    sns.heatmap(
        grid,
        ax=axes,
        vmin=0,
        vmax=1,
        cmap="viridis",
        cbar_kws={"label": "Dev accuracy", "fraction": 0.04, "pad": 0.02},
        xticklabels=max(1, grid.shape[1] // 20),
        yticklabels=[shortened(name) for name in grid.index],
    )
    chosen = of_model[of_model["chosen"]]
    rows = [list(grid.index).index(task) + 0.5 for task in chosen["task"]]
    axes.plot(
        chosen["layer"] + 0.5, rows, "o", color="white", markeredgecolor="0.2", markersize=3.6
    )
    axes.set(xlabel="Block L after which the vector is applied", ylabel="")
    axes.tick_params(axis="both", length=0)
    episodes = f"n = {sizes(of_model['n'])} dev episodes per cell."
    caption(figure, f"{display_name(model)}. {episodes} Dot: the block chosen on dev.")
    return figure


def _line(
    axes: Axes, means: pd.DataFrame, column: str, colour: str, model: str, paper: bool
) -> None:
    places = means[column].astype(float)
    accuracy = means["accuracy"]
    style = "--" if paper else "-"
    alpha = PAPER_ALPHA if paper else 1.0
    name = display_name(model) + (" (paper)" if paper else "")
    axes.plot(places, accuracy, style, color=colour, alpha=alpha, label=name, linewidth=1.3)
    if not paper:
        low = (accuracy - means["deviation"]).clip(0)
        high = (accuracy + means["deviation"]).clip(upper=1)
        axes.fill_between(places, low, high, color=colour, alpha=BAND_ALPHA)


def _note(peaks: pd.DataFrame, table: pd.DataFrame) -> str:
    lines = []
    for _, peak in peaks.iterrows():
        near = f"blocks {peak['first']} to {peak['last']}"
        if peak["first"] == peak["last"]:
            near = f"block {peak['first']} alone"
        of_model = table[table["model"] == peak["model"]]
        tasks = of_model["task"].nunique()
        lines.append(
            f"{display_name(peak['model'])}: peak {peak['accuracy']:.2f} after block "
            f"{peak['layer']} of {peak['depth']}, {near} within {100 * (1 - PEAK_SHARE):.0f} % of "
            f"it; mean over {counted(tasks, 'task')}, n = {of_model['n'].max()} dev episodes."
        )
    return "\n".join([*lines, "Band: one standard deviation over tasks, as in the paper."])
