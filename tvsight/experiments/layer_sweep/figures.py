"""Figure 3 of the paper: accuracy against the block after which the vector is applied."""

from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tvsight.output.labels import (
    NOT_IDENTIFIED,
    block,
    counted,
    display_name,
    ends,
    number,
    of_models,
    sizes,
    task_title,
)
from tvsight.output.marks import heat_map, level, say_cells
from tvsight.output.panels import (
    BLOCK_AXIS,
    PANEL_NAME,
    Ends,
    axis_of_blocks,
    category_runs,
    label_ends,
    line,
    name_categories,
    panels,
)
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, PROCEDURES, title, word
from tvsight.output.theme import LEAST_TYPE, TASK_MARKERS, TWO_COLUMNS, model_colours, new_figure
from tvsight.protocol.layers import PEAK_SHARE

PAPER_STYLES = ("--", ":", "-.")
PAPER_COLOUR = "0.45"
NARROW_TICKS = 7
"""Ticks along the blocks of a panel."""
MARKED_DEPTH = 0.05
"""Between two markers of a line, in diagonals of the panel."""
LEVELS, LEAST_MAP, BESIDE = 0.8, 0.9, 2.0
"""Widths of the levels on test, and at least of the heat map, and of what stands beside it, in
inches."""
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
        methods: from `numbers.method_means`, of these tasks; a further line each.
        paper: draw the paper's curves too.
        least: what the best block of each task is above.
        accuracy: from `score_report.accuracy`.
    """
    ours = peaks[peaks["source"] == "tvsight"]
    models = list(ours["model"])
    per_row = 2 if len(models) == 3 else 3
    figure, drawn = panels(len(models) + 1, per_row, 0.3)
    colours = dict(zip(models, model_colours(len(models)), strict=True))
    named: dict[str, Ends] = {}
    for axes, (_, peak) in zip(drawn, ours.iterrows(), strict=False):
        model, depth = peak["model"], peak["depth"]
        task_curves, model_means, method_curves, levels = (
            of[of["model"] == model] for of in (table, means, methods, tested)
        )
        for _, task_rows in task_curves.groupby("task", sort=False, observed=True):
            line(axes, task_rows, "layer", "task_vector", "", False, 0.6, color="0.8", marker="")
        model_means = model_means[model_means["source"] == "tvsight"]
        look: Any = {"marker": "o", "markersize": 2.6, "color": colours[model]}
        line(axes, model_means, "layer", "task_vector", title("task_vector"), False, 1.6, **look)
        axes.axvspan(peak["first"] - 0.5, peak["last"] + 0.5, color="0.93", zorder=0)
        where = f"peak: block {_with_interval(peak)}, {counted(peak['tasks'], 'task')}"
        axes.set_title(f"{display_name(model)}\n{where}", loc="left", fontsize=PANEL_NAME)
        axis_of_blocks(axes, depth, [peak["layer"]], NARROW_TICKS)
        named[model] = {}
        for name in ("icl", "baseline"):
            if pd.notna(value := levels[name].mean()):
                level(axes, value, name)
                named[model][SHORT[name]] = (value, PROCEDURES[name].colour)
        named[model]["Mean"] = (model_means["accuracy"].iloc[-1], colours[model])
        for procedure, method_rows in method_curves.groupby("procedure", sort=False):
            name = str(procedure)
            named[model] |= line(
                axes, method_rows, "layer", name, title(name), False, 1.5, marker=""
            )
    shown = means if paper else means[means["source"] == "tvsight"]
    _against_depth(drawn[-1], shown, colours)
    for axes in drawn[::per_row]:
        axes.set_ylabel(f"Dev {accuracy}")
    if paper:
        drawn[-1].legend(loc="upper left", fontsize=LEAST_TYPE, borderaxespad=0.1)
    for axes, model_means in zip(drawn, named.values(), strict=False):
        label_ends(figure, axes, model_means)
    rule = "" if least is None else f" Only tasks whose best block is above {least:.2f}."
    said = peaks if paper else peaks[peaks["source"] != "paper"]
    note = (
        f"n = {sizes(table['n'])} dev episodes per task. Thin: tasks. Shaded: within "
        f"{100 * (1 - PEAK_SHARE):.0f} % of the peak. [ ]: 95 % intervals.{rule}"
    )
    theirs = (
        " (paper): computed here from the accuracies by block that the authors publish; their "
        "Figure 3 keeps tasks whose best block is above 0.75."
    )
    caption = (
        f"{note} Intervals: bootstraps over tasks. Dashed in the panels of models: means on test, "
        "without a patch."
        f"{theirs if paper else ''}\n{_each(said)}"
    )
    return Plot(figure, _peaks(peaks, paper), caption, note)


def by_task(
    table: pd.DataFrame, tested: pd.DataFrame, model: str, accuracy: str = "accuracy"
) -> Plot:
    """Dev accuracy of one model, task by block; a dot marks the block that was chosen.

    Args:
        table: from `layers.by_layer`.
        tested: from `numbers.on_test`, drawn in three columns at the right.
        accuracy: from `score_report.accuracy`.
    """
    model_rows = table[table["model"] == model]
    order = model_rows["task"].drop_duplicates()
    grid = model_rows.pivot(index="task", columns="layer", values="accuracy").loc[order]
    depth = grid.shape[1]
    figure = new_figure(TWO_COLUMNS, 0.95 + 0.2 * len(grid))
    room = max(LEAST_MAP, figure.get_figwidth() - BESIDE)
    levels_room = LEVELS if figure.get_figwidth() == TWO_COLUMNS else room  # digits need as much
    left, right, bar = figure.subplots(1, 3, width_ratios=[room, levels_room, 0.09])
    names = list(map(task_title, grid.index))
    figure.colorbar(heat_map(left, grid, names, []), cax=bar)
    bar.set_ylabel(accuracy.capitalize().replace(" (", "\n("))
    known = tested[tested["model"] == model].set_index("task").loc[order]
    levels = known[list(COMPARED)]
    heat_map(right, levels, [], [SHORT[name] for name in COMPARED], turned=True)
    say_cells(right, levels.to_numpy(), number)
    chosen = model_rows[model_rows["chosen"]]
    is_known = chosen["task"].map(known["layer_identified"]).fillna(True).astype(bool)
    rows = chosen["task"].map({task: row for row, task in enumerate(grid.index)})
    # With an edge of the other colour, a dot is seen in cells of any shade.
    for at, face, edge in ((is_known, "black", "white"), (~is_known, "white", "black")):
        look = {"markersize": 4.2, "markeredgecolor": edge, "markeredgewidth": 0.9}
        left.plot(chosen.loc[at, "layer"], rows[at], "o", color=face, **look)
    axis_of_blocks(left, depth, chosen["layer"].mode()[:1], label=BLOCK_AXIS)
    right.set(xlabel="On test")
    runs = category_runs(model_rows.drop_duplicates("task")["category"])
    name_categories(right, runs)
    for _, first, _ in runs[1:]:
        for axes in (left, right):
            axes.axhline(first - 0.5, color="0.3", linewidth=0.6)
    note = (
        f"{display_name(model)}. n = {sizes(model_rows['n'])} dev episodes per cell. Dot: the "
        "block chosen on dev"
    )
    note += f"; hollow: {NOT_IDENTIFIED}." if not is_known.all() else "."
    return Plot(figure, of_models(_chosen(chosen, depth)), note, note)


def _against_depth(axes: Axes, means: pd.DataFrame, colours: dict[str, str]) -> None:
    """The means of all models: ours in the colours of their panels, the paper's in grey."""
    markers, styles = cycle(TASK_MARKERS), iter(PAPER_STYLES)
    for (source, model), model_rows in means.groupby(["source", "model"], sort=False):
        depths, name = model_rows["relative_depth"].astype(float), str(model)
        look: Any = {"color": colours.get(name), "linewidth": 1.5, "marker": next(markers)}
        if source == "paper":
            look = {"color": PAPER_COLOUR, "linewidth": 1.0, "linestyle": next(styles)}
            look["label"] = f"{display_name(name)} (paper)"
        look |= {"markevery": MARKED_DEPTH, "markersize": 3.4}
        axes.plot(depths, model_rows["accuracy"], **look)
    axes.set_title("Means, by relative depth", loc="left", fontsize=PANEL_NAME)
    axes.set(xlabel="(Block + 1) / number of blocks", xlim=(0, 1.02))


