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
    interval,
    number,
    sizes,
    task_title,
)
from tvsight.output.marks import look_of, rows_of, whiskered
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, PROCEDURES
from tvsight.output.theme import TWO_COLUMNS, new_figure, tinted

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
        accuracy: from `answers_report.accuracy`.
    """
    figure = new_figure(TWO_COLUMNS * min(1.0, LEAST_WIDTH + MODEL_WIDTH * len(bars)), 3.2)
    axes = figure.subplots()
    places = np.arange(len(bars), dtype=float) + np.where(bars["paper"], 0.3, 0.0)
    for offset, procedure in zip((-0.26, 0, 0.26), COMPARED, strict=True):
        _bars(axes, places + offset, bars, procedure)
        _other_seeds(
            axes, dict(zip(bars["model"], places + offset, strict=False)), spread, procedure
        )
    labels = [_wrapped(display_name(name)) for name in bars["model"]]
    axes.set_xticks(places, labels)
    axes.tick_params(axis="x", length=0)
    axes.set(ylim=(0, 1), ylabel=f"Mean test {accuracy}", xlim=(places[0] - 0.5, places[-1] + 0.5))
    axes.yaxis.grid(True)
    _numbers_below(axes, places, bars, 1 + max(label.count("\n") for label in labels))
    reported = places[bars["paper"].to_numpy()]
    if len(reported):
        _bracket(axes, reported[0] - 0.4, reported[-1] + 0.4, "as reported by Hendel et al. (2023)")
    ours = bars[~bars["paper"]]
    said = "Whiskers, and the ranges below: 95 % bootstrap intervals over tasks."
    if others := _seeds(spread)[1:]:
        said += f" Dashes: seed {', '.join(others)}."
    note = f"{episodes(table)} {said}"
    gap = "Recovered gap: (task vector − baseline) / (ICL − baseline), of the means over tasks."
    return Plot(figure, _recovered(bars), f"{_about_models(ours, table)}\n{said} {gap}", note)


def models(by_size: pd.DataFrame) -> Plot:
    """Accuracies of each model in a row, and recovered gap and depth against size.

    Args:
        by_size: from `numbers.by_size`.
    """
    rows = by_size.sort_values("parameters", kind="stable").reset_index(drop=True).iloc[::-1]
    figure = new_figure(TWO_COLUMNS, max(2.6, 0.75 + 0.22 * len(rows)))
    grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1])
    dumbbells = figure.add_subplot(grid[:, 0])
    gaps = figure.add_subplot(grid[0, 1])
    depths = figure.add_subplot(grid[1, 1], sharex=gaps)
    rows = rows.assign(place=range(len(rows)))
    marks.dumbbells(dumbbells, rows["place"], rows[list(COMPARED)], color="0.75", linewidth=1)
    for is_paper, tint in ((False, 1.0), (True, PAPER_TINT)):
        kept = rows[rows["paper"] == is_paper]
        for procedure in COMPARED:
            drawn_as = PROCEDURES[procedure]
            colour = tinted(drawn_as.colour, tint)
            name = None if is_paper else drawn_as.title
            look = look_of(procedure) | {"color": colour, "markersize": 4.6, "label": name}
            dumbbells.plot(kept[procedure], kept["place"], **look)
        source = "Reported by Hendel et al. (2023)" if is_paper else "Measured here"
        dots: Any = {"fmt": "o", "color": tinted("0.1", tint), "markersize": 4, "elinewidth": 0.8}
        for axes, name in ((gaps, "recovered_gap"), (depths, "relative_depth")):
            found = kept[kept["parameters"].notna() & kept[name].notna()]
            known = found.astype({name: float})
            whiskered(axes, known, name, known["parameters"], label=source, **dots)
    names = [display_name(row["model"]) for _, row in rows.iterrows()]
    rows_of(dumbbells, names, rows["place"])
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
    named = [*dumbbells.get_legend_handles_labels()], [*gaps.get_legend_handles_labels()]
    handles, labels = ([*first, *second] for first, second in zip(*named, strict=True))
    figure.legend(handles, labels, ncols=5, loc="outside upper left", **TIGHT)
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


def _bars(axes: Axes, places: np.ndarray, bars: pd.DataFrame, procedure: str) -> None:
    colour = PROCEDURES[procedure].colour
    tints = [tinted(colour, PAPER_TINT if paper else 1.0) for paper in bars["paper"]]
    axes.bar(places, bars[procedure], width=0.24, color=tints, label=PROCEDURES[procedure].title)
    whiskered(axes, bars, procedure, places, fmt="none", ecolor="0.35", elinewidth=0.7)


def _other_seeds(
    axes: Axes, places: dict[str, float], spread: pd.DataFrame, procedure: str
) -> None:
    """A dash on a model's bar at the mean with each further seed."""
    for _, row in spread[spread["quantity"] == procedure].iterrows():
        for seed in _seeds(spread)[1:]:
            place = places[row["model"]]
            for colour, width in (("white", 1.9), ("black", 0.7)):  # seen on a bar of any shade
                axes.plot(
                    [place - 0.11, place + 0.11],
                    [row[f"seed_{seed}"]] * 2,
                    color=colour,
                    linewidth=width,
                    solid_capstyle="butt",
                )


