"""Figure 4 of the paper, and models against each other."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import ScaledTranslation

from tvsight.experiments.main_results.numbers import MIN_ICL_GAIN
from tvsight.output import marks
from tvsight.output.labels import (
    MISSING,
    NOT_IDENTIFIED,
    counted,
    display_name,
    ends,
    interval,
    number,
    sizes,
    task_title,
)
from tvsight.output.marks import legend_of, points, rows_of, whiskered
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, PROCEDURES, title
from tvsight.output.theme import LEAST_TYPE, TWO_COLUMNS, new_figure, tinted

LABEL_WIDTH = 10
"""Characters in a line of a model's name under its bars."""
PAPER_TINT = 0.5
"""Of the colours of the paper's own numbers, which stand beside ours."""
LEAST_WIDTH, MODEL_WIDTH = 0.6, 0.1
"""Of Figure 4 with few models, and of each of them, as shares of two columns."""
LINE = 0.125
"""Between lines of the numbers below the bars, in inches."""
TIGHT: Any = {"handletextpad": 0.1, "columnspacing": 1.0}
"""Spaces of a legend in one line."""
LEAST_RANGE = (8e7, 5e10)
"""Numbers of parameters that an axis reaches at least."""
SMALL = 6.5
"""Size of numbers in figures, in points."""


def by_model(
    bars: pd.DataFrame, table: pd.DataFrame, spread: pd.DataFrame, accuracy: str = "accuracy"
) -> Plot:
    """Mean accuracy of the three procedures, one group of bars per model (Figure 4).

    Args:
        bars: from `numbers.bars`; the paper's models are drawn paler.
        table: from `numbers.by_task`; the caption gives its numbers of episodes.
        spread: from `numbers.over_seeds`; seeds after the first are dashes.
        accuracy: from `score_report.accuracy`.
    """
    figure = new_figure(TWO_COLUMNS * min(1.0, LEAST_WIDTH + MODEL_WIDTH * len(bars)), 3.2)
    axes = figure.subplots()
    places = np.arange(len(bars), dtype=float) + np.where(bars["paper"], 0.3, 0.0)
    seeds = [name for name in map(str, spread) if name.startswith("seed_")][1:]
    for offset, procedure in zip((-0.26, 0, 0.26), COMPARED, strict=True):
        colour, at = PROCEDURES[procedure].colour, places + offset
        tints = [tinted(colour, PAPER_TINT if paper else 1.0) for paper in bars["paper"]]
        axes.bar(at, bars[procedure], width=0.24, color=tints, label=title(procedure))
        whiskered(axes, bars, procedure, at, fmt="none", ecolor="0.35", elinewidth=0.7)
        for _, row in spread[spread["quantity"] == procedure].iterrows():
            middle = at[list(bars["model"]).index(row["model"])]
            for seed in seeds:
                _dash(axes, middle, row[seed])
    labels = [_wrapped(display_name(name)) for name in bars["model"]]
    axes.set_xticks(places, labels)
    axes.tick_params(axis="x", length=0)
    axes.set(ylim=(0, 1), ylabel=f"Mean test {accuracy}", xlim=(places[0] - 0.5, places[-1] + 0.5))
    axes.yaxis.grid(True)
    _numbers_below(axes, places, bars, 1 + max(label.count("\n") for label in labels))
    reported = places[bars["paper"].to_numpy()]
    if len(reported):
        _bracket(axes, reported[0] - 0.4, reported[-1] + 0.4, "as reported by Hendel et al. (2023)")
    said = "Whiskers, and the ranges below: 95 % bootstrap intervals over tasks."
    if seeds:
        said += f" Dashes: seed {', '.join(seeds).replace('seed_', '')}."
    note = f"{episodes(table)} {said}"
    gap = "Recovered gap: (task vector − baseline) / (ICL − baseline), of the means over tasks."
    return Plot(figure, _recovered(bars), f"{_about_models(bars, table)}\n{said} {gap}", note)


