"""Task vectors under other templates and of other dummy queries: means over a model's tasks."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from tvsight.experiments.templates.numbers import CHOICES, Standard
from tvsight.output.labels import counted, display_name, interval, shortened, sizes
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, title
from tvsight.output.theme import COLOUR_MAP, TWO_COLUMNS, new_figure, text_on

LABEL_WIDTH = 12
"""Characters in a line of a template's name, or of a choice of dummy queries."""


def matrix(model: str, means: pd.DataFrame, table: pd.DataFrame, standard: Standard) -> Plot:
    """Accuracy by template extracted under and template applied under, with baseline and ICL.

    Args:
        means: from `numbers.of_templates`, of one model.
        table: from `numbers.by_variant`, of the same model.
    """
    names = list(means["applied_under"].drop_duplicates())
    figure = new_figure(TWO_COLUMNS, 1.5 + 0.52 * len(names))
    left, right, bar = figure.subplots(1, 3, width_ratios=[len(names), 2, 0.12])
    cells = [f"{_over_lines(row, 'accuracy')}\nblock {blocks(row)}" for _, row in means.iterrows()]
    square = {"index": "applied_under", "columns": "extracted_under"}
    vectors = means.pivot(**square, values="accuracy").reindex(index=names, columns=names)
    texts = means.assign(text=cells).pivot(**square, values="text")
    _heat_map(left, vectors, texts.reindex(index=names, columns=names), bar)
    left.set(xlabel="Task vector extracted under", ylabel="Applied under")
    left.set_yticklabels([_wrapped(name) for name in names], rotation=0)
    first = means.drop_duplicates("applied_under").set_index("applied_under").loc[names]
    columns = {name: title(name) for name in ("icl", "baseline")}
    beside = {name: [_over_lines(row, name) for _, row in first.iterrows()] for name in columns}
    _heat_map(right, first[list(columns)].rename(columns=columns), pd.DataFrame(beside), None)
    right.set(xlabel="No vector", ylabel="", yticks=[])
    note = f"{_about(model, table)} [ ]: 95 % bootstrap interval over tasks."
    caption = (
        f"{note} θ is the mean over {counted(standard.dummy_queries, 'dummy prompt')}. In the "
        "cells: mean test accuracy, its interval, and the block chosen on dev, median (range over "
        "tasks)."
    )
    return Plot(figure, _extremes(means), caption, note)


def dummy_queries(model: str, means: pd.DataFrame, table: pd.DataFrame, standard: Standard) -> Plot:
    """Accuracy against the number of dummy queries, and by where they come from.

    Args:
        means: from `numbers.of_dummy_queries`, of one model.
        table: from `numbers.by_variant`, of the same model.
    """
    is_of_task = means["dummy_choice"] == "task"
    of_task = means[is_of_task]
    choices = means[~is_of_task | (means["dummy_queries"] == standard.dummy_queries)]
    figure = new_figure(TWO_COLUMNS, 3.0)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[len(of_task), len(choices) + 1])
    for axes, shown, line in ((left, of_task, "-"), (right, choices, "")):
        _references(axes, means.iloc[0])
        _points(axes, shown, line)
        axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(0, 1))
        axes.yaxis.grid(True)
    numbers = [f"{row['dummy_queries']}\n{_block_lines(row)}" for _, row in of_task.iterrows()]
    left.set_xticks(range(len(of_task)), numbers)
    right.set_xticks(range(len(choices)), [_choice_tick(row) for _, row in choices.iterrows()])
    left.set(xlabel="Dummy queries of the task", ylabel="Mean test accuracy")
    right.set(xlabel="Where dummy queries come from")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=3, loc="outside upper left")
    note = f"{_about(model, table)} Whiskers, bands: 95 % bootstrap intervals over tasks."
    caption = (
        f"{note} Template: {shortened(standard.template)}. Blocks are those chosen on dev, median "
        "(range over tasks). θ of the query itself may hold its answer."
    )
    return Plot(figure, _by_choice(choices), caption, note)


