"""Task vectors under other templates and of other dummy queries: means over a model's tasks."""

import textwrap
from typing import Any

import pandas as pd

from tvsight.experiments.templates.numbers import CHOICES, Standard
from tvsight.output.columns import Row
from tvsight.output.labels import counted, display_name, number, shortened, sizes
from tvsight.output.marks import level, look_of, rows_of, whiskered
from tvsight.output.panels import legend_above
from tvsight.output.plots import Plot
from tvsight.output.procedures import PROCEDURES, about, title, word
from tvsight.output.theme import TASK_MARKERS, TWO_COLUMNS, model_colours, new_figure, text_in
from tvsight.prompts.templates import TEMPLATES

UPPER_BOUND = "(upper bound)"
"""Beside θ of the query itself."""
LABEL_WIDTH = 16
"""Characters in a line of a choice of dummy queries."""


def matrix(
    model: str,
    means: pd.DataFrame,
    table: pd.DataFrame,
    standard: Standard,
    vector: str = "task_vector",
) -> Plot:
    """Accuracy by template applied under, a row each, and template extracted under, a mark each.

    Args:
        means: from `numbers.template_table`, of one model.
        table: from `numbers.by_variant`, of the same model.
        vector: the procedure of the vectors.
    """
    applied = list(means["applied_under"].drop_duplicates())
    extracted = list(means["extracted_under"].drop_duplicates())
    figure = new_figure(TWO_COLUMNS, 0.8 + len(applied) * (0.2 + 0.15 * len(extracted)))
    axes = figure.subplots()
    rows = {name: index for index, name in enumerate(reversed(applied))}
    first = means.drop_duplicates("applied_under")
    places = first["applied_under"].map(rows)
    for name, style in (("icl", "-"), ("baseline", ":")):
        look: Any = {"color": text_in(PROCEDURES[name].colour), "linestyle": style, "lw": 1.4}
        label = f"{title(name)}, no vector"
        axes.vlines(first[name], places - 0.4, places + 0.4, label=label, **look)
    colours = model_colours(len(extracted))
    for index, (name, colour) in enumerate(zip(extracted, colours, strict=True)):
        kept = means[means["extracted_under"] == name]
        at = kept["applied_under"].map(rows) + 0.25 - 0.5 * index / max(1, len(extracted) - 1)
        look = {"fmt": TASK_MARKERS[index], "color": colour, "markersize": 5, "elinewidth": 0.9}
        label = f"Vector from “{shortened(name)}” prompts"
        whiskered(axes, kept, "accuracy", at, upright=False, label=label, **look)
    rows_of(axes, [_written_out(name) for name in rows])
    axes.set(xlim=(0, 1), ylim=(-0.5, len(rows) - 0.5), xlabel="Mean test accuracy")
    axes.set_ylabel("Applied under")
    for index in range(0, len(rows), 2):
        axes.axhspan(index - 0.5, index + 0.5, color="0.96", zorder=0)
    legend_above(figure, axes, 3)
    note = f"{_about(model, table)} Whiskers: 95 % bootstrap intervals over tasks."
    made = f"θ is the mean over {counted(standard.dummy_queries, 'dummy prompt')}."
    if vector != "task_vector":
        made = f"Vector: {word(vector)}."
    caption = f"{note} {made} The block is chosen on dev for each pair of templates."
    return Plot(figure, f"{display_name(model)}: {_extremes(means, vector)}", caption, note)


def dummy_queries(model: str, means: pd.DataFrame, table: pd.DataFrame, standard: Standard) -> Plot:
    """Accuracy against the number of dummy queries, and by where they come from.

    Args:
        means: from `numbers.dummy_query_table`, of one model.
        table: from `numbers.by_variant`, of the same model.
    """
    figure = new_figure(TWO_COLUMNS, 3.0)
    axes = figure.subplots()
    for name in ("icl", "baseline"):
        level(axes, means[name].iloc[0], name, label=title(name))
    look: Any = {"markersize": 4.5, "elinewidth": 0.9, "capsize": 2, **look_of("task_vector")}
    whiskered(axes, means, "accuracy", range(len(means)), label=title("task_vector"), **look)
    bound = (means["dummy_choice"] == "query").map({True: f" {UPPER_BOUND}", False: ""})
    named = [dummies_named(row) for _, row in means.iterrows()] + bound
    ticks = [textwrap.fill(name, LABEL_WIDTH) for name in named]
    axes.set_xticks(range(len(means)), ticks)
    axes.set(xlim=(-0.5, len(means) - 0.5), ylim=(0, 1), ylabel="Mean test accuracy")
    axes.set_xlabel("Dummy queries: number, and where they come from")
    axes.yaxis.grid(True)
    legend_above(figure, axes, 4)
    note = f"{_about(model, table)} Whiskers: 95 % bootstrap intervals over tasks."
    caption = (
        f"{note} Template: {shortened(standard.template)}. θ of the query "
        "itself may hold its answer. The block is chosen on dev for each point."
    )
    return Plot(figure, _cost(model, means), caption, note)


def blocks(means: Row | pd.Series) -> str:
    """`10 (8–12)`: median and range of the blocks chosen, from a row of `numbers.over_tasks`."""
    first = means["layer_first"]
    last = means["layer_last"]
    return f"{means['layer_median']:g}" + (f" ({first}–{last})" if first != last else "")


def dummies_named(row: Row | pd.Series) -> str:
    """`2 of another task`, `the query itself`: the dummy queries of a row with `VARIANT`."""
    name = CHOICES[row["dummy_choice"]]
    return name if row["dummy_choice"] == "query" else f"{row['dummy_queries']} {name}"


def _written_out(name: str) -> str:
    """A template's name over its text, such as `Q:x / A:y`."""
    text = TEMPLATES.get(name, name).replace("{x}", "x").replace("{y}", "y")
    lines = text.replace("\\n", "\n").split("\n")
    shown = shortened(" / ".join(filter(None, lines)))
    return shown if name not in TEMPLATES else f"{name}\n{shown}"


def _extremes(means: pd.DataFrame, vector: str) -> str:
    """The finding of the matrix: under which template vectors are best extracted, and worst."""
    over = means.groupby("extracted_under", sort=False)["accuracy"].mean().dropna().sort_values()
    if len(over) < 2:
        accuracy = number(means["accuracy"].max())
        return f"the {word(vector)} answers with an accuracy of {accuracy}"
    (worst, least), *_, (best, most) = over.items()
    return (
        f"{about('vectors', vector)} from “{shortened(str(best))}” prompts answer best "
        f"({number(most)} over the templates that they are applied under), from "
        f"“{shortened(str(worst))}” prompts worst ({number(least)})"
    )


def _cost(model: str, means: pd.DataFrame) -> str:
    """The finding on dummy queries: what it costs to take them from another task."""
    name, foreign = display_name(model), means[means["dummy_choice"] == "foreign"]
    if foreign.empty:
        return f"{name}: accuracy by the number of dummy queries"
    cost, left = number(-foreign["difference"].iloc[0]), number(foreign["accuracy"].iloc[0])
    return f"{name}: dummy queries of another task cost {cost} of accuracy and leave {left}"


def _about(model: str, table: pd.DataFrame) -> str:
    tasks = table["task"].nunique()
    over = f"mean over {counted(tasks, 'task')}, n = {sizes(table['n'])} test episodes each."
    text = f"{display_name(model)}: {over}"
    return text if tasks > 1 else f"{text} One task has no interval over tasks."