def models(by_size: pd.DataFrame) -> Plot:
    """Accuracies of each model in a row, and recovered gap and depth against size.

    Args:
        by_size: from `numbers.by_size`.
    """
    rows = by_size.sort_values("parameters", kind="stable").iloc[::-1]
    rows = rows.assign(place=range(len(rows)))
    figure = new_figure(TWO_COLUMNS, max(2.6, 0.75 + 0.22 * len(rows)))
    grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1])
    dumbbells, gaps = (figure.add_subplot(part) for part in (grid[:, 0], grid[0, 1]))
    depths = figure.add_subplot(grid[1, 1], sharex=gaps)
    marks.dumbbells(dumbbells, rows["place"], rows[list(COMPARED)], color="0.75", linewidth=1)
    for is_paper, tint in ((False, 1.0), (True, PAPER_TINT)):
        kept = rows[rows["paper"] == is_paper]
        for procedure in COMPARED:
            look: Any = {"color": tinted(PROCEDURES[procedure].colour, tint), "markersize": 4.6}
            look["label"] = None if is_paper else title(procedure)
            points(dumbbells, kept[procedure], kept["place"], procedure, **look)
        source = "Reported by Hendel et al. (2023)" if is_paper else "Measured here"
        dots: Any = {"fmt": "o", "color": tinted("0.1", tint), "markersize": 4, "elinewidth": 0.8}
        for axes, name in ((gaps, "recovered_gap"), (depths, "relative_depth")):
            known = kept.dropna(subset=["parameters", name]).astype({name: float})
            whiskered(axes, known, name, known["parameters"], label=source, **dots)
    rows_of(dumbbells, list(map(display_name, rows["model"])), rows["place"])
    dumbbells.set(xlim=(-0.03, 1.03), ylim=(-0.6, len(rows) - 0.4), xlabel="Mean test accuracy")
    low, high = gaps.get_ylim()
    gaps.set(xscale="log", ylabel="Recovered gap", ylim=(min(0.0, low), max(1.05, high)))
    gaps.tick_params(labelbottom=False, which="both")
    depths.set(ylabel="Relative depth", ylim=(0, 1), xlabel="Parameters (log scale)")
    first, last = gaps.get_xlim()
    gaps.set_xlim(min(first, LEAST_RANGE[0]), max(last, LEAST_RANGE[1]))
    depths.xaxis.set_major_formatter(FuncFormatter(lambda size, _: billions(size)))
    depths.xaxis.set_minor_formatter(NullFormatter())
    for axes in (gaps, depths):
        axes.yaxis.grid(True)
    figure.align_ylabels([gaps, depths])
    legend_of(figure, [dumbbells, gaps], ncols=5, **TIGHT)
    note = (
        "Whiskers: 95 % bootstrap intervals over tasks; of depth, the middle half of tasks. Paler: "
        "reported."
    )
    caption = (
        f"Models from the smallest to the largest. {note} Relative depth is (block + 1) / number "
        "of blocks, of the median over tasks of the block chosen on dev; the paper gives blocks of "
        "three models."
    )
    return Plot(figure, _growing(by_size), caption, note)


def _dash(axes: Axes, place: float, value: float) -> None:
    """A dash on a bar, seen on one of any shade."""
    for colour, width in (("white", 1.9), ("black", 0.7)):
        look: Any = {"color": colour, "linewidth": width, "solid_capstyle": "butt"}
        axes.plot([place - 0.11, place + 0.11], [value, value], **look)


def _numbers_below(axes: Axes, places: np.ndarray, bars: pd.DataFrame, lines: int) -> None:
    """Under the names of models a line of numbers for each procedure, which is the legend too, and
    the recovered gap with its interval.

    Args:
        lines: of the longest name.
    """
    gaps = bars.filter(like="recovered_gap").where(bars["icl"] > bars["baseline"])
    ranges = [
        MISSING if pd.isna(low) else f"{number(low)} to {number(high)}"
        for low, high in zip(gaps["recovered_gap_low"], gaps["recovered_gap_high"], strict=True)
    ]
    cells = {title(name): list(map(number, bars[name])) for name in COMPARED}
    cells["Recovered gap"] = list(map(number, gaps["recovered_gap"]))
    cells["95 % interval"] = ranges
    left = places[0] - 0.72
    for line, (name, model_cells) in enumerate(cells.items()):
        down = ScaledTranslation(0, -0.16 - (lines + line) * LINE, axes.figure.dpi_scale_trans)
        below = axes.get_xaxis_transform() + down
        style: Any = {"transform": below, "va": "center", "fontsize": SMALL}
        style["fontweight"] = "bold" if name == "Recovered gap" else "normal"
        axes.text(left, 0, name, ha="right", **style)
        style["fontsize"] = SMALL if line < len(cells) - 1 else LEAST_TYPE
        for middle, cell in zip(places, model_cells, strict=True):
            axes.text(middle, 0, cell, ha="center", **style)
        if line < len(COMPARED):
            look: Any = {"color": PROCEDURES[COMPARED[line]].colour, "markersize": 4.5}
            axes.plot([left + 0.1], [0], "s", transform=below, clip_on=False, **look)


