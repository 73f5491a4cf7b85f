"""Figure 3 of the paper: accuracy against the block after which the vector is applied."""

from itertools import cycle

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from tvsight.output.labels import (
    NOT_IDENTIFIED,
    block,
    counted,
    display_name,
    number,
    sizes,
    task_title,
)
from tvsight.output.marks import level, say_cells
from tvsight.output.panels import (
    BLOCK_AXIS,
    block_ticks,
    category_runs,
    label_ends,
    legend_above,
    name_categories,
    panels,
)
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, PROCEDURES, title, word
from tvsight.output.theme import COLOUR_MAP, TASK_MARKERS, TWO_COLUMNS, model_colours, new_figure
from tvsight.protocol.layers import PEAK_SHARE

PAPER_STYLES = ("--", ":", "-.")
PAPER_COLOUR = "0.45"
NARROW_TICKS = 7
"""Ticks along the blocks of a panel."""
MARKED_DEPTH = 0.05
"""Between two markers of a line, in diagonals of the panel."""
SHORT = {"baseline": "Baseline", "icl": "ICL", "task_vector": "Vector"}


def curves(
    means: pd.DataFrame,
    peaks: pd.DataFrame,
    table: pd.DataFrame,
    tested: pd.DataFrame,
    methods: pd.DataFrame,
    paper: bool = True,
    least: float | None = None,
    accuracy: str = "accuracy",
) -> Plot:
    """Dev accuracy against the block, a panel per model; then all means against relative depth.

    Args:
        means, peaks: from `numbers.curves` and `numbers.highest`.
        table: from `layers.by_layer`, of the tasks that the means are over.
        tested: from `numbers.on_test`, of these tasks; levels are their means.
        methods: from `numbers.of_methods`, of these tasks; a further line each.
        paper: draw the paper's curves too.
        least: what the best block of each task is above.
        accuracy: from `answers_report.accuracy`.
    """
    ours = peaks[peaks["source"] == "tvsight"]
    models = list(ours["model"])
    per_row = 2 if len(models) == 3 else 3
    figure, drawn = panels(len(models) + 1, per_row, 0.3)
    for axes, model in zip(drawn, models, strict=False):
        _tasks(axes, table[table["model"] == model])
        _mean(axes, means, ours[ours["model"] == model].iloc[0])
    shown = means if paper else means[means["source"] == "tvsight"]
    _against_depth(drawn[-1], shown, models)
    for axes in drawn[::per_row]:
        axes.set_ylabel(f"Dev {accuracy}")
    legend_above(figure, drawn[-1], 3)
    for axes, model in zip(drawn, models, strict=False):
        of_model = tested[tested["model"] == model]
        levels = {name: of_model[name].mean() for name in ("icl", "baseline")}
        for name, value in levels.items():
            level(axes, value, name)
        last = means[(means["source"] == "tvsight") & (means["model"] == model)].iloc[-1]
        ends = {SHORT[name]: (value, PROCEDURES[name].colour) for name, value in levels.items()}
        ends["Mean"] = (last["accuracy"], PROCEDURES["task_vector"].colour)
        ends |= _methods(axes, methods[methods["model"] == model])
        label_ends(figure, axes, {name: end for name, end in ends.items() if pd.notna(end[0])})
    rule = "" if least is None else f" Only tasks whose best block is above {least:.2f}."
    named = peaks if paper else peaks[peaks["source"] != "paper"]
    note = (
        f"n = {sizes(table['n'])} dev episodes per task. Thin: tasks. Shaded: within "
        f"{100 * (1 - PEAK_SHARE):.0f} % of the peak.{rule}"
    )
    theirs = (
        " (paper): computed here from the accuracies by block that the authors publish; their "
        "Figure 3 keeps tasks whose best block is above 0.75."
    )
    caption = (
        f"{note} Dashed in the panels of models: means on test, without a patch."
        f"{theirs if paper else ''}\n{_each(named)}"
    )
    return Plot(figure, _peaks(peaks, paper), caption, note)


