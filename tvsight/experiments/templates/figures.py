"""Task vectors under other templates and of other dummy queries: means over a model's tasks."""

import textwrap
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tvsight.experiments.templates.numbers import (
    blocks,
    dummies_named,
    main_and_standard,
    of_dummy_queries,
    of_templates,
    over_tasks,
)
from tvsight.output.labels import PROCEDURE_NAMES, counted, display_name, shortened, sizes
from tvsight.output.theme import (
    PROCEDURE_COLOURS,
    PROCEDURE_MARKERS,
    TWO_COLUMNS,
    caption,
    new_figure,
)

LABEL_WIDTH = 12
"""Characters in a line of a template's name, or of a choice of dummy queries."""
VECTOR = "task_vector"


def matrix(table: pd.DataFrame) -> Figure:
    """Accuracy by template extracted under and template applied under, with baseline and ICL.

    Args:
        table: from `template_transfer.by_variant`, of one model.
    """
    means = of_templates(over_tasks(table))
    names = list(means["applied_under"].drop_duplicates())
    figure = new_figure(TWO_COLUMNS, 1.5 + 0.52 * len(names))
    left, right, bar = figure.subplots(1, 3, width_ratios=[len(names), 2, 0.12])
    texts = means.assign(text=[_cell(row, "accuracy", True) for _, row in means.iterrows()])
    vectors, said = (
        texts.pivot(index="applied_under", columns="extracted_under", values=values).reindex(
            index=names, columns=names
        )
        for values in ("accuracy", "text")
    )
    _heat_map(left, vectors, said, bar)
    left.set(xlabel="Task vector extracted under", ylabel="Applied under")
    left.set_yticklabels([_wrapped(name) for name in names], rotation=0)
    first = means.drop_duplicates("applied_under").set_index("applied_under").loc[names]
    columns = ["icl", "baseline"]
    said = pd.DataFrame(
        {name: [_cell(row, name, False) for _, row in first.iterrows()] for name in columns},
        index=names,
    )
    _heat_map(right, first[columns].rename(columns=PROCEDURE_NAMES), said, None)
    right.set(xlabel="No vector", ylabel="", yticks=[])
    _, standard = main_and_standard(table)
    note = (
        f"{_about(table)} θ is the mean over {counted(standard, 'dummy prompt')}. In the cells: "
        "mean test accuracy, its 95 % bootstrap interval over tasks, and L, the block chosen on "
        "dev: median (range over tasks)."
    )
    caption(figure, note)
    return figure


def dummy_queries(table: pd.DataFrame) -> Figure:
    """Accuracy against the number of dummy queries, and by where they come from.

    Args:
        table: from `template_transfer.by_variant`, of one model.
    """
    means = of_dummy_queries(over_tasks(table))
    main, standard = main_and_standard(table)
    of_task = means[means["dummy_choice"] == "task"]
    choices = means[(means["dummy_choice"] != "task") | (means["dummy_queries"] == standard)]
    figure = new_figure(TWO_COLUMNS, 3.0)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[len(of_task), len(choices) + 1])
    for axes, shown in ((left, of_task), (right, choices)):
        _references(axes, means.iloc[0])
        _points(axes, shown, "-" if axes is left else "")
        axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(0, 1))
        axes.yaxis.grid(True)
    left.set_xticks(range(len(of_task)), [_tick(row) for _, row in of_task.iterrows()])
    right.set_xticks(range(len(choices)), [_choice_tick(row) for _, row in choices.iterrows()])
    left.set(xlabel="Dummy queries of the task", ylabel="Mean test accuracy")
    right.set(xlabel="Where dummy queries come from")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=3, loc="outside upper left")
    note = (
        f"{_about(table)} Template {shortened(main)}.\n"
        "Whiskers and bands: 95 % bootstrap intervals over tasks. L: the block chosen on dev, "
        "median (range over tasks).\nθ of the query itself may hold its answer."
    )
    caption(figure, note)
    return figure


def _heat_map(axes: Axes, grid: pd.DataFrame, said: pd.DataFrame, bar: Axes | None) -> None:
    options: dict[str, Any] = {"cbar": False}
    if bar is not None:
        options = {"cbar_ax": bar, "cbar_kws": {"label": "Mean test accuracy"}}
    sns.heatmap(
        grid.astype(float),
        ax=axes,
        annot=said.to_numpy(),
        fmt="",
        annot_kws={"fontsize": 6.5, "linespacing": 1.3},
        vmin=0,
        vmax=1,
        cmap="viridis",
        linewidths=1,
        xticklabels=[_wrapped(str(name)) for name in grid.columns],
        **options,
    )
    axes.tick_params(axis="x", rotation=0, labelsize=6.5)
    axes.tick_params(axis="both", length=0)


def _cell(row: pd.Series, name: str, with_block: bool) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    text = f"{value:.2f}" + ("" if pd.isna(low) else f"\n[{low:.2f}, {high:.2f}]")
    return text + (f"\nL {blocks(row)}" if with_block else "")


def _points(axes: Axes, means: pd.DataFrame, line: str) -> None:
    value = means["accuracy"].to_numpy()
    whiskers = [
        (value - means["accuracy_low"].to_numpy()),
        (means["accuracy_high"].to_numpy() - value),
    ]
    axes.errorbar(
        range(len(means)),
        value,
        yerr=pd.DataFrame(whiskers).fillna(0).clip(lower=0).to_numpy(),
        fmt=PROCEDURE_MARKERS[VECTOR] + line,
        color=PROCEDURE_COLOURS[VECTOR],
        markersize=4.5,
        linewidth=1.2,
        elinewidth=0.9,
        capsize=2,
        label=PROCEDURE_NAMES[VECTOR],
        zorder=3,
    )


def _references(axes: Axes, means: pd.Series) -> None:
    for procedure, style in (("icl", "--"), ("baseline", ":")):
        colour = PROCEDURE_COLOURS[procedure]
        value, low, high = (means[procedure + end] for end in ("", "_low", "_high"))
        name = PROCEDURE_NAMES[procedure]
        axes.axhline(value, color=colour, linestyle=style, linewidth=1.3, label=name)
        if not pd.isna(low):
            axes.axhspan(low, high, color=colour, alpha=0.12, linewidth=0)


def _tick(row: pd.Series) -> str:
    return f"{row['dummy_queries']}\n{_block_lines(row)}"


def _choice_tick(row: pd.Series) -> str:
    said = textwrap.wrap(dummies_named(row), LABEL_WIDTH)
    return "\n".join([*said, _block_lines(row)])


def _block_lines(row: pd.Series) -> str:
    return f"L {blocks(row)}".replace(" (", "\n(")


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(shortened(name), LABEL_WIDTH)) or name


def _about(table: pd.DataFrame) -> str:
    name, tasks = display_name(str(table["model"].iloc[0])), table["task"].nunique()
    over = f"mean over {counted(tasks, 'task')}, n = {sizes(table['n'])} test episodes each."
    text = f"{name}: {over}"
    return text if tasks > 1 else f"{text} One task has no interval over tasks."
