"""Figure 3 of the paper: accuracy against the block after which the vector is applied."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from tvsight.experiments.main_results.layers import PEAK_SHARE
from tvsight.output.labels import block, counted, display_name, sizes, task_title
from tvsight.output.panels import BLOCK_AXIS, block_ticks
from tvsight.output.plots import Plot
from tvsight.output.theme import COLOUR_MAP, TWO_COLUMNS, model_colours, new_figure

BAND_ALPHA = 0.15
PAPER_ALPHA = 0.6


def curves(
    means: pd.DataFrame, peaks: pd.DataFrame, table: pd.DataFrame, paper: bool = False
) -> Plot:
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
    ours = peaks[peaks["source"] == "tvsight"]
    colours = model_colours(len(lines))
    for ((source, model), of_model), colour in zip(lines, colours, strict=True):
        for axes, column in ((left, "layer"), (right, "relative_depth")):
            _line(axes, of_model, column, colour, str(model), source == "paper")
    left.set(xlabel=BLOCK_AXIS, ylabel="Mean dev accuracy", ylim=(0, 1), xlim=(-0.5, None))
    right.set(xlabel="Relative depth, (block + 1) / number of blocks", xlim=(0, 1.02))
    left.set_xticks(block_ticks(int(drawn["layer"].max()) + 1, ours["layer"]))
    for axes in (left, right):
        axes.yaxis.grid(True)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=min(4, len(lines)), loc="outside upper left")
    caption, note = _about(ours, table)
    return Plot(figure, _peaks(ours), caption, note)


def heat_map(table: pd.DataFrame, model: str) -> Plot:
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
        cmap=COLOUR_MAP,
        cbar_kws={"label": "Dev accuracy", "fraction": 0.04, "pad": 0.02},
        xticklabels=False,
        yticklabels=[task_title(name) for name in grid.index],
    )
    chosen = of_model[of_model["chosen"]]
    rows = [list(grid.index).index(task) + 0.5 for task in chosen["task"]]
    axes.plot(
        chosen["layer"] + 0.5, rows, "o", color="white", markeredgecolor="0.2", markersize=3.6
    )
    depth = grid.shape[1]
    ticks = block_ticks(depth, chosen["layer"].mode()[:1])
    axes.set_xticks([place + 0.5 for place in ticks], list(map(str, ticks)), rotation=0)
    axes.set(xlabel=BLOCK_AXIS, ylabel="")
    axes.tick_params(axis="both", length=0)
    note = (
        f"{display_name(model)}. n = {sizes(of_model['n'])} dev episodes per cell. "
        "Dot: the block chosen on dev."
    )
    return Plot(figure, _chosen(chosen, depth), note, note)


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


def _peaks(peaks: pd.DataFrame) -> str:
    """The finding of the curves: where each is highest."""
    places = [
        f"{peak['accuracy']:.2f} after {block(peak['layer'], peak['depth'])} "
        f"({display_name(peak['model'])})"
        for _, peak in peaks.iterrows()
    ]
    return f"Mean dev accuracy peaks at {', '.join(places)}"


def _chosen(chosen: pd.DataFrame, depth: int) -> str:
    """The finding of the heat map: where the best blocks lie."""
    blocks = list(map(int, chosen["layer"]))
    if not blocks:
        return "No block is marked as chosen"
    most = min(blocks, key=lambda layer: (-blocks.count(layer), layer))
    return (
        f"The block chosen for a task is most often {block(most, depth)} ({blocks.count(most)} of "
        f"{counted(len(blocks), 'task')})"
    )


def _about(peaks: pd.DataFrame, table: pd.DataFrame) -> tuple[str, str]:
    """Caption and note of the curves."""
    lines = []
    for _, peak in peaks.iterrows():
        near = f"blocks {peak['first']} to {peak['last']}"
        if peak["first"] == peak["last"]:
            near = f"block {peak['first']} alone"
        of_model = table[table["model"] == peak["model"]]
        tasks = of_model["task"].nunique()
        lines.append(
            f"{display_name(peak['model'])}: peak {peak['accuracy']:.2f} after "
            f"{block(peak['layer'], peak['depth'])}, {near} within "
            f"{100 * (1 - PEAK_SHARE):.0f} % of it; mean over {counted(tasks, 'task')}, n = "
            f"{of_model['n'].max()} dev episodes."
        )
    band = "Band: one standard deviation over tasks, as in the paper."
    return "\n".join([*lines, band]), f"n = {sizes(table['n'])} dev episodes per task. {band}"
