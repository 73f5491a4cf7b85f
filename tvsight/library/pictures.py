"""Figures of one prompt: the logit lens, a vector after every block, and attention."""

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from tvsight.output.lettering import drawable
from tvsight.output.marks import grid_of_panels, heat_map, look_of, say_cells
from tvsight.output.plots import Plot
from tvsight.output.theme import SCREEN_DPI, TWO_COLUMNS, new_figure
from tvsight.texts import visible

PANEL, MOST_NAMED = 1.9, 14
"""Height of a panel of attention in inches, and the most tokens that are named beside it."""


def lens_figure(prompt: str, table: pd.DataFrame) -> Figure:
    """See `Lens.plot`."""
    probability, token = (
        table.pivot_table(index="block", columns="rank", values=name, aggfunc="first")
        for name in ("probability", "token")
    )
    figure = new_figure(TWO_COLUMNS, 0.8 + 0.2 * len(token))
    axes = figure.subplots()
    names = [str(block) for block in token.index]
    heat_map(axes, probability, names, [str(rank) for rank in token])
    say_cells(axes, token.to_numpy(), _drawn, probability.to_numpy(dtype=float))
    axes.set(xlabel="rank", ylabel="block")
    told = (
        f"The most probable next tokens after each block of: {prompt}\nColour is their "
        "probability: white is 0, dark blue is 1."
    )
    return _shown(Plot(figure, "Logit lens", told, told))


def sweep_figure(query: str, expected: str, table: pd.DataFrame) -> Figure:
    """See `Sweep.plot`."""
    figure = new_figure(TWO_COLUMNS, 2.4)
    axes = figure.subplots()
    look = look_of("task_vector") | {"linestyle": "-"}
    axes.plot(table["block"], table["log_probability"], **look)
    named = [
        f"{_drawn(answer.strip())}  {block}"
        for block, answer in zip(table["block"], table["answer"], strict=True)
    ]
    axes.set_xticks(table["block"], named, rotation=90)
    answer = _drawn(expected.strip())
    axes.set(xlabel="answer, block", ylabel=f"log-probability of “{answer}”")
    told = f"The vector is applied to “{query.strip()}” after each block alone."
    return _shown(Plot(figure, "One vector after every block", told, told))


def attention_figure(tokens: list[str], patterns: Tensor, layer: int) -> Figure:
    """See `Attention.plot`."""
    heads, count, _ = patterns.shape
    across = min(heads, 4)
    step, down = -(-count // MOST_NAMED), -(-heads // across)
    named = ["" if place % step else _drawn(token) for place, token in enumerate(tokens)]
    figure = new_figure(TWO_COLUMNS, 1 + down * PANEL)
    for head, axes in enumerate(grid_of_panels(figure, heads, across)):
        first, last = head % across == 0, head >= heads - across
        values = pd.DataFrame(patterns[head].numpy())
        heat_map(axes, values, named * first, named * last, turned=True)
        axes.set(title=f"head {head}", xlabel="to" if last else "", ylabel="from" * first)
    told = "Rows attend to columns, and each sums to 1; white is 0, dark blue is 1."
    return _shown(Plot(figure, f"Attention in block {layer}", told, told))


def _shown(plot: Plot) -> Figure:
    figure = plot.lettered()
    figure.set_dpi(SCREEN_DPI)  # by which notebooks draw it
    return figure


def _drawn(token: str) -> str:
    return drawable(visible(token))
