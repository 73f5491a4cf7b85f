"""Conflicting tasks: accuracy on the demonstrated and on the patched task, and by block."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tvsight.experiments.conflicting_tasks.episodes import tasks_of
from tvsight.experiments.conflicting_tasks.numbers import SCORED_AS
from tvsight.output.labels import NOT_IDENTIFIED, display_name, shortened, sizes
from tvsight.output.theme import (
    PROCEDURE_COLOURS,
    PROCEDURE_MARKERS,
    TWO_COLUMNS,
    caption,
    new_figure,
)
from tvsight.paper import paper_by_pair

PANEL_TITLES = {
    "demonstrations": "On A, the demonstrated task",
    "patched": "On B, the task of the vector",
}
RUNS = (
    ("icl", "zero_shot", "No vector (ICL)", PROCEDURE_COLOURS["icl"], PROCEDURE_MARKERS["icl"]),
    (
        "task_vector",
        "zero_shot",
        "Vector of B, block best in zero-shot prompts",
        PROCEDURE_COLOURS["task_vector"],
        PROCEDURE_MARKERS["task_vector"],
    ),
    ("task_vector", "conflict", "Vector of B, block best in the conflict", "#7a3b00", "v"),
)
"""Procedure, rule of its block, name, colour and marker, from the top of a pair down."""
OFFSETS = (0.25, 0.0, -0.25)
"""Where each of `RUNS` stands beside the line of its pair."""
PAPER_COLOUR = "0.55"
PAPER_NAME = "Reported in the paper (LLaMA 13B)"
SCORED_COLOURS = {
    "demonstrations": PROCEDURE_COLOURS["icl"],
    "patched": PROCEDURE_COLOURS["task_vector"],
}
SCORED_STYLES = {"demonstrations": "-", "patched": "--"}
"""Lines are told apart without colour too."""
COLUMNS = 3
"""Panels beside each other: as many as leave room for two names in their titles."""


def by_pair(table: pd.DataFrame, model: str) -> Figure:
    """Accuracy on A and on B for every pair of one model, with the paper's numbers as hollow marks.

    Args:
        table: from `conflicts.by_pair`.
    """
    of_model = table[table["model"] == model]
    pairs = list(dict.fromkeys(of_model["task"]))[::-1]
    figure = new_figure(TWO_COLUMNS, 1.45 + 0.55 * len(pairs))
    panels = figure.subplots(1, 2, sharey=True)
    paper = paper_by_pair()
    paper = paper[paper["task"].isin(pairs)]
    for axes, scored_as in zip(panels, SCORED_AS, strict=True):
        for offset, (procedure, rule, name, colour, marker) in zip(OFFSETS, RUNS, strict=True):
            column = f"{procedure}_{scored_as}"
            ours = of_model[of_model["layer_rule"] == rule]
            places = np.array([pairs.index(pair) for pair in ours["task"]]) + offset
            axes.errorbar(
                ours[column],
                places,
                xerr=[
                    ours[column] - ours[f"{column}_low"],
                    ours[f"{column}_high"] - ours[column],
                ],
                fmt=marker,
                color=colour,
                markersize=4,
                elinewidth=0.9,
                label=name,
                clip_on=False,
                zorder=3,
            )
            if rule == "conflict" or paper.empty:
                continue
            axes.plot(
                paper[column],
                [pairs.index(pair) + offset for pair in paper["task"]],
                marker,
                color=PAPER_COLOUR,
                markerfacecolor="white",
                markersize=5,
                markeredgewidth=0.8,
                label=PAPER_NAME if procedure == "task_vector" else None,
                clip_on=False,
                zorder=2,
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.55, len(pairs) - 0.45), xlabel="Test accuracy")
        axes.set_title(PANEL_TITLES[scored_as], loc="left")
        axes.xaxis.grid(True)
        axes.tick_params(axis="y", length=0)
        for place in range(0, len(pairs), 2):
            axes.axhspan(place - 0.5, place + 0.5, color="0.96", zorder=0)
    panels[0].set_yticks(range(len(pairs)), [_pair_label(pair) for pair in pairs])
    _name_blocks(panels[1], of_model, pairs)
    named = dict(zip(*panels[0].get_legend_handles_labels()[::-1], strict=True))
    names = [*(name for _, _, name, _, _ in RUNS), *([PAPER_NAME] if PAPER_NAME in named else [])]
    handles = [named[name] for name in names]
    figure.legend(handles, names, ncols=2, loc="outside upper left")
    caption(figure, _note(of_model, model))
    return figure


def by_block(table: pd.DataFrame, unpatched: pd.DataFrame, model: str) -> Figure:
    """Dev accuracy on A and on B against the patched block, a panel per pair of one model.

    Args:
        table: from `conflicts.by_block`.
        unpatched: from `conflicts.unpatched_on_dev`, drawn as level lines.
    """
    of_model = table[table["model"] == model]
    pairs = list(dict.fromkeys(of_model["task"]))
    columns = min(COLUMNS, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    figure = new_figure(TWO_COLUMNS * max(columns, 2) / COLUMNS, 1.1 + 1.6 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, pair in zip(panels, pairs, strict=False):
        of_pair = of_model[of_model["task"] == pair]
        level = unpatched[(unpatched["model"] == model) & (unpatched["task"] == pair)]
        for scored_as in SCORED_AS:
            colour, style = SCORED_COLOURS[scored_as], SCORED_STYLES[scored_as]
            letter = "A" if scored_as == "demonstrations" else "B"
            sweep = _sweep(of_pair, "conflict", scored_as)
            axes.plot(
                sweep["layer"].astype(float),
                sweep["accuracy"],
                style,
                color=colour,
                linewidth=1.3,
                label=f"Vector of B in the conflict, accuracy on {letter}",
            )
            (height,) = level.loc[level["scored_as"] == scored_as, "accuracy"]
            axes.axhline(height, color=colour, linestyle=":", linewidth=0.8, zorder=1)
        zero_shot = _sweep(of_pair, "zero_shot", "patched")
        axes.plot(
            zero_shot["layer"].astype(float),
            zero_shot["accuracy"],
            "-",
            color="0.6",
            linewidth=0.9,
            label="Vector of B in zero-shot prompts, accuracy on B",
        )
        for sweep, colour in (
            (zero_shot, "0.6"),
            (_sweep(of_pair, "conflict", "patched"), SCORED_COLOURS["patched"]),
        ):
            chosen = sweep[sweep["chosen"]]
            axes.plot(
                chosen["layer"].astype(float),
                chosen["accuracy"],
                "o",
                color=colour,
                markeredgecolor="0.2",
                markersize=4,
                clip_on=False,
                zorder=3,
            )
        axes.set(ylim=(0, 1), xlim=(-0.5, of_pair["layer"].max() + 0.5))
        axes.set_title(_pair_label(pair), loc="left", fontsize=7.5)
        axes.yaxis.grid(True)
    for axes in panels[len(pairs) :]:
        axes.remove()
    for number, axes in enumerate(panels[: len(pairs)]):
        if number % columns == 0:
            axes.set_ylabel("Dev accuracy")
        if number + columns >= len(pairs):
            axes.set_xlabel("Block L")
            axes.tick_params(axis="x", labelbottom=True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=2 if columns > 2 else 1, loc="outside upper left")
    caption(
        figure,
        f"{display_name(model)}. Accuracy after the vector of B is applied after block L; n = "
        f"{sizes(of_model['n'])} dev episodes.\nDotted: the conflicting prompt without a vector, "
        "on A and on B. Dots: the block that each rule chooses.",
    )
    return figure


def _sweep(table: pd.DataFrame, rule: str, scored_as: str) -> pd.DataFrame:
    return table[(table["layer_rule"] == rule) & (table["scored_as"] == scored_as)]


def _pair_label(pair: str) -> str:
    """Both names, one below the other."""
    demonstrated, patched = tasks_of(pair)
    return f"{shortened(demonstrated)}\n→ {shortened(patched)}"


def _name_blocks(axes: Axes, of_model: pd.DataFrame, pairs: list[str]) -> None:
    """Beside each patched run its block, with a star where the vector overrides."""
    for _, row in of_model.iterrows():
        offset = OFFSETS[1] if row["layer_rule"] == "zero_shot" else OFFSETS[2]
        marks = ("*" if row["overrides"] else "") + ("" if row["layer_identified"] else "?")
        axes.text(
            1.04,
            pairs.index(row["task"]) + offset,
            f"block {row['layer']}{' ' if marks else ''}{marks}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=6.5,
            color="0.25",
        )


def _note(of_model: pd.DataFrame, model: str) -> str:
    queries = sizes(of_model["queries"])
    note = (
        f"{display_name(model)}. Demonstrations of A, vector of B (A → B). n = "
        f"{sizes(of_model['n'])} test episodes per pair, {queries} different queries. Whiskers: "
        "95 % intervals."
    )
    if of_model["overrides"].any():
        note += (
            "\n* the vector overrides: without it A is answered more often than B, with it B more "
            "often than A (sign tests over queries, 5 %)."
        )
    if not of_model["layer_identified"].all():
        note += f"\n? {NOT_IDENTIFIED}: on dev no better than the same prompts without a vector."
    return note
