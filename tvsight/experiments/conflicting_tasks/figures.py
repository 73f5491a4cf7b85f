"""Accuracy on the demonstrated and on the patched task: by pair, and by block."""

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tvsight.experiments.conflicting_tasks.episodes import tasks_of
from tvsight.experiments.conflicting_tasks.numbers import SCORED_AS
from tvsight.output.labels import (
    NOT_IDENTIFIED,
    block,
    counted,
    display_name,
    of_models,
    sizes,
    task_title,
)
from tvsight.output.lettering import fitting
from tvsight.output.marks import grid_of_panels, legend_of, whiskers
from tvsight.output.panels import block_ticks
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, about
from tvsight.output.theme import LEAST_TYPE, TWO_COLUMNS, new_figure, text_in, tinted

ICL_LOOK, VECTOR_LOOK = PROCEDURES["icl"], PROCEDURES["task_vector"]


class Arrow(NamedTuple):
    """The change that a vector makes in conflicting prompts."""

    rule: str
    """The rule that chooses the block of the vector."""
    name: str
    colour: str
    marker: str
    """At the end with the vector."""
    size: float
    """Of the marker. The line is as wide as a quarter of it."""
    hollow: bool = False
    """Whether the marker is, and the line dashed."""


ARROWS = (
    Arrow("conflict", "With B's vector, block best in the conflict", "#7a3b00", "v", 7.0),
    Arrow(
        "zero_shot",
        "With B's vector, block best in zero-shot prompts",
        VECTOR_LOOK.colour,
        "D",
        4.4,
    ),
)
"""In order from back to front, so that both are seen where they coincide."""
PAPER = Arrow("", "Reported by Hendel et al. (LLaMA 13B)", "0.45", "o", 4.4, hollow=True)
WITHOUT = "Without a vector (ICL)"
SWEEPS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "A, in the conflict": ("conflict", "demonstrations", {"color": ICL_LOOK.colour, "lw": 1.4}),
    "B, in the conflict": (
        "conflict",
        "patched",
        {"color": VECTOR_LOOK.colour, "lw": 1.4, "ls": "--"},
    ),
    "B, in zero-shot prompts": ("zero_shot", "patched", {"color": "0.6", "lw": 1, "zorder": 1.9}),
}
"""The lines by block: rule, task that answers are scored as, and look, told apart without colour
too."""
NARROW_TICKS = 4
"""Ticks along the blocks of a panel."""
COLUMNS = 5
"""Panels beside each other: the paper's pairs."""
SMALL = 6.5
"""Size of text in panels, in points."""


def by_pair(
    table: pd.DataFrame, paper: pd.DataFrame, model: str, vector: str = "task_vector"
) -> Plot:
    """Accuracy on A against accuracy on B, an arrow from without to with the vector, a panel for
    each pair of one model.

    Args:
        table, paper: from `numbers.by_pair` and `paper_by_pair`, whose arrows are grey.
        vector: the procedure of the vector. The paper has the task vector alone.
    """
    ours = table[table["model"] == model]
    pairs = list(dict.fromkeys(ours["task"]))
    figure, panels = _panels(pairs, 1.35, "Accuracy on B")
    start: Any = {"color": ICL_LOOK.colour, "markersize": 4.5, "clip_on": False, "zorder": 4}
    for axes, pair in zip(panels, pairs, strict=True):
        axes.plot([0, 1], [1, 0], color="0.85", linewidth=0.7, zorder=0)
        reported = paper[(paper["task"] == pair) & (vector == "task_vector")]
        _arrows(axes, reported, PAPER, vector)
        pair_rows = ours[ours["task"] == pair]
        rules = [arrow for arrow in ARROWS if arrow.rule in set(pair_rows["layer_rule"])]
        for below, arrow in zip(range(len(rules) - 1, -1, -1), rules, strict=True):
            row = pair_rows[pair_rows["layer_rule"] == arrow.rule]
            _whiskers(axes, row, arrow.colour, vector)
            _arrows(axes, row, arrow, vector)
            corner: Any = {"ha": "right", "va": "center", "fontsize": LEAST_TYPE}
            height, colour = 0.97 - 0.13 * below, text_in(arrow.colour)
            axes.text(0.99, height, _block(row.iloc[0]), color=colour, **corner)
        without = pair_rows[[f"icl_{scored_as}" for scored_as in SCORED_AS]].iloc[0]
        axes.plot(*without, ICL_LOOK.marker, label=WITHOUT, **start)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.set_xlabel("On A", labelpad=1)
        axes.set_aspect("equal")
    names = [WITHOUT, *(arrow.name for arrow in ARROWS[::-1]), PAPER.name]
    legend_of(figure, panels, names, ncols=2, fontsize=7)
    caption, note = _about(ours, model, vector)
    return Plot(figure, about(_overridden(ours), vector), caption, note)


