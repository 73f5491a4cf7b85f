"""The tokens of a mean vector by block, and the ranks of answers and of words that describe a
task."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from tvsight.output.labels import counted, display_name, sizes, task_title
from tvsight.output.lettering import drawable, fitting, font
from tvsight.output.marks import frame, grid_of_panels, heat_map, legend_of
from tvsight.output.panels import PANEL_NAME, axis_of_blocks, category_strip, line
from tvsight.output.plots import Plot
from tvsight.output.procedures import about, title, word
from tvsight.output.theme import COLOUR_MAP, LEAST_TYPE, TWO_COLUMNS, new_figure, text_on
from tvsight.protocol.layers import PEAK_SHARE
from tvsight.tasks import in_order

RANKS = 10
"""Tokens of a block that the overview counts."""
TOKENS, MOST_BLOCKS = 4, 12
"""Tokens of a block in a panel, and its blocks; some of deeper models are left out."""
PANEL, LINE, CELL = 2.2, 0.125, 0.45
"""Width of a panel with its blocks, height of a row, and width of a text in a cell, in inches."""
MARKS = {
    "is_answer": ("#f5c26b", "begins an answer (bold)"),
    "describes": ("#8ec1de", "describes the task (italic)"),
}
"""Colours of tokens, and what they mean, by column."""
PLAIN, WINDOW = "0.96", "#dbe9f6"
"""Colour of other tokens, and of blocks where patching works."""
ROW, INSET = 0.2, 0.08
"""Height of a row of the overview in inches, and of a frame from the edge of its cell in cells."""
KIND_NAMES = {"answers": "Answers of the task", "description": "Words that describe the task"}
RANDOM = ("random_vector", "Random vectors (chance)", "--")
"""Look, name and line of the vectors that others are compared with."""


def by_task(
    top: pd.DataFrame, model: str, all_tokens: bool = False, vector: str = "task_vector"
) -> Plot:
    """The most probable tokens of each task's vector after the upper half of the blocks: a panel
    per task, a row per block.

    Args:
        top: from `numbers.top_tokens`, of rows from `numbers.with_chosen`.
        all_tokens: whether `top` holds the tokens that the paper leaves out.
        vector: the procedure of the vectors.
    """
    rows = top[(top["model"] == model) & (top["order"] <= TOKENS)]
    depth = int(rows["layer"].max()) + 1
    tasks = in_order(dict(zip(rows["task"], rows["category"], strict=True)))
    step = -(-depth // (2 * MOST_BLOCKS))
    common = range(depth - 1, (depth - 1) // 2 - 1, -step)
    figure = new_figure(TWO_COLUMNS, 1)
    across = max(1, min(len(tasks), round(figure.get_figwidth() / PANEL)))
    figure.set_figheight(0.5 + -(-len(tasks) // across) * (0.3 + LINE * (len(common) + 1)))
    for axes, task in zip(grid_of_panels(figure, len(tasks), across), tasks, strict=True):
        task_rows = rows[rows["task"] == task]
        marked = task_rows.iloc[0][["chosen", "two_above"]].astype(int)
        blocks = sorted({*common, *marked})
        for _, token in task_rows[task_rows["layer"].isin(blocks)].iterrows():
            _cell(axes, token, blocks.index(token["layer"]))
        for layer, style in zip(marked[::-1], ("--", "-"), strict=True):
            framed: Any = {"fill": False, "linestyle": style, "linewidth": 0.9, "clip_on": False}
            axes.add_patch(Rectangle((0, blocks.index(layer)), TOKENS, 1, **framed))
        axes.set_title(task_title(task), loc="left", fontsize=PANEL_NAME, pad=3)
        axes.set_yticks(np.arange(len(blocks)) + 0.5, list(map(str, blocks)), fontsize=LEAST_TYPE)
        axes.set(xlim=(0, TOKENS), ylim=(0, len(blocks)), xticks=[])
        axes.tick_params(length=0, pad=2)
        axes.spines[:].set_visible(False)
    known = [mark for column, mark in MARKS.items() if rows[column].any()]
    handles = [Patch(color=colour, label=name) for colour, name in known]
    figure.legend(handles=handles, ncols=2, loc="outside upper left")
    note = (
        f"{display_name(model)}; n = {sizes(rows['episodes'])} dev episodes per task. Frame: the "
        "chosen block; dashed: two above it, or the last."
    )
    parts = [f"{note} The mean vector of these goes through norm and unembedding."]
    if not all_tokens:
        parts.append("Without tokens that are not letters alone, and repetitions but for case.")
    parts.append("‹…›: a token in a script that cannot be drawn here.")
    answers = rows[rows["is_answer"].astype(bool)]
    chosen, above = (
        answers.loc[answers["layer"] == answers[where], "task"].nunique()
        for where in ("chosen", "two_above")
    )
    finding = (
        f"{display_name(model)}: an answer is among the {TOKENS} most probable tokens of {chosen} "
        f"of {counted(len(tasks), 'task')} after the chosen block, of {above} two blocks above"
    )
    return Plot(figure, about(finding, vector), " ".join(parts), note)


def _cell(axes: Axes, token: pd.Series, row: int) -> None:
    """A token in its row, with its mark."""
    mark = next((name for name in MARKS if token[name]), "")
    colour, bold = (MARKS[mark][0] if mark else PLAIN), mark == "is_answer"
    look: Any = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.6}
    axes.add_patch(Rectangle((token["order"] - 1, row), 1, 1, **look))
    style: Any = {"style": "italic" if mark == "describes" else "normal"}
    style |= {"fontproperties": font(LEAST_TYPE, bold), "ha": "center", "va": "center_baseline"}
    text = fitting(drawable(token["shown"]), CELL, LEAST_TYPE, bold)
    axes.text(token["order"] - 0.5, row + 0.45, text, **style)


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
        f"{display_name(model)}: two blocks above the chosen one, answers are among the {RANKS} "
        f"most probable tokens for {int((at_paper['answers'] > 0).sum())} of "
        f"{counted(len(order), 'task')}"
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
    models = list(dict.fromkeys(means["model"]))
    kinds = [kind for kind in KIND_NAMES if kind in set(means["kind"])]
    figure = new_figure(TWO_COLUMNS, 0.9 + 2.1 * len(models))
    drawn = grid_of_panels(figure, len(models) * len(kinds), len(kinds), sharey=True)
    for axes, (model, kind) in zip(drawn, product(models, kinds), strict=True):
        rows, window = means[(means["model"] == model) & (means["kind"] == kind)], windows[model]
        axes.axvspan(window[0] - 0.5, window[1] + 0.5, color=WINDOW, lw=0, label="Patching works")
        for procedure, name, style in ((vector, title(vector), "-"), RANDOM):
            own = rows[(rows["vector"] == "random") == (procedure == RANDOM[0])]
            look: Any = {"value": "rank", "marker": "", "linestyle": style}
            line(axes, own.sort_values("layer"), "layer", procedure, name, **look)
        depth, label = int(rows["layer"].max()) + 1, "Block after which the vector was read"
        axis_of_blocks(axes, depth, window, label=label)
        axes.set(yscale="log", yticks=[10**power for power in range(6)])
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.grid(True)
        name = f"{display_name(model)}: " if len(models) > 1 else ""
        axes.set_title(f"{name}{KIND_NAMES[kind]}", loc="left", fontsize=PANEL_NAME)
    drawn[0].set_ylim(bottom=0.8)
    drawn[0].invert_yaxis()
    for axes in drawn[:: len(kinds)]:
        axes.set_ylabel("Median rank (log, 1 is most probable)", fontsize=PANEL_NAME)
    legend_of(figure, drawn[:1], ncols=3)
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
    return Plot(figure, _where_it_works(means, windows, vector), caption, note)


def _where_it_works(means: pd.DataFrame, windows: dict[str, tuple[int, int]], vector: str) -> str:
    """The finding of the ranks: those of answers after the last block where patching works."""
    answers = means[means["kind"] == "answers"].assign(drawn=means["vector"] == "random")
    found = answers.pivot(index=["model", "layer"], columns="drawn", values="rank")
    last = [(model, windows[model][1]) for model in dict.fromkeys(answers["model"])]
    if not last:
        return about("Ranks of words that describe the task", vector)
    parts = [
        f"{own:,.0f} (random vectors {random:,.0f}; {display_name(model)}, block {layer})"
        for (model, layer), (own, random) in zip(last, found.loc[last].to_numpy(), strict=True)
    ]
    yet = (
        "not in the vector yet"
        if found.loc[last].to_numpy()[:, 0].min() > RANKS
        else "in the vector"
    )
    said = about(f"The answer is {yet} where patching works", vector)
    return f"{said}: median rank {', '.join(parts)}"
