"""Task vectors through the unembedding: their tokens by block, and how near the top a task's
answers and description come."""

import unicodedata
from functools import cache

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath
from matplotlib.ticker import NullLocator

from tvsight.experiments.token_projections.numbers import over_tasks, top_tokens
from tvsight.output.labels import display_name, shortened
from tvsight.output.theme import PROCEDURE_COLOURS, TWO_COLUMNS, caption, new_figure

RANKS = 10
"""Tokens of a block in a figure."""
MOST_BLOCKS = 26
"""Blocks that fit; of deeper models some are left out."""
LEAST_SHADE = 1e-4
"""Probabilities up to this have the lightest shade."""
FONT_SIZE = 6.2
CELL = 0.53
"""Width of a text in a cell, in inches: a little less than the cell."""
MOST_CHARACTERS = 40
"""More than a cell holds of the narrowest letters."""
FONT = FontProperties(family="DejaVu Sans", size=FONT_SIZE)
BOLD = FontProperties(family="DejaVu Sans", size=FONT_SIZE, weight="bold")
DARK = 0.55
"""Luminance below which text on a shade is white."""
RIGHT_TO_LEFT = {"R", "AL"}
KIND_NAMES = {"answers": "Answers of the task", "description": "Words that describe the task"}
VECTOR_STYLES = {
    "task": ("task_vector", "-", "Task vector"),
    "random": ("baseline", "--", "Random"),
}
BAND_ALPHA = 0.2


def grid(rows: pd.DataFrame, all_tokens: bool = False) -> Figure:
    """The most probable tokens of one task's vector: a row of tokens for each block.

    Args:
        rows: from `projections.with_chosen`, of one model and task.
        all_tokens: see `projections.top_tokens`.
    """
    first = rows.iloc[0]
    blocks = _blocks(int(rows["layer"].max()) + 1, {first["chosen"], first["two_above"]})
    top = top_tokens(rows[rows["layer"].isin(blocks)], RANKS, all_tokens)
    table = top.pivot(index="layer", columns="order", values="probability")
    shades = table.reindex(index=blocks, columns=range(1, RANKS + 1)).to_numpy(dtype=float)
    figure = new_figure(TWO_COLUMNS, 1.25 + 0.19 * len(blocks))
    axes = figure.subplots()
    norm, shade = LogNorm(LEAST_SHADE, 1, clip=True), colormaps["Blues"]
    drawn = axes.pcolormesh(
        np.ma.masked_invalid(shades), cmap=shade, norm=norm, edgecolors="white", linewidth=0.6
    )
    substituted = False
    columns = ("layer", "order", "shown", "is_answer", "probability")
    for layer, order, shown, is_answer, probability in zip(
        *(top[name] for name in columns), strict=True
    ):
        text = drawable(shown)
        substituted |= text != shown
        axes.text(
            order - 0.5,
            blocks.index(layer) + 0.5,
            fitting(text, bool(is_answer)),
            fontproperties=BOLD if is_answer else FONT,
            color="white" if _luminance(shade(norm(probability))) < DARK else "0.1",
            ha="center",
            va="center_baseline",
        )
    frames = {first["two_above"]: "--", first["chosen"]: "-"}
    for block, style in frames.items():
        place = (0, blocks.index(block))
        axes.add_patch(
            Rectangle(place, RANKS, 1, fill=False, linestyle=style, linewidth=1.2, clip_on=False)
        )
    axes.set_yticks(np.arange(len(blocks)) + 0.5, [str(block) for block in blocks])
    axes.set_xticks(np.arange(RANKS) + 0.5, [str(rank) for rank in range(1, RANKS + 1)])
    axes.set(xlabel="Order of the tokens by probability", ylabel="After block")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.03, pad=0.01, extend="min")
    bar.set_label("Probability of the token")
    bar.ax.yaxis.set_major_formatter("{x:g}")  # powers would need mathematics, which is off
    bar.minorticks_off()
    caption(figure, _grid_note(first, top, all_tokens, substituted))
    return figure