def heat_map(
    table: pd.DataFrame, tested: pd.DataFrame, model: str, accuracy: str = "accuracy"
) -> Plot:
    """Dev accuracy of one model, task by block; a dot marks the block that was chosen.

    Args:
        table: from `layers.by_layer`.
        tested: from `numbers.on_test`, drawn in three columns at the right.
        accuracy: from `answers_report.accuracy`.
    """
    of_model = table[table["model"] == model]
    order = of_model["task"].drop_duplicates()
    grid = of_model.pivot(index="task", columns="layer", values="accuracy").loc[order]
    depth = grid.shape[1]
    figure = new_figure(TWO_COLUMNS, 0.95 + 0.2 * len(grid))
    left, right, bar = figure.subplots(1, 3, width_ratios=[depth, 0.17 * depth, 0.02 * depth])
    style = {"vmin": 0, "vmax": 1, "cmap": COLOUR_MAP, "xticklabels": False}
    names = [task_title(name) for name in grid.index]
    sns.heatmap(grid, ax=left, cbar_ax=bar, yticklabels=names, **style)
    bar.set_ylabel(accuracy.capitalize().replace(" (", "\n("))
    known = tested[tested["model"] == model].set_index("task").loc[order]
    levels = known[list(COMPARED)]
    sns.heatmap(levels, ax=right, cbar=False, yticklabels=False, **style)
    say_cells(right, levels.to_numpy(), number, shift=0.5)
    right.set_xticks([0.5, 1.5, 2.5], [SHORT[name] for name in COMPARED], rotation=90)
    chosen = of_model[of_model["chosen"]]
    is_known = chosen["task"].map(known["layer_identified"]).fillna(True).astype(bool)
    rows = chosen["task"].map({task: row + 0.5 for row, task in enumerate(grid.index)})
    # With an edge of the other colour, a dot is seen in cells of any shade.
    for known_ones, (face, edge) in ((True, ("black", "white")), (False, ("white", "black"))):
        at = is_known == known_ones
        dots = {"markersize": 4.2, "color": face, "markeredgecolor": edge, "markeredgewidth": 0.9}
        left.plot(chosen.loc[at, "layer"] + 0.5, rows[at], "o", **dots)
    ticks = block_ticks(depth, chosen["layer"].mode()[:1])
    left.set_xticks([place + 0.5 for place in ticks], list(map(str, ticks)), rotation=0)
    left.set(xlabel=BLOCK_AXIS, ylabel="")
    right.set(xlabel="On test", ylabel="")
    for axes in (left, right):
        axes.tick_params(axis="both", length=0)
    runs = category_runs(of_model.drop_duplicates("task")["category"])
    name_categories(right, runs, 0.5)
    for _, first, _ in runs[1:]:
        for axes in (left, right):
            axes.axhline(first, color="0.3", linewidth=0.6)
    note = (
        f"{display_name(model)}. n = {sizes(of_model['n'])} dev episodes per cell. Dot: the block "
        "chosen on dev"
    )
    note += f"; hollow: {NOT_IDENTIFIED}." if not is_known.all() else "."
    return Plot(figure, _chosen(chosen, depth), note, note)


def _tasks(axes: Axes, table: pd.DataFrame) -> None:
    """A thin line per task."""
    for _, of_task in table.groupby("task", sort=False, observed=True):
        axes.plot(of_task["layer"].astype(float), of_task["accuracy"], color="0.8", linewidth=0.6)


def _mean(axes: Axes, means: pd.DataFrame, peak: pd.Series) -> None:
    """The mean over tasks of one of our models, with its peak."""
    model, depth = peak["model"], peak["depth"]
    of_model = means[(means["source"] == "tvsight") & (means["model"] == model)]
    colour = PROCEDURES["task_vector"].colour
    axes.plot(
        of_model["layer"].astype(float),
        of_model["accuracy"],
        "-o",
        color=colour,
        linewidth=1.6,
        markersize=2.6,
        label=title("task_vector"),
    )
    axes.axvspan(peak["first"] - 0.5, peak["last"] + 0.5, color="0.93", zorder=0)
    axes.set_title(f"{display_name(model)}\n({counted(peak['tasks'], 'task')})", loc="left")
    axes.set(xlabel=f"Block (0–{depth - 1})", xlim=(-0.5, depth - 0.5))
    axes.set_xticks(block_ticks(depth, [peak["layer"]], NARROW_TICKS))