def by_block(
    table: pd.DataFrame,
    unpatched: pd.DataFrame,
    tested: pd.DataFrame,
    model: str,
    vector: str = "task_vector",
) -> Plot:
    """Dev accuracy on A and on B against the patched block, a panel per pair of one model.

    Args:
        table: from `numbers.by_block`.
        tested: from `numbers.by_pair`, for the title: the block is the best one of those drawn.
        unpatched: from `numbers.unpatched_on_dev`, drawn as level lines.
        vector: the procedure of the vector.
    """
    model_rows = table[table["model"] == model]
    levels = unpatched[unpatched["model"] == model]
    pairs = list(dict.fromkeys(model_rows["task"]))
    figure, panels = _panels(pairs, 1.45, "Dev accuracy")
    depth = int(model_rows["layer"].max()) + 1
    for axes, pair in zip(panels, pairs, strict=True):
        pair_rows = model_rows[model_rows["task"] == pair]
        _draw_sweeps(axes, pair_rows, levels[levels["task"] == pair])
        axes.set(ylim=(-0.02, 1.02), yticks=(0, 0.5, 1), xlim=(-0.5, depth - 0.5))
        chosen = sorted(set(_at_its_best(pair_rows)["layer"]))
        axes.set_xticks(block_ticks(depth, chosen, NARROW_TICKS))
        axes.set_xlabel("Block", labelpad=1)
        axes.yaxis.grid(True)
        for layer in chosen:
            axes.axvspan(layer - 0.5, layer + 0.5, color="0.92", zorder=0)
    legend_of(figure, panels, list(SWEEPS), fontsize=7)
    note = (
        f"{display_name(model)}, blocks 0–{depth - 1}. n = {sizes(model_rows['n'])} dev episodes "
        "per pair and block. Dotted: without a vector. Shaded: best for B in the conflict."
    )
    applied = about("the vector of B", vector)
    caption = f"{note} Lines: accuracy with {applied} applied after a block."
    return Plot(
        figure, about(_exchanged(tested[tested["model"] == model], vector), vector), caption, note
    )