def blocks(means: pd.Series) -> str:
    """`10 (8–12)`: median and range of the blocks chosen, from a row of `numbers.over_tasks`."""
    first = means["layer_first"]
    last = means["layer_last"]
    return f"{means['layer_median']:g}" + (f" ({first}–{last})" if first != last else "")


def dummies_named(row: pd.Series) -> str:
    """`2 of another task`, `the query itself`: the dummy queries of a row with `VARIANT`."""
    name = CHOICES[row["dummy_choice"]]
    return name if row["dummy_choice"] == "query" else f"{row['dummy_queries']} {name}"


def _heat_map(axes: Axes, grid: pd.DataFrame, texts: pd.DataFrame, bar: Axes | None) -> None:
    options: dict[str, Any] = {"cbar": False}
    if bar is not None:
        options = {"cbar_ax": bar, "cbar_kws": {"label": "Mean test accuracy"}}
    sns.heatmap(
        grid.astype(float),
        ax=axes,
        annot=texts.to_numpy(),
        fmt="",
        annot_kws={"fontsize": 6.5, "linespacing": 1.3},
        vmin=0,
        vmax=1,
        cmap=COLOUR_MAP,
        linewidths=1,
        xticklabels=[_wrapped(str(name)) for name in grid.columns],
        **options,
    )
    for text, value in zip(axes.texts, grid.to_numpy(dtype=float).ravel(), strict=True):
        text.set_color(text_on(COLOUR_MAP(value)))
    axes.tick_params(axis="x", rotation=0, labelsize=6.5)
    axes.tick_params(axis="both", length=0)


def _points(axes: Axes, means: pd.DataFrame, line: str) -> None:
    drawn_as = PROCEDURES["task_vector"]
    value = means["accuracy"].to_numpy()
    below = value - means["accuracy_low"].to_numpy()
    above = means["accuracy_high"].to_numpy() - value
    axes.errorbar(
        range(len(means)),
        value,
        yerr=np.nan_to_num(np.clip([below, above], 0, None)),
        fmt=drawn_as.marker + line,
        color=drawn_as.colour,
        markersize=4.5,
        linewidth=1.2,
        elinewidth=0.9,
        capsize=2,
        label=drawn_as.title,
        zorder=3,
    )


def _references(axes: Axes, means: pd.Series) -> None:
    for name, style in (("icl", "--"), ("baseline", ":")):
        colour = PROCEDURES[name].colour
        axes.axhline(means[name], color=colour, linestyle=style, linewidth=1.3, label=title(name))
        low = means[f"{name}_low"]
        if not pd.isna(low):
            axes.axhspan(low, means[f"{name}_high"], color=colour, alpha=0.12, linewidth=0)


def _over_lines(row: pd.Series, name: str) -> str:
    """A value, and its interval on the next line."""
    return interval(row, name).replace(" [", "\n[")


def _choice_tick(row: pd.Series) -> str:
    return "\n".join([*textwrap.wrap(dummies_named(row), LABEL_WIDTH), _block_lines(row)])


def _block_lines(row: pd.Series) -> str:
    return f"block {blocks(row)}".replace(" (", "\n(")


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(shortened(name), LABEL_WIDTH)) or name


def _extremes(means: pd.DataFrame) -> str:
    """The finding of the matrix: its least and its highest mean."""
    known = means.dropna(subset="accuracy").sort_values("accuracy", kind="stable")
    first, last = (
        f"{row['accuracy']:.2f} ({shortened(row['extracted_under'])} applied under "
        f"{shortened(row['applied_under'])})"
        for row in (known.iloc[0], known.iloc[-1])
    )
    return f"The task vector's accuracy lies between {first} and {last}"


def _by_choice(choices: pd.DataFrame) -> str:
    """The finding on dummy queries: the accuracy with each choice of them."""
    parts = [f"{row['accuracy']:.2f} with {dummies_named(row)}" for _, row in choices.iterrows()]
    return f"Dummy queries: {', '.join(parts)}"


def _about(model: str, table: pd.DataFrame) -> str:
    tasks = table["task"].nunique()
    over = f"mean over {counted(tasks, 'task')}, n = {sizes(table['n'])} test episodes each."
    text = f"{display_name(model)}: {over}"
    return text if tasks > 1 else f"{text} One task has no interval over tasks."