def _methods(axes: Axes, methods: pd.DataFrame) -> dict[str, tuple[float, str]]:
    """A line per further method, with the ends for their names."""
    ends = {}
    for name, line in methods.groupby("procedure", sort=False) if len(methods) else ():
        drawn_as = PROCEDURES[str(name)]
        axes.plot(line["layer"].astype(float), line["accuracy"], color=drawn_as.colour)
        ends[drawn_as.title] = (line["accuracy"].iloc[-1], drawn_as.colour)
    return ends


def _against_depth(axes: Axes, means: pd.DataFrame, models: list[str]) -> None:
    """The means of all models: ours in colours, the paper's in grey."""
    colours, markers = iter(model_colours(len(models))), cycle(TASK_MARKERS)
    styles = iter(PAPER_STYLES)
    for (source, model), of_model in means.groupby(["source", "model"], sort=False):
        is_ours = source == "tvsight"
        axes.plot(
            of_model["relative_depth"].astype(float),
            of_model["accuracy"],
            "-" if is_ours else next(styles),
            color=next(colours) if is_ours else PAPER_COLOUR,
            linewidth=1.5 if is_ours else 1.0,
            marker=next(markers) if is_ours else "",
            markevery=MARKED_DEPTH,
            markersize=3.4,
            label=display_name(str(model)) + ("" if is_ours else " (paper)"),
        )
    axes.set_title("Means, by\nrelative depth", loc="left")
    axes.set(xlabel="(Block + 1) / number of blocks", xlim=(0, 1.02))


def _peaks(peaks: pd.DataFrame, paper: bool) -> str:
    """The finding of the curves: where they are highest."""
    ours, theirs = (peaks[peaks["source"] == source] for source in ("tvsight", "paper"))
    if len(ours) == 1:
        peak = ours.iloc[0]
        where = block(peak["layer"], peak["depth"])
        text = f"Mean accuracy peaks at {number(peak['accuracy'])} after {where}"
        return f"{text}; the paper's at {_depths(theirs)} of the depth" if paper else text
    text = f"Mean accuracy peaks at {_depths(ours)} of the depth in {len(ours)} models"
    return f"{text}, at {_depths(theirs)} in the paper's" if paper else text


def _depths(peaks: pd.DataFrame) -> str:
    ends = (number(peaks["relative_depth"].min()), number(peaks["relative_depth"].max()))
    return " to ".join(dict.fromkeys(ends))


def _chosen(chosen: pd.DataFrame, depth: int) -> str:
    """The finding of the heat map: where the best blocks lie."""
    blocks = list(map(int, chosen["layer"]))
    if not blocks:
        return "No block is marked as chosen"
    most = min(blocks, key=lambda layer: (-blocks.count(layer), layer))
    near = sum(abs(layer - most) <= 2 for layer in blocks)
    return (
        f"The best block is most often {block(most, depth)}, and within 2 of it for {near} of "
        f"{counted(len(blocks), 'task')}"
    )


def _each(peaks: pd.DataFrame) -> str:
    """The peak of each curve, a line each."""
    lines = []
    for _, peak in peaks.iterrows():
        near = f"blocks {peak['first']} to {peak['last']}"
        if peak["first"] == peak["last"]:
            near = f"block {peak['first']} alone"
        further = {"paper": " (paper)", "method": f", {word(peak['procedure'])}"}
        line = display_name(peak["model"]) + further.get(peak["source"], "")
        lines.append(
            f"{line}: peak {peak['accuracy']:.2f} after "
            f"{block(peak['layer'], peak['depth'])}, {near} within "
            f"{100 * (1 - PEAK_SHARE):.0f} % of it; mean over {counted(peak['tasks'], 'task')}."
        )
    return "\n".join(lines)
