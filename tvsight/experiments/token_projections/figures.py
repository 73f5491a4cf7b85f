"""The tokens of a mean vector by block, and the ranks of answers and of words that describe a
task."""

import unicodedata
from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from tvsight.output.labels import block, display_name, task_title
from tvsight.output.lettering import fitting, font
from tvsight.output.panels import block_ticks
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES
from tvsight.output.theme import COLOUR_MAP, TWO_COLUMNS, new_figure, text_on

RANKS = 10
"""Tokens of a block in a figure."""
MOST_BLOCKS = 26
"""Blocks that fit; some blocks of deeper models are left out."""
LEAST_SHADE = 1e-4
"""Probabilities up to this have the lightest shade."""
FONT_SIZE = 6.2
CELL = 0.53
"""Width of a text in a cell, in inches: a little less than the cell."""
RIGHT_TO_LEFT = {"R", "AL"}
KIND_NAMES = {"answers": "Answers of the task", "description": "Words that describe the task"}
VECTOR_STYLES = {
    "task": (PROCEDURES["task_vector"].colour, "-", "Task vector"),
    "random": (PROCEDURES["baseline"].colour, "--", "Random"),
}
BAND_ALPHA = 0.2


def grid(rows: pd.DataFrame, top: pd.DataFrame, all_tokens: bool = False) -> Plot:
    """The most probable tokens of one task's vector: a row of tokens for each block.

    Args:
        rows: from `numbers.with_chosen`, of one model and task.
        top: from `numbers.top_tokens`, of the same rows, at most `RANKS` after a block.
        all_tokens: whether `top` holds the tokens that the paper leaves out.
    """
    first = rows.iloc[0]
    blocks = _blocks(int(rows["layer"].max()) + 1, {first["chosen"], first["two_above"]})
    top = top[top["layer"].isin(blocks)]
    table = top.pivot(index="layer", columns="order", values="probability")
    shades = table.reindex(index=blocks, columns=range(1, RANKS + 1)).to_numpy(dtype=float)
    figure = new_figure(TWO_COLUMNS, 1.25 + 0.19 * len(blocks))
    axes = figure.subplots()
    norm, shade = LogNorm(LEAST_SHADE, 1, clip=True), COLOUR_MAP
    drawn = axes.pcolormesh(
        np.ma.masked_invalid(shades), cmap=shade, norm=norm, edgecolors="white", linewidth=0.6
    )
    substituted = False
    for _, token in top.iterrows():
        text = drawable(token["shown"])
        substituted |= text != token["shown"]
        bold = bool(token["is_answer"])
        axes.text(
            token["order"] - 0.5,
            blocks.index(token["layer"]) + 0.5,
            fitting(text, CELL, FONT_SIZE, bold),
            fontproperties=font(FONT_SIZE, bold),
            color=text_on(shade(norm(token["probability"]))),
            ha="center",
            va="center_baseline",
        )
    frames = {first["two_above"]: "--", first["chosen"]: "-"}
    for layer, style in frames.items():
        place = (0, blocks.index(layer))
        axes.add_patch(
            Rectangle(place, RANKS, 1, fill=False, linestyle=style, linewidth=1.2, clip_on=False)
        )
    axes.set_yticks(np.arange(len(blocks)) + 0.5, [str(layer) for layer in blocks])
    axes.set_xticks(np.arange(RANKS) + 0.5, [str(rank) for rank in range(1, RANKS + 1)])
    axes.set(xlabel="Order of the tokens by probability", ylabel="After block")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.03, pad=0.01, extend="min")
    bar.set_label("Probability of the token")
    bar.ax.yaxis.set_major_formatter("{x:g}")  # powers would need mathematics, which is off
    bar.minorticks_off()
    note = (
        f"{display_name(first['model'])}; mean vector of n = {first['episodes']} dev episodes. "
        "Bold: begins an answer. Frame: the chosen block."
    )
    caption = _about_grid(first, top, all_tokens, substituted)
    return Plot(figure, _answers_found(first, top, int(rows["layer"].max()) + 1), caption, note)


