"""The tokens of a mean vector by block, and the ranks of answers and of words that describe a
task."""

import unicodedata
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from tvsight.output.labels import block, counted, display_name, task_title
from tvsight.output.lettering import fitting, font
from tvsight.output.marks import frame, heat_map
from tvsight.output.panels import PANEL_NAME, axis_of_blocks, block_ticks, category_strip
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, about, title, word
from tvsight.output.theme import COLOUR_MAP, TWO_COLUMNS, new_figure, text_on
from tvsight.protocol.layers import PEAK_SHARE
from tvsight.tasks import in_order

RANKS = 10
"""Tokens of a block in a figure."""
MOST_BLOCKS = 26
"""Blocks that fit; some blocks of deeper models are left out."""
MARKS = {
    "is_answer": ("#f5c26b", "begins an answer"),
    "describes": ("#8ec1de", "describes the task"),
}
"""Colours of tokens, and what they mean, by column."""
PLAIN, WINDOW = "0.96", "#dbe9f6"
"""Colour of other tokens, and of blocks where patching works."""
ROW, INSET = 0.2, 0.08
"""Height of a row of the overview in inches, and of a frame from the edge of its cell in cells."""
FONT_SIZE = 6.2
CELL = 0.53
"""Width of a text in a cell, in inches: a little less than the cell."""
RIGHT_TO_LEFT = {"R", "AL"}
KIND_NAMES = {"answers": "Answers of the task", "description": "Words that describe the task"}
RANDOM_STYLE = ("0.35", "--", "Random vectors (chance)")
"""Colour, line and name of the vectors that others are compared with."""
BAND_ALPHA = 0.2


def grid(
    rows: pd.DataFrame, top: pd.DataFrame, all_tokens: bool = False, vector: str = "task_vector"
) -> Plot:
    """The most probable tokens of one task's vector: a row of tokens for each block.

    Args:
        rows: from `numbers.with_chosen`, of one model and task.
        top: from `numbers.top_tokens`, of the same rows, at most `RANKS` after a block.
        all_tokens: whether `top` holds the tokens that the paper leaves out.
        vector: the procedure of the vector.
    """
    first, depth = rows.iloc[0], int(rows["layer"].max()) + 1
    step = -(-depth // MOST_BLOCKS)
    blocks = sorted({*range(depth - 1, -1, -step), first["chosen"], first["two_above"]})
    top = top[top["layer"].isin(blocks)]
    figure = new_figure(TWO_COLUMNS, 1.1 + 0.19 * len(blocks))
    axes = figure.subplots()
    substituted = False
    for _, token in top.iterrows():
        text, row = drawable(token["shown"]), blocks.index(token["layer"])
        substituted |= text != token["shown"]
        mark_name = next((mark for mark in MARKS if token[mark]), "")
        colour = MARKS[mark_name][0] if mark_name else PLAIN
        bold = mark_name == "is_answer"
        look: Any = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.6}
        axes.add_patch(Rectangle((token["order"] - 1, row), 1, 1, **look))
        style: Any = {"style": "italic" if mark_name == "describes" else "normal"}
        style |= {"fontproperties": font(FONT_SIZE, bold), "ha": "center", "va": "center_baseline"}
        axes.text(token["order"] - 0.5, row + 0.5, fitting(text, CELL, FONT_SIZE, bold), **style)
    for layer, line in {first["two_above"]: "--", first["chosen"]: "-"}.items():
        framed: Any = {"fill": False, "linestyle": line, "linewidth": 1.2, "clip_on": False}
        axes.add_patch(Rectangle((0, blocks.index(layer)), RANKS, 1, **framed))
    axes.set_yticks(np.arange(len(blocks)) + 0.5, [str(layer) for layer in blocks])
    axes.set_xticks(np.arange(RANKS) + 0.5, [str(rank) for rank in range(1, RANKS + 1)])
    axes.set(xlabel="Order of the tokens by probability", ylabel="After block")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(0, RANKS), ylim=(0, len(blocks)))
    handles = [Patch(color=colour, label=name) for colour, name in MARKS.values()]
    legend = figure.legend(handles=handles, ncols=2, loc="outside upper left")
    answer, describing = legend.get_texts()
    answer.set(fontweight="bold")  # as in the cells, which are told apart without colour too
    describing.set(fontstyle="italic")
    note = (
        f"{display_name(first['model'])}; {about('mean vector', vector)} of n = "
        f"{first['episodes']} dev episodes. "
        f"Frame: the chosen block; {_dashed(first)}."
    )
    read = "mean task vector" if vector == "task_vector" else word(vector)
    parts = [
        f"{display_name(first['model'])}, {task_title(first['task'])}: {read} (n = "
        f"{first['episodes']} dev episodes) through final norm and unembedding.\n"
        f"Frame: the chosen block; {_dashed(first)}."
    ]
    if not all_tokens:
        parts.append("Without tokens that are not letters alone, and repetitions but for case.")
    parts.append("Bold: the first token of an answer. Italic: a word that describes the task.")
    if substituted:
        parts.append("‹…›: a token in a script that cannot be drawn here.")
    shown, where = top[top["layer"] == first["two_above"]], block(first["two_above"], depth)
    mark_name = (
        f"{task_title(first['task'])}: {int(shown['is_answer'].sum())} of the {len(shown)} most "
        f"probable tokens after {where} begin an answer"
    )
    return Plot(figure, about(mark_name, vector), " ".join(parts), note)