def ranks(rows: pd.DataFrame) -> Figure:
    """Median rank of answers and of description words over tasks against the block: task vectors
    and random vectors of the same length, a row of panels per model.

    Args:
        rows: from `projections.with_chosen`.
    """
    means = over_tasks(rows)
    models = list(dict.fromkeys(means["model"]))
    kinds = [kind for kind in KIND_NAMES if kind in set(means["kind"])]
    figure = new_figure(TWO_COLUMNS, 0.9 + 2.1 * len(models))
    panels = figure.subplots(len(models), len(kinds), squeeze=False, sharey="row")
    for line, model in zip(panels, models, strict=True):
        for axes, kind in zip(line, kinds, strict=True):
            found = means[(means["model"] == model) & (means["kind"] == kind)]
            for vector, (colour, style, name) in VECTOR_STYLES.items():
                of_vector = found[found["vector"] == vector].sort_values("layer")
                _band(axes, of_vector, PROCEDURE_COLOURS[colour], style, name)
            axes.set(yscale="log")
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_xlim(-0.5, means.loc[means["model"] == model, "layer"].max() + 0.5)
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
    caption(figure, _ranks_note(rows, means))
    return figure


def drawable(text: str) -> str:
    """A text that the figures' font can draw, or the script of its first foreign letter in angle
    quotes. Scripts that run from right to left are named too: their letters would stand in the
    wrong order, and unjoined."""
    for character in text:
        foreign = ord(character) not in _glyphs()
        if foreign or unicodedata.bidirectional(character) in RIGHT_TO_LEFT:
            name = unicodedata.name(character, "")
            word = name.split(" ")[0].split("-")[0].capitalize()
            word = "Han" if word == "Cjk" else word
            return f"‹{word or f'U+{ord(character):04X}'}›"
    return text


def fitting(text: str, bold: bool = False) -> str:
    """A text cut to the width of a cell, with an ellipsis where something was cut off."""
    if len(text) <= MOST_CHARACTERS and _width(text, bold) <= CELL:
        return text
    length = min(len(text), MOST_CHARACTERS)
    while length > 1 and _width(text[:length] + "…", bold) > CELL:
        length -= 1
    return text[:length] + "…"


def _luminance(colour: tuple[float, ...]) -> float:
    red, green, blue, *_ = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


@cache
def _width(text: str, bold: bool) -> float:
    """In inches."""
    measured = TextToPath().get_text_width_height_descent(text, BOLD if bold else FONT, False)
    return float(measured[0]) / 72


@cache
def _glyphs() -> frozenset[int]:
    """Code points that both weights of the font have."""
    plain, bold = (FT2Font(findfont(font)).get_charmap() for font in (FONT, BOLD))
    return frozenset(plain) & frozenset(bold)


def _blocks(depth: int, marked: set[int]) -> list[int]:
    """The blocks that are drawn, ascending: all, or evenly spaced ones and the marked."""
    step = -(-depth // MOST_BLOCKS)
    return sorted(set(range(depth - 1, -1, -step)) | marked)


def _band(axes: Axes, found: pd.DataFrame, colour: str, style: str, name: str) -> None:
    layers = found["layer"].astype(float)
    axes.plot(layers, found["rank"], style, color=colour, label=name, linewidth=1.3)
    axes.fill_between(
        layers, found["low"], found["high"], color=colour, alpha=BAND_ALPHA, linewidth=0
    )


def _grid_note(first: pd.Series, top: pd.DataFrame, all_tokens: bool, substituted: bool) -> str:
    above = first["two_above"] - first["chosen"]
    where = {0: "which is the last block", 1: "dashed: the last block, one above"}
    frames = where.get(above, "dashed: two above it")
    parts = [
        f"{display_name(first['model'])}, {shortened(first['task'])}: mean task vector (n = "
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


def _ranks_note(rows: pd.DataFrame, means: pd.DataFrame) -> str:
    draws = rows.loc[rows["vector"] == "random", "draw"].nunique()
    counts = means.groupby("kind")["tasks"].max()
    counted = " and ".join(f"{counts[kind]} tasks ({kind})" for kind in counts.index)
    return (
        f"Line: median over n = {counted}; band: quartiles.\n"
        "Answers: median over the first tokens of all usual answers (of k answers it is at least "
        "k/2).\nDescription: the best-ranked of a task's words, for random vectors too.\n"
        f"Random: directions drawn evenly, as long as the task vector, median of {draws} draws."
    )
