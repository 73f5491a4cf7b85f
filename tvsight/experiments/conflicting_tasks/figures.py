"""Accuracy on the demonstrated and on the patched task: by pair, and by block."""

import math
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.conflicting_tasks.episodes import tasks_of
from tvsight.experiments.conflicting_tasks.numbers import SCORED_AS
from tvsight.output.labels import NOT_IDENTIFIED, counted, display_name, sizes, task_title
from tvsight.output.panels import block_ticks
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES
from tvsight.output.theme import TWO_COLUMNS, new_figure


class Run(NamedTuple):
    """Conflicting prompts with or without a vector, as `by_pair` draws them."""

    procedure: str
    rule: str
    """The rule that chooses the block of the vector."""
    name: str
    colour: str
    marker: str
    offset: float
    """How far it stands above the line of its pair."""


ICL, VECTOR = PROCEDURES["icl"], PROCEDURES["task_vector"]
IN_ZERO_SHOT = "Vector of B, block best in zero-shot prompts"
IN_CONFLICT = "Vector of B, block best in the conflict"
RUNS = (
    Run("icl", "zero_shot", "No vector (ICL)", ICL.colour, ICL.marker, 0.25),
    Run("task_vector", "zero_shot", IN_ZERO_SHOT, VECTOR.colour, VECTOR.marker, 0.0),
    Run("task_vector", "conflict", IN_CONFLICT, "#7a3b00", "v", -0.25),
)
"""From the top of a pair down."""
PANEL_TITLES = {
    "demonstrations": "On A, the demonstrated task",
    "patched": "On B, the task of the vector",
}
PAPER_COLOUR = "0.55"
PAPER_NAME = "Reported in the paper (LLaMA 13B)"
LETTERS = {"demonstrations": "A", "patched": "B"}
SCORED_COLOURS = {"demonstrations": ICL.colour, "patched": VECTOR.colour}
SCORED_STYLES = {"demonstrations": "-", "patched": "--"}
"""Lines are told apart without colour too."""
ZERO_SHOT_COLOUR = "0.6"
NARROW_TICKS = 7
"""Ticks along the blocks of a panel."""
COLUMNS = 3
"""Panels beside each other: as many as leave room for two names in their titles."""


def by_pair(table: pd.DataFrame, paper: pd.DataFrame, model: str) -> Plot:
    """Accuracy on A and on B for every pair of one model, with the paper's numbers as hollow marks.

    Args:
        table, paper: from `numbers.by_pair` and `paper_by_pair`.
    """
    ours = table[table["model"] == model]
    pairs = list(dict.fromkeys(ours["task"]))[::-1]
    theirs = paper[paper["task"].isin(pairs)]
    figure = new_figure(TWO_COLUMNS, 1.45 + 0.55 * len(pairs))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, scored_as in zip(panels, SCORED_AS, strict=True):
        for run in RUNS:
            _draw_run(axes, ours[ours["layer_rule"] == run.rule], pairs, run, scored_as)
            if run.rule == "zero_shot" and len(theirs):
                _draw_paper(axes, theirs, pairs, run, scored_as)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.55, len(pairs) - 0.45), xlabel="Test accuracy")
        axes.set_title(PANEL_TITLES[scored_as], loc="left")
        axes.xaxis.grid(True)
        axes.tick_params(axis="y", length=0)
        for place in range(0, len(pairs), 2):
            axes.axhspan(place - 0.5, place + 0.5, color="0.96", zorder=0)
    panels[0].set_yticks(range(len(pairs)), [_pair_label(pair) for pair in pairs])
    _name_blocks(panels[1], ours, pairs)
    handles, labels = panels[0].get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    names = [run.name for run in RUNS]
    if PAPER_NAME in named:
        names.append(PAPER_NAME)
    figure.legend([named[name] for name in names], names, ncols=2, loc="outside upper left")
    caption, note = _about(ours, model)
    return Plot(figure, _overridden(ours), caption, note)


