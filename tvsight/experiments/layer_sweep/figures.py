"""Figure 3 of the paper: accuracy against the block after which the vector is applied."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tvsight.experiments.main_results.layers import PEAK_SHARE, over_tasks, peaks
from tvsight.output.labels import counted, display_name, shortened, sizes
from tvsight.output.theme import MODEL_COLOURS, TWO_COLUMNS, caption, new_figure

BAND_ALPHA = 0.15
PAPER_ALPHA = 0.6


def curves(table: pd.DataFrame, paper: pd.DataFrame | None = None) -> Figure:
    """Mean dev accuracy against the block, and against relative depth; one line per model.

    Args:
        table: from `layers.by_layer`.
        paper: the paper's own, from `layers.paper_by_layer`, drawn dashed; None leaves them out.
    """
    means = over_tasks(table)
    figure = new_figure(TWO_COLUMNS, 2.9)
    left, right = figure.subplots(1, 2, sharey=True)
    sets = [(means, "-")] + ([] if paper is None else [(over_tasks(paper), "--")])
    drawn = 0
    for numbers, style in sets:
        for model, of_model in numbers.groupby("model", sort=False):
            name = display_name(str(model)) + (" (paper)" if style == "--" else "")
            colour = MODEL_COLOURS[drawn % len(MODEL_COLOURS)]
            for axes, column in ((left, "layer"), (right, "relative_depth")):
                _line(axes, of_model, column, colour, style, name)
            drawn += 1
    left.set(xlabel="Block L after which the vector is applied", ylabel="Mean dev accuracy")
    right.set(xlabel="Relative depth, (L + 1) / number of blocks", xlim=(0, 1.02))
    left.set(ylim=(0, 1), xlim=(-0.5, None))
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (left, right):
        axes.yaxis.grid(True)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=min(4, drawn), loc="outside upper left")
    caption(figure, _note(table, means))
    return figure


def heat_map(table: pd.DataFrame, model: str) -> Figure:
    """Dev accuracy of one model, task by block; a dot marks the block that was chosen."""
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
    episodes = sizes(of_model["n"])
    note = (
        f"{display_name(model)}. n = {episodes} dev episodes per cell. Dot: the block chosen on "
        "dev."
    )
    caption(figure, note)
    return figure


def _line(axes: Axes, means: pd.DataFrame, column: str, colour: str, style: str, name: str) -> None:
    places, accuracy = means[column].astype(float), means["accuracy"]
    alpha = 1.0 if style == "-" else PAPER_ALPHA
    axes.plot(places, accuracy, style, color=colour, alpha=alpha, label=name, linewidth=1.3)
    if style == "-":
        low, high = accuracy - means["deviation"], accuracy + means["deviation"]
        axes.fill_between(places, low.clip(0), high.clip(upper=1), color=colour, alpha=BAND_ALPHA)


def _note(table: pd.DataFrame, means: pd.DataFrame) -> str:
    lines = []
    for _, peak in peaks(means).iterrows():
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