def overview(shares: pd.DataFrame, model: str, vector: str = "task_vector") -> Plot:
    """The share of answers among the most probable tokens: a row per task, a column per block.

    Args:
        shares: from `numbers.shares`, of at most `RANKS` tokens after a block.
        vector: the procedure of the vectors.
    """
    model_rows = shares[shares["model"] == model]
    by_task = model_rows.drop_duplicates("task").set_index("task")
    categories = dict(zip(model_rows["task"], model_rows["category"], strict=True))
    order = in_order(categories)
    depth = int(model_rows["layer"].max()) + 1
    grid = model_rows.pivot(index="task", columns="layer", values="answers")
    cells = grid.reindex(index=order, columns=range(depth))
    height = max(3, len(order)) * ROW
    figure = new_figure(TWO_COLUMNS * 0.85, 1.0 + height)
    strip, axes = figure.subplots(1, 2, width_ratios=[0.03, 1])
    category_strip(strip, [categories[task] for task in order], height, upright=True)
    values = cells.to_numpy(dtype=float)
    drawn = heat_map(axes, cells, list(map(task_title, order)), [])
    for column, style in (("two_above", "--"), ("chosen", "-")):
        for row, layer in enumerate(by_task.loc[order, column].astype(int)):
            shade = values[row, layer]
            colour = "black" if np.isnan(shade) else text_on(COLOUR_MAP(shade))
            look: Any = {"edgecolor": colour, "linestyle": style, "linewidth": 0.8}
            frame(axes, layer, row, INSET, **look)
    axis_of_blocks(axes, depth, label="Block after which the vector was read")
    axes.tick_params(labelsize=7)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label(f"Share of the {RANKS} tokens")
    at_paper = model_rows[model_rows["layer"] == model_rows["two_above"]]
    finding = (
        f"Two blocks above the chosen one, answers are among the {RANKS} most probable tokens for "
        f"{int((at_paper['answers'] > 0).sum())} of {counted(len(order), 'task')}"
    )
    note = f"{display_name(model)}. Frame: the chosen block; dashed: two above it, or the last."
    caption = (
        f"{note} Cells: the share of the {RANKS} most probable tokens of a task's mean dev vector "
        "that begin one of its answers, through final norm and unembedding."
    )
    return Plot(figure, about(finding, vector), caption, note)