def by_block(table: pd.DataFrame, unpatched: pd.DataFrame, model: str) -> Plot:
    """Dev accuracy on A and on B against the patched block, a panel per pair of one model.

    Args:
        table: from `numbers.by_block`.
        unpatched: from `numbers.unpatched_on_dev`, drawn as level lines.
    """
    of_model = table[table["model"] == model]
    levels = unpatched[unpatched["model"] == model]
    pairs = list(dict.fromkeys(of_model["task"]))
    columns = min(COLUMNS, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    figure = new_figure(TWO_COLUMNS * max(columns, 2) / COLUMNS, 1.1 + 1.6 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in panels[len(pairs) :]:
        axes.remove()
    for number, (axes, pair) in enumerate(zip(panels, pairs, strict=False)):
        of_pair = of_model[of_model["task"] == pair]
        _draw_sweeps(axes, of_pair, levels[levels["task"] == pair])
        depth = int(of_pair["layer"].max()) + 1
        axes.set(ylim=(0, 1), xlim=(-0.5, depth - 0.5))
        axes.set_xticks(block_ticks(depth, most=NARROW_TICKS))
        axes.set_title(_pair_label(pair), loc="left", fontsize=7.5)
        axes.yaxis.grid(True)
        if number % columns == 0:
            axes.set_ylabel("Dev accuracy")
        if number + columns >= len(pairs):
            axes.set_xlabel("Block")
            axes.tick_params(axis="x", labelbottom=True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=2 if columns > 2 else 1, loc="outside upper left")
    note = f"{display_name(model)}. n = {sizes(of_model['n'])} dev episodes per pair and block."
    caption = (
        f"{note} Accuracy with the vector of B applied after a block.\nDotted: the conflicting "
        "prompt without a vector, on A and on B. Dots: the block that each rule chooses."
    )
    return Plot(figure, _exchanged(of_model, levels), caption, note)


def _draw_run(
    axes: Axes, of_rule: pd.DataFrame, pairs: list[str], run: Run, scored_as: str
) -> None:
    column = f"{run.procedure}_{scored_as}"
    value = of_rule[column]
    axes.errorbar(
        value,
        [pairs.index(pair) + run.offset for pair in of_rule["task"]],
        xerr=[value - of_rule[f"{column}_low"], of_rule[f"{column}_high"] - value],
        fmt=run.marker,
        color=run.colour,
        markersize=4,
        elinewidth=0.9,
        label=run.name,
        clip_on=False,
        zorder=3,
    )


def _draw_paper(
    axes: Axes, paper: pd.DataFrame, pairs: list[str], run: Run, scored_as: str
) -> None:
    axes.plot(
        paper[f"{run.procedure}_{scored_as}"],
        [pairs.index(pair) + run.offset for pair in paper["task"]],
        run.marker,
        color=PAPER_COLOUR,
        markerfacecolor="white",
        markersize=5,
        markeredgewidth=0.8,
        label=PAPER_NAME if run.procedure == "task_vector" else None,
        clip_on=False,
        zorder=2,
    )


def _draw_sweeps(axes: Axes, of_pair: pd.DataFrame, levels: pd.DataFrame) -> None:
    """The sweeps of one pair, the levels without a vector, and a dot at each chosen block."""
    for scored_as, colour in SCORED_COLOURS.items():
        sweep = _sweep(of_pair, "conflict", scored_as)
        name = f"Vector of B in the conflict, accuracy on {LETTERS[scored_as]}"
        style = SCORED_STYLES[scored_as]
        axes.plot(*sweep, style, color=colour, linewidth=1.3, label=name)
        (level,) = levels.loc[levels["scored_as"] == scored_as, "accuracy"]
        axes.axhline(level, color=colour, linestyle=":", linewidth=0.8, zorder=1)
    zero_shot = _sweep(of_pair, "zero_shot", "patched")
    name = "Vector of B in zero-shot prompts, accuracy on B"
    axes.plot(*zero_shot, "-", color=ZERO_SHOT_COLOUR, linewidth=0.9, label=name)
    chosen = of_pair[of_pair["chosen"]]
    dots = {"zero_shot": ZERO_SHOT_COLOUR, "conflict": SCORED_COLOURS["patched"]}
    for rule, colour in dots.items():
        axes.plot(
            *_sweep(chosen, rule, "patched"),
            "o",
            color=colour,
            markeredgecolor="0.2",
            markersize=4,
            clip_on=False,
            zorder=3,
        )


def _sweep(table: pd.DataFrame, rule: str, scored_as: str) -> tuple[pd.Series, pd.Series]:
    """Blocks, and the accuracy after each."""
    sweep = table[(table["layer_rule"] == rule) & (table["scored_as"] == scored_as)]
    return sweep["layer"].astype(float), sweep["accuracy"]


def _pair_label(pair: str) -> str:
    """Both names, one below the other."""
    demonstrated, patched = tasks_of(pair)
    return f"A: {task_title(demonstrated)}\nB: {task_title(patched)}"


def _name_blocks(axes: Axes, ours: pd.DataFrame, pairs: list[str]) -> None:
    """Beside each patched run its block, with a star where the vector overrides."""
    offsets = {run.rule: run.offset for run in RUNS if run.procedure == "task_vector"}
    for _, row in ours.iterrows():
        marks = ("*" if row["overrides"] else "") + ("" if row["layer_identified"] else "?")
        axes.text(
            1.04,
            pairs.index(row["task"]) + offsets[row["layer_rule"]],
            f"block {row['layer']}{' ' if marks else ''}{marks}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=6.5,
            color="0.25",
        )


def _overridden(ours: pd.DataFrame) -> str:
    """The finding by pair: in how many the vector decides."""
    of_rule = ours[ours["layer_rule"] == "zero_shot"]
    return (
        f"The vector of B overrides the demonstrations of A in {of_rule['overrides'].sum()} of "
        f"{counted(len(of_rule), 'pair')}"
    )


def _exchanged(of_model: pd.DataFrame, levels: pd.DataFrame) -> str:
    """The finding by block: in how many pairs A is answered less often with the vector, and B
    more often, after the block that is best for B in the conflict."""
    chosen = of_model[of_model["chosen"] & (of_model["layer_rule"] == "conflict")]
    both = chosen.merge(levels, on=["model", "task", "scored_as"], suffixes=("", "_without"))
    change = (both["accuracy"] - both["accuracy_without"]).groupby(both["scored_as"])
    down = int((change.get_group("demonstrations") < 0).sum())
    up = int((change.get_group("patched") > 0).sum())
    pairs = counted(chosen["task"].nunique(), "pair")
    return (
        f"At its best block the vector of B lowers accuracy on A in {down}, and raises it on B in "
        f"{up}, of {pairs}"
    )


def _about(ours: pd.DataFrame, model: str) -> tuple[str, str]:
    """Caption and note by pair."""
    short = (
        f"{display_name(model)}. n = {sizes(ours['n'])} test episodes per pair. Whiskers: 95 % "
        "intervals."
    )
    note = (
        f"{short} Demonstrations of A, vector of B; {sizes(ours['queries'])} different queries "
        "per pair."
    )
    if ours["overrides"].any():
        note += (
            "\n* the vector overrides: without it A is answered more often than B, with it B more "
            "often than A (tests that permute queries, 5 %)."
        )
        short += " * overrides."
    if not ours["layer_identified"].all():
        note += f"\n? {NOT_IDENTIFIED}: on dev no better than the same prompts without a vector."
        short += f" ? {NOT_IDENTIFIED}."
    return note, short