def _panels(pairs: list[str], height: float, accuracy: str) -> tuple[Figure, list[Axes]]:
    """A panel for each pair, with both names above it.

    Args:
        height: of a panel with its labels, in inches.
        accuracy: what the vertical axes are.
    """
    rows = -(-len(pairs) // COLUMNS)
    # One pair alone leaves room for the legend above it.
    figure = new_figure(TWO_COLUMNS, 0.55 + (height + 0.35) * rows)
    drawn = grid_of_panels(figure, len(pairs), COLUMNS, rows, sharey=True)
    room = TWO_COLUMNS / COLUMNS - 0.3
    for axes, pair in zip(drawn, pairs, strict=True):
        both = zip("AB", map(task_title, tasks_of(pair)), strict=True)
        names = [fitting(f"{letter}: {name}", room, SMALL) for letter, name in both]
        axes.set_title("\n".join(names), loc="left", fontsize=SMALL)
    for axes in drawn[::COLUMNS]:
        axes.set_ylabel(accuracy, labelpad=2)
    return figure, drawn


def _arrows(axes: Axes, rows: pd.DataFrame, arrow: Arrow, vector: str) -> None:
    """Lines from the accuracies without a vector to those with it, which have a marker."""
    look: Any = {"marker": arrow.marker, "markersize": arrow.size, "linewidth": arrow.size / 4}
    look |= {"linestyle": "--" if arrow.hollow else "-", "label": arrow.name}
    look |= {"markerfacecolor": "white" if arrow.hollow else arrow.colour, "color": arrow.colour}
    for row in rows.to_dict("records"):
        ends = ([row[f"{end}_{scored_as}"] for end in ("icl", vector)] for scored_as in SCORED_AS)
        axes.plot(*ends, markevery=[1], clip_on=False, zorder=3, **look)


def _whiskers(axes: Axes, row: pd.DataFrame, colour: str, vector: str) -> None:
    """The intervals at both ends of an arrow, paler than it."""
    look: Any = {"fmt": "none", "ecolor": tinted(colour, 0.45), "elinewidth": 0.7, "zorder": 1}
    for end in ("icl", vector):
        x, y = (f"{end}_{scored_as}" for scored_as in SCORED_AS)
        axes.errorbar(row[x], row[y], xerr=whiskers(row, x), yerr=whiskers(row, y), **look)


def _block(row: pd.Series) -> str:
    """The block of a vector, with its marks."""
    marks = ("*" if row["overrides_holm"] else "") + ("" if row["layer_identified"] else "?")
    return f"{block(row['layer'], row['depth'])}{' ' if marks else ''}{marks}"


def _draw_sweeps(axes: Axes, pair_rows: pd.DataFrame, levels: pd.DataFrame) -> None:
    """The sweeps of one pair, and the levels without a vector."""
    by_sweep = dict(iter(pair_rows.groupby(["layer_rule", "scored_as"])))
    for name, (rule, scored_as, look) in SWEEPS.items():
        sweep = by_sweep[rule, scored_as]
        axes.plot(sweep["layer"].astype(float), sweep["accuracy"], label=name, **look)
        if rule == "conflict":
            (level,) = levels.loc[levels["scored_as"] == scored_as, "accuracy"]
            axes.axhline(level, color=look["color"], linestyle=":", linewidth=0.9, zorder=1)


def _at_its_best(table: pd.DataFrame) -> pd.DataFrame:
    """The rows after the block that is best for B in the conflict."""
    return table[table["chosen"] & (table["layer_rule"] == "conflict")]


def _overridden(ours: pd.DataFrame) -> str:
    """The finding by pair: in how many the vector decides."""
    rule_rows = ours[ours["layer_rule"] == "zero_shot"]
    return of_models(
        "The vector of B overrides the demonstrations of A in "
        f"{rule_rows['overrides_holm'].sum()} of {counted(len(rule_rows), 'pair')}"
    )


def _exchanged(ours: pd.DataFrame, vector: str) -> str:
    """The finding by block: in how many pairs A is answered less often with the vector, and B more
    often, on test, after the block that dev chose for B in the conflict."""
    rows = ours[ours["layer_rule"] == "conflict"]
    a, b = (rows[f"{vector}_{task}"] - rows[f"icl_{task}"] for task in SCORED_AS)
    return of_models(
        f"On test, after the block chosen on dev, B's vector lowers A in {(a < 0).sum()} and "
        f"raises B in {(b > 0).sum()} of {counted(len(rows), 'pair')}"
    )


def _about(ours: pd.DataFrame, model: str, vector: str) -> tuple[str, str]:
    """Caption and note by pair."""
    short = (
        f"{display_name(model)}. n = {sizes(ours['n'])} test episodes per pair. Whiskers: 95 % "
        "intervals."
    )
    note = (
        f"{short} Demonstrations of A, {about('vector of B', vector)}; {sizes(ours['queries'])} "
        "different queries per pair."
    )
    if ours["overrides_holm"].any():
        tests = counted(ours["task"].nunique(), "test")
        note += (
            "\n* the vector overrides: without it A is answered more often than B, with it B more "
            f"often than A (permuting queries, 5 %, after Holm's correction for {tests})."
        )
        short += f" * overrides ({tests}, Holm)."
    if not ours["layer_identified"].all():
        note += f"\n? {NOT_IDENTIFIED}: on dev no better than the same prompts without a vector."
        short += f" ? {NOT_IDENTIFIED}."
    return note, short