def ranks(
    means: pd.DataFrame, windows: dict[str, tuple[int, int]], vector: str = "task_vector"
) -> Plot:
    """Median rank of answers and of description words over tasks against the block: the vectors of
    tasks and random vectors of the same length, a row of panels per model.

    Args:
        means: from `numbers.over_tasks`.
        windows: from `numbers.windows`.
        vector: the procedure of the vectors.
    """
    own = (PROCEDURES[vector].colour, "-", title(vector))
    models = list(dict.fromkeys(means["model"]))
    kinds = [kind for kind in KIND_NAMES if kind in set(means["kind"])]
    figure = new_figure(TWO_COLUMNS, 0.9 + 2.1 * len(models))
    panels = figure.subplots(len(models), len(kinds), squeeze=False, sharey="row")
    for line, model in zip(panels, models, strict=True):
        model_rows, (first, last) = means[means["model"] == model], windows[model]
        depth = int(model_rows["layer"].max()) + 1
        for axes, kind in zip(line, kinds, strict=True):
            axes.axvspan(first - 0.5, last + 0.5, color=WINDOW, linewidth=0)
            kind_rows = model_rows[model_rows["kind"] == kind].sort_values("layer")
            drawn = kind_rows["vector"] == "random"
            for lines, named in ((kind_rows[~drawn], own), (kind_rows[drawn], RANDOM_STYLE)):
                colour, style, label = named
                layers = lines["layer"].astype(float)
                axes.plot(layers, lines["rank"], style, color=colour, label=label, linewidth=1.3)
                band: Any = {"color": colour, "alpha": BAND_ALPHA, "linewidth": 0}
                axes.fill_between(layers, lines["low"], lines["high"], **band)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_xlim(-0.5, depth - 0.5)
            axes.set_xticks(block_ticks(depth, {first, last}))
            axes.yaxis.grid(True)
            name = f"{display_name(model)}: " if len(models) > 1 else ""
            axes.set_title(f"{name}{KIND_NAMES[kind]}", loc="left", fontsize=PANEL_NAME)
        line[0].set_ylabel("Median rank (log, 1 is most probable)", fontsize=PANEL_NAME)
        line[0].set_ylim(bottom=0.8)
        line[0].invert_yaxis()
    for axes in panels[-1]:
        axes.set_xlabel("Block after which the vector was read")
    handles, _ = panels[0][0].get_legend_handles_labels()
    handles.append(Patch(color=WINDOW, label="Patching works"))
    figure.legend(handles=handles, ncols=len(handles), loc="outside upper left")
    tasks = means.groupby("kind")["tasks"].max()
    counts = " and ".join(f"{tasks[kind]} tasks ({kind})" for kind in tasks.index)
    names = ", ".join(map(display_name, models))
    note = f"{names}. Line: median over n = {counts}; band: quartiles."
    draws = means.loc[means["vector"] == "random", "draws"].max()
    share = f"{100 * PEAK_SHARE:.0f} %"
    caption = (
        f"{note} Shaded: blocks around the peak of mean dev accuracy with at least {share} of it. "
        "Answers: median over the first tokens of all usual answers (of k answers it is at least "
        "k/2).\nDescription: the best-ranked of a task's words, for random vectors too.\n"
        f"Random: directions drawn evenly, as long as the {word(vector)}, median of {draws} draws."
    )
    return Plot(figure, _last_ranks(means, vector), caption, note)


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
    """Code points that the fonts have in both weights."""
    plain, bold = (
        {
            code
            for file in fontManager._find_fonts_by_props(font(FONT_SIZE, is_bold))
            for code in FT2Font(file).get_charmap()
        }
        for is_bold in (False, True)
    )
    return frozenset(plain & bold)


def _last_ranks(means: pd.DataFrame, vector: str) -> str:
    """The finding of the ranks: where those of answers end, beside random vectors."""
    parts = []
    for model, model_rows in means[means["kind"] == "answers"].groupby("model", sort=False):
        at_last = model_rows[model_rows["layer"] == model_rows["layer"].max()]
        drawn = at_last["vector"] == "random"
        own, random = at_last.loc[~drawn, "rank"].item(), at_last.loc[drawn, "rank"].item()
        parts.append(f"{display_name(str(model))} {own:,.0f} (random vectors {random:,.0f})")
    if not parts:
        return about("Ranks of words that describe the task", vector)
    answers = about("Median rank of answers after the last block", vector)
    return f"{answers}: {', '.join(parts)}"


def _dashed(first: pd.Series) -> str:
    """The meaning of the second frame of a grid."""
    above = first["two_above"] - first["chosen"]
    where = {0: "which is the last block", 1: "dashed: the last block, one above"}
    return where.get(above, "dashed: two above it")