def _bracket(axes: Axes, first: float, last: float, text: str) -> None:
    """A line over bars from another source, with the name of the source."""
    above: Any = {"transform": axes.get_xaxis_transform(), "clip_on": False}
    across = [first, first, last, last]
    axes.plot(across, [1.0, 1.02, 1.02, 1.0], color="0.4", linewidth=0.8, **above)
    style: Any = {"ha": "center", "va": "bottom", "fontsize": 7.5, "color": "0.25"}
    axes.text((first + last) / 2, 1.035, text, **style, **above)


def _wrapped(label: str) -> str:
    """A model's name over several lines; its size stays on a line of its own."""
    return "\n".join(
        line for part in label.rsplit(" ", 1) for line in textwrap.wrap(part, LABEL_WIDTH)
    )


def _recovered(bars: pd.DataFrame) -> str:
    """The finding of Figure 4: the share of the demonstrations' gain that is recovered."""
    helped = bars[(bars["icl"] > bars["baseline"]) & bars["recovered_gap"].notna()]
    ours, theirs = helped[~helped["paper"]], helped[helped["paper"]]
    if ours.empty:
        return "On average over tasks, demonstrations add nothing that a vector could recover"
    if len(ours) == 1:
        share = interval(ours.iloc[0], "recovered_gap")
        name = f" ({display_name(ours['model'].iloc[0])})" if (~bars["paper"]).sum() > 1 else ""
        finding = f"One patched state, the task vector, recovers {share} of what demonstrations add"
        return finding + name
    our_share, their_share = (ends(of["recovered_gap"]) for of in (ours, theirs))
    finding = (
        f"The task vector recovers {our_share} of what demonstrations add in {len(ours)} models"
    )
    return finding if theirs.empty else f"{finding}, and {their_share} in the paper's"


def _growing(rows: pd.DataFrame) -> str:
    """The finding on size: the recovered gap of the smallest and of the largest model."""
    known = rows[(rows["icl"] > rows["baseline"]) & rows["recovered_gap"].notna()]
    size = known["parameters"]
    first, last = billions(size.min()), billions(size.max())
    gaps = ends(known["recovered_gap"][size.notna()])
    return f"From {first} to {last} parameters, the recovered gap is {gaps}"


def billions(parameters: float) -> str:
    """`135M`, `6.7B`: a number of parameters in a few characters."""
    return f"{parameters / 1e6:.0f}M" if parameters < 1e9 else f"{parameters / 1e9:.3g}B"


def _about_models(bars: pd.DataFrame, table: pd.DataFrame) -> str:
    lines = []
    for _, mean in bars[~bars["paper"]].iterrows():
        rows = table[table["model"] == mean["model"]]
        tasks = counted(len(rows), "task")
        line = f"{display_name(mean['model'])}: mean over {tasks}. {episodes(rows)}"
        line += f" ICL gains at least {MIN_ICL_GAIN:.2f} over the baseline on {mean['icl_gains']}."
        unclear = ", ".join(map(task_title, rows["task"][~rows["layer_identified"]]))
        lines.append(f"{line} {NOT_IDENTIFIED.capitalize()}: {unclear}." if unclear else line)
    return "\n".join(lines)


def episodes(rows: pd.DataFrame) -> str:
    """The number of episodes behind the accuracy of a task, as a sentence."""
    return f"n = {sizes(rows['n'])} test episodes per task."