def ranks(means: pd.DataFrame) -> Plot:
    """Median rank of answers and of description words over tasks against the block: task vectors
    and random vectors of the same length, a row of panels per model.

    Args:
        means: from `numbers.over_tasks`.
    """
    models = list(dict.fromkeys(means["model"]))
    kinds = [kind for kind in KIND_NAMES if kind in set(means["kind"])]
    figure = new_figure(TWO_COLUMNS, 0.9 + 2.1 * len(models))
    panels = figure.subplots(len(models), len(kinds), squeeze=False, sharey="row")
    for line, model in zip(panels, models, strict=True):
        for axes, kind in zip(line, kinds, strict=True):
            of_kind = means[(means["model"] == model) & (means["kind"] == kind)]
            for vector in VECTOR_STYLES:
                _band(axes, of_kind[of_kind["vector"] == vector].sort_values("layer"), vector)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.yaxis.set_minor_locator(NullLocator())
            depth = int(means.loc[means["model"] == model, "layer"].max()) + 1
            axes.set_xlim(-0.5, depth - 0.5)
            axes.set_xticks(block_ticks(depth))
            axes.yaxis.grid(True)
        line[0].set_ylabel(f"{display_name(model)}\nRank of the token")
        line[0].set_ylim(bottom=0.8)
        line[0].invert_yaxis()
    for axes, kind in zip(panels[0], kinds, strict=True):
        axes.set_title(KIND_NAMES[kind])
    for axes in panels[-1]:
        axes.set_xlabel("Block after which the vector was read")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=len(labels), loc="outside upper left")
    tasks = means.groupby("kind")["tasks"].max()
    counts = " and ".join(f"{tasks[kind]} tasks ({kind})" for kind in tasks.index)
    note = f"Line: median over n = {counts}; band: quartiles."
    return Plot(figure, _last_ranks(means), f"{note} {_about_ranks(means)}", note)


def drawable(text: str) -> str:
    """A text that the figures' font can draw, or the script of its first foreign letter in angle
    quotes. Scripts that run from right to left are named too: their letters would be drawn in the
    wrong order, and unjoined."""
    for character in text:
        foreign = ord(character) not in _glyphs()
        if foreign or unicodedata.bidirectional(character) in RIGHT_TO_LEFT:
            name = unicodedata.name(character, "")
            word = name.split(" ")[0].split("-")[0].capitalize()
            word = "Han" if word == "Cjk" else word
            return f"‹{word or f'U+{ord(character):04X}'}›"
    return text


@cache
def _glyphs() -> frozenset[int]:
    """Code points that both weights of the font have."""
    plain, bold = (
        FT2Font(findfont(font(FONT_SIZE, is_bold))).get_charmap() for is_bold in (False, True)
    )
    return frozenset(plain) & frozenset(bold)


def _blocks(depth: int, marked: set[int]) -> list[int]:
    """The blocks that are drawn, ascending: all, or evenly spaced ones and the marked."""
    step = -(-depth // MOST_BLOCKS)
    return sorted(set(range(depth - 1, -1, -step)) | marked)


def _band(axes: Axes, means: pd.DataFrame, vector: str) -> None:
    colour, style, label = VECTOR_STYLES[vector]
    layers, low, high = means["layer"].astype(float), means["low"], means["high"]
    axes.plot(layers, means["rank"], style, color=colour, label=label, linewidth=1.3)
    axes.fill_between(layers, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0)


def _answers_found(first: pd.Series, top: pd.DataFrame, depth: int) -> str:
    """The finding of a grid: how many of its best tokens begin an answer, where the paper reads
    them."""
    shown = top[top["layer"] == first["two_above"]]
    return (
        f"{task_title(first['task'])}: {int(shown['is_answer'].sum())} of the {len(shown)} most "
        f"probable tokens after {block(first['two_above'], depth)} begin an answer"
    )


def _last_ranks(means: pd.DataFrame) -> str:
    """The finding of the ranks: where they end, beside random vectors."""
    parts = []
    for model, of_model in means.groupby("model", sort=False):
        last = int(of_model["layer"].max())
        at_last = of_model[of_model["layer"] == last].set_index(["kind", "vector"])["rank"]
        ends = [
            f"{kind} {at_last[kind, 'task']:,.0f} (random vectors {at_last[kind, 'random']:,.0f})"
            for kind in KIND_NAMES
            if (kind, "task") in at_last.index
        ]
        name, where = display_name(str(model)), block(last, last + 1)
        parts.append(f"{name}: median ranks after {where}: {', '.join(ends)}")
    return ". ".join(parts)


def _about_grid(first: pd.Series, top: pd.DataFrame, all_tokens: bool, substituted: bool) -> str:
    above = first["two_above"] - first["chosen"]
    where = {0: "which is the last block", 1: "dashed: the last block, one above"}
    frames = where.get(above, "dashed: two above it")
    parts = [
        f"{display_name(first['model'])}, {task_title(first['task'])}: mean task vector (n = "
        f"{first['episodes']} dev episodes) through final norm and unembedding.\n"
        f"Frame: the chosen block; {frames}."
    ]
    if not all_tokens:
        parts.append("Without tokens that are not letters alone, and repetitions but for case.")
    if top["is_answer"].any():
        parts.append("Bold: the first token of an answer.")
    if substituted:
        parts.append("‹…›: a token in a script that cannot be drawn here.")
    return " ".join(parts)


def _about_ranks(means: pd.DataFrame) -> str:
    draws = means.loc[means["vector"] == "random", "draws"].max()
    return (
        "Answers: median over the first tokens of all usual answers (of k answers it is at least "
        "k/2).\nDescription: the best-ranked of a task's words, for random vectors too.\n"
        f"Random: directions drawn evenly, as long as the task vector, median of {draws} draws."
    )