def _numbers_below(axes: Axes, places: np.ndarray, bars: pd.DataFrame, lines: int) -> None:
    """Under the names of models a line of numbers for each procedure, which is the legend too, and
    the recovered gap with its interval.

    Args:
        lines: of the longest name.
    """
    top = 0.16 + lines * LINE
    rows = [(PROCEDURES[name].title, bars[name].map(number)) for name in COMPARED]
    known = bars["icl"] > bars["baseline"]
    gap = bars["recovered_gap"].where(known).map(number)
    ends = [
        f"{number(low)} to {number(high)}" if is_known and pd.notna(low) else MISSING
        for low, high, is_known in zip(
            bars["recovered_gap_low"], bars["recovered_gap_high"], known, strict=True
        )
    ]
    rows += [("Recovered gap", gap), ("95 % interval", pd.Series(ends))]
    for line, (title, cells) in enumerate(rows):
        down = ScaledTranslation(0, -top - line * LINE, axes.figure.dpi_scale_trans)
        below = axes.get_xaxis_transform() + down
        weight = "bold" if title == "Recovered gap" else "normal"
        style: Any = {"transform": below, "va": "center", "fontsize": SMALL, "fontweight": weight}
        for place, cell in zip(places, cells, strict=True):
            axes.text(
                place, 0, cell, ha="center", **style | {"fontsize": min(SMALL, 6.0 + (line < 4))}
            )
        left = places[0] - 0.72
        axes.text(left, 0, title, ha="right", **style)
        if line < len(COMPARED):
            swatch = PROCEDURES[COMPARED[line]].colour
            axes.plot(
                [left + 0.1], [0], "s", color=swatch, markersize=4.5, transform=below, clip_on=False
            )


def _bracket(axes: Axes, first: float, last: float, text: str) -> None:
    """A line over bars from another source, with the name of the source."""
    above = axes.get_xaxis_transform()
    axes.plot(
        [first, first, last, last],
        [1.0, 1.02, 1.02, 1.0],
        color="0.4",
        linewidth=0.8,
        transform=above,
        clip_on=False,
    )
    axes.text(
        (first + last) / 2,
        1.035,
        text,
        ha="center",
        va="bottom",
        fontsize=7.5,
        color="0.25",
        transform=above,
    )


def _wrapped(label: str) -> str:
    """A model's name over several lines; its size stays on a line of its own."""
    return "\n".join(
        line for part in label.rsplit(" ", 1) for line in textwrap.wrap(part, LABEL_WIDTH)
    )


def _seeds(spread: pd.DataFrame) -> list[str]:
    return [name.removeprefix("seed_") for name in map(str, spread) if name.startswith("seed_")]


def _recovered(bars: pd.DataFrame) -> str:
    """The finding of Figure 4: the share of the demonstrations' gain that is recovered."""
    helped = bars[(bars["icl"] > bars["baseline"]) & bars["recovered_gap"].notna()]
    ours, theirs = helped[~helped["paper"]], helped[helped["paper"]]
    if ours.empty:
        return "On average over tasks, demonstrations add nothing that a vector could recover"
    if len(ours) == 1:
        share = interval(ours.iloc[0], "recovered_gap")
        name = f" ({display_name(ours['model'].iloc[0])})" if (~bars["paper"]).sum() > 1 else ""
        return (
            f"One patched state, the task vector, recovers {share} of what demonstrations add{name}"
        )
    found = (
        f"The task vector recovers {_range(ours)} of what demonstrations add in {len(ours)} models"
    )
    return found if theirs.empty else f"{found}, and {_range(theirs)} in the paper's"


def _range(helped: pd.DataFrame) -> str:
    ends = (number(helped["recovered_gap"].min()), number(helped["recovered_gap"].max()))
    return " to ".join(dict.fromkeys(ends))


def _growing(rows: pd.DataFrame) -> str:
    """The finding on size: the recovered gap of the smallest and of the largest model."""
    known = rows[rows["parameters"].notna() & rows["recovered_gap"].notna()]
    known = known[known["icl"] > known["baseline"]].sort_values("parameters", kind="stable")
    first, last = (billions(known["parameters"].iloc[end]) for end in (0, -1))
    return f"From {first} to {last} parameters, the recovered gap is {_range(known)}"


def billions(parameters: float) -> str:
    """`135M`, `6.7B`: a number of parameters in a few characters."""
    return f"{parameters / 1e6:.0f}M" if parameters < 1e9 else f"{parameters / 1e9:.3g}B"


def _about_models(bars: pd.DataFrame, table: pd.DataFrame) -> str:
    lines = []
    for _, mean in bars.iterrows():
        rows = table[table["model"] == mean["model"]]
        tasks = counted(len(rows), "task")
        line = f"{display_name(mean['model'])}: mean over {tasks}. {episodes(rows)}"
        line += f" ICL gains at least {MIN_ICL_GAIN:.2f} over the baseline on {mean['icl_gains']}."
        unclear = rows["task"][~rows["layer_identified"]]
        if len(unclear):
            line += f" {NOT_IDENTIFIED.capitalize()}: {', '.join(map(task_title, unclear))}."
        lines.append(line)
    return "\n".join(lines)


def episodes(rows: pd.DataFrame) -> str:
    """The number of episodes behind the accuracy of a task, as a sentence."""
    return f"n = {sizes(rows['n'])} test episodes per task."
