"""Figure 4 of the paper, and the same accuracies task by task."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.main_results.numbers import MIN_ICL_GAIN
from tvsight.output.labels import (
    NOT_IDENTIFIED,
    counted,
    display_name,
    interval,
    shortened,
    sizes,
    task_title,
)
from tvsight.output.plots import Plot
from tvsight.output.procedures import COMPARED, PROCEDURES
from tvsight.output.theme import TWO_COLUMNS, new_figure

LABEL_WIDTH = 9
"""Characters in a line of a model's name under its bars."""
ROWS_OF_TURNED_NAME = 4
"""Tasks of a category beside which its name fits upright."""
PAPER_ALPHA = 0.4
"""Opacity of the paper's own numbers, which stand beside ours."""


def by_model(bars: pd.DataFrame, table: pd.DataFrame) -> Plot:
    """Mean accuracy of the three procedures, one group of bars per model (Figure 4).

    Args:
        bars: from `numbers.bars`; the paper's models are drawn paler.
        table: from `numbers.by_task`; the caption gives its numbers of episodes.
    """
    figure = new_figure(TWO_COLUMNS, 3.1)
    axes = figure.subplots()
    places = np.arange(len(bars), dtype=float) + np.where(bars["paper"], 0.35, 0.0)
    for offset, procedure in enumerate(COMPARED):
        _bars(axes, places + 0.26 * (offset - 1), bars, procedure)
    labels = [display_name(name) for name in bars["model"]]
    axes.set_xticks(places, [_wrapped(label) for label in labels])
    axes.tick_params(axis="x", length=0)
    axes.set(ylim=(0, 1), ylabel="Mean test accuracy", xlim=(places[0] - 0.6, places[-1] + 0.6))
    axes.yaxis.grid(True)
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    if bars["paper"].any():
        first = places[bars["paper"].to_numpy()][0]
        axes.text(first - 0.4, 0.985, "reported in the paper", va="top", fontsize=7, color="0.35")
    ours = bars[~bars["paper"]]
    whiskers = "Whiskers: 95 % bootstrap intervals over tasks."
    note = f"{_episodes(table)} {whiskers}"
    return Plot(figure, _recovered(bars), f"{_about_models(ours, table)}\n{whiskers}", note)


def task_by_task(table: pd.DataFrame, model: str) -> Plot:
    """Accuracy of the three procedures on every task of one model, with 95 % intervals."""
    rows = table[table["model"] == model].iloc[::-1].reset_index(drop=True)
    figure = new_figure(TWO_COLUMNS, 1.3 + 0.21 * len(rows))
    axes = figure.subplots()
    for offset, procedure in zip((0.24, 0.0, -0.24), COMPARED, strict=True):
        axes.errorbar(
            rows[procedure],
            np.arange(len(rows)) + offset,
            xerr=_whiskers(rows, procedure),
            fmt=PROCEDURES[procedure].marker,
            color=PROCEDURES[procedure].colour,
            markersize=3.6,
            elinewidth=0.9,
            label=PROCEDURES[procedure].title,
        )
    marks = ["" if found else " *" for found in rows["layer_identified"]]
    names = [task_title(name) + mark for name, mark in zip(rows["task"], marks, strict=True)]
    axes.set_yticks(rows.index, names)
    axes.tick_params(axis="y", length=0)
    _category_bands(axes, rows)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(rows) - 0.4), xlabel="Test accuracy")
    axes.xaxis.grid(True)
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    note = f"{display_name(model)}. {_episodes(rows)} Whiskers: 95 % intervals."
    caption = note
    if not rows["layer_identified"].all():
        note += f" * {NOT_IDENTIFIED}."
        caption += f" * {NOT_IDENTIFIED}: no block beats the baseline on dev (5 %, max-corrected)."
    return Plot(figure, _ahead(rows), caption, note)


def _bars(axes: Axes, places: np.ndarray, bars: pd.DataFrame, procedure: str) -> None:
    drawn = axes.bar(
        places,
        bars[procedure],
        width=0.24,
        color=PROCEDURES[procedure].colour,
        label=PROCEDURES[procedure].title,
    )
    for bar, from_paper in zip(drawn, bars["paper"], strict=True):
        bar.set_alpha(PAPER_ALPHA if from_paper else 1.0)
    axes.errorbar(
        places,
        bars[procedure],
        yerr=_whiskers(bars, procedure),
        fmt="none",
        ecolor="0.2",
        elinewidth=0.8,
        capsize=1.5,
    )


def _whiskers(table: pd.DataFrame, name: str) -> np.ndarray:
    value = table[name].to_numpy()
    below, above = value - table[f"{name}_low"].to_numpy(), table[f"{name}_high"].to_numpy() - value
    return np.nan_to_num(np.clip([below, above], 0, None))


def _category_bands(axes: Axes, rows: pd.DataFrame) -> None:
    """A pale band behind every other category, its name at the right edge."""
    runs = rows["category"].ne(rows["category"].shift()).cumsum()
    for number, (_, band) in enumerate(rows.groupby(runs)):
        first, last = band.index[0] - 0.5, band.index[-1] + 0.5
        if number % 2 == 0:
            axes.axhspan(first, last, color="0.96", zorder=0)
        axes.text(
            1.01,
            (first + last) / 2,
            shortened(band["category"].iloc[0]),
            transform=axes.get_yaxis_transform(),
            rotation=270 if len(band) >= ROWS_OF_TURNED_NAME else 0,
            va="center",
            fontsize=7,
            color="0.35",
        )


def _wrapped(label: str) -> str:
    """A model's name over several lines; its size stays on a line of its own."""
    return "\n".join(
        line for part in label.rsplit(" ", 1) for line in textwrap.wrap(part, LABEL_WIDTH)
    )


def _recovered(bars: pd.DataFrame) -> str:
    """The finding of Figure 4: the share of the demonstrations' gain that is recovered."""
    ours = bars[~bars["paper"]]
    parts = [
        f"{interval(row, 'recovered_gap')} ({display_name(row['model'])})"
        for _, row in ours.iterrows()
        if pd.notna(row["recovered_gap"])
    ]
    if not parts:
        return "On no task do demonstrations help enough to recover anything"
    return f"Of what demonstrations add, the task vector recovers {', '.join(parts)}"


def _ahead(rows: pd.DataFrame) -> str:
    """The finding task by task: how often the vector is ahead of the baseline, and of ICL."""
    above, past = (int((rows["task_vector"] > rows[name]).sum()) for name in ("baseline", "icl"))
    return (
        f"The task vector scores above the baseline on {above} of {counted(len(rows), 'task')}, "
        f"above ICL on {past}"
    )


def _about_models(bars: pd.DataFrame, table: pd.DataFrame) -> str:
    lines = []
    for _, mean in bars.iterrows():
        rows = table[table["model"] == mean["model"]]
        tasks = counted(len(rows), "task")
        line = f"{display_name(mean['model'])}: mean over {tasks}. {_episodes(rows)}"
        line += f" ICL gains at least {MIN_ICL_GAIN:.2f} over the baseline on {mean['icl_gains']}."
        unclear = rows["task"][~rows["layer_identified"]]
        if len(unclear):
            line += f" {NOT_IDENTIFIED.capitalize()}: {', '.join(map(task_title, unclear))}."
        lines.append(line)
    return "\n".join(lines)


def _episodes(rows: pd.DataFrame) -> str:
    return f"n = {sizes(rows['n'])} test episodes per task."