def _with_interval(peak: pd.Series) -> str:
    """`11 [10, 12]`: the block of a peak."""
    if pd.isna(peak["layer_low"]):
        return str(peak["layer"])
    return f"{peak['layer']} [{peak['layer_low']}, {peak['layer_high']}]"


def _peaks(peaks: pd.DataFrame, paper: bool) -> str:
    """The finding of the curves: where they are highest."""
    ours, theirs = (peaks[peaks["source"] == source] for source in ("tvsight", "paper"))
    where = f"at {ends(ours['relative_depth'])} of the depth in {len(ours)} models"
    if len(ours) == 1:
        peak = ours.iloc[0]
        where = f"at {number(peak['accuracy'])} after {block(peak['layer'], peak['depth'])}"
    text = f"Mean accuracy peaks {where}"
    text += f"; the paper's at {ends(theirs['relative_depth'])} of the depth" if paper else ""
    return of_models(text, len(ours))


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
    further = {"tvsight": "", "paper": " (paper)", "method": ", {}"}
    for _, peak in peaks.iterrows():
        near = f"blocks {peak['first']} to {peak['last']}"
        if peak["first"] == peak["last"]:
            near = f"block {peak['first']} alone"
        name = display_name(peak["model"]) + further[peak["source"]].format(word(peak["procedure"]))
        lines.append(
            f"{name}: peak {peak['accuracy']:.2f} after block {_with_interval(peak)} of "
            f"0–{peak['depth'] - 1}, {near} within {100 * (1 - PEAK_SHARE):.0f} % of it; mean over "
            f"{counted(peak['tasks'], 'task')}."
        )
    return "\n".join(lines)
