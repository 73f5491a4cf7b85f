"""Accuracy with another task's vector against its distance from the task's own."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tvsight.experiments.controls.distance_numbers import ALL, remarkable
from tvsight.output.labels import (
    block,
    counted,
    display_name,
    interval,
    number,
    shortened,
    sizes,
    small,
    task_title,
)
from tvsight.output.marks import grid_of_panels, legend_of
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.theme import CATEGORY_COLOURS, TWO_COLUMNS, new_figure

MOST_ACROSS = 2
"""Models beside each other."""
ALONE, HEIGHT = 4.6, 3.2
"""Width of a figure of one model, and height of a row of panels, in inches."""
NAME_SIZE = 7.5
"""Size of the name of a model above its panel, in points."""
OTHERS, OTHERS_NAME = "0.55", "tasks of different categories"
"""Colour and name of pairs whose tasks have different categories."""
MEANS = "mean of each fifth of pairs"


def scatter(
    pairs: pd.DataFrame, means: pd.DataFrame, correlations: pd.DataFrame, depths: dict[str, int]
) -> Plot:
    """A point per ordered pair of tasks, a panel per model; the nearest and the most accurate are
    named.

    Args:
        pairs, means, correlations: from `numbers.pairs`, `by_distance` and `correlations`.
        depths: number of blocks, by model.
    """
    models = list(dict.fromkeys(pairs["model"]))
    across = min(MOST_ACROSS, len(models))
    down = -(-len(models) // across)
    figure = new_figure(ALONE if len(models) == 1 else TWO_COLUMNS, 0.5 + HEIGHT * down)
    drawn = grid_of_panels(figure, len(models), across, sharey=True)
    for axes, model in zip(drawn, models, strict=True):
        of_model = pairs[pairs["model"] == model]
        _points(axes, of_model)
        of_parts = means[means["model"] == model]
        axes.plot(
            of_parts["distance"], of_parts["accuracy"], "-", color="black", linewidth=1, label=MEANS
        )
        where = block(of_model["layer"].iloc[0], depths[model])
        name = f"{display_name(model)}\nDistances after {where}"
        axes.set_title(name, loc="left", fontsize=NAME_SIZE)
        end = of_model["distance"].max()
        axes.set(xlim=(-0.08 * end, 1.04 * end), ylim=(-0.14, 1.1))
        axes.set_xlabel("Euclidean distance of mean vectors")
    for axes in drawn[::across]:
        axes.set_ylabel("Test accuracy with the other's vector")
    legend_of(figure, drawn, ncols=3, fontsize=7, columnspacing=1.2, handletextpad=0.4)
    for axes, model in zip(drawn, models, strict=False):
        _names(figure, axes, pairs[pairs["model"] == model])
    note = (
        f"n = {sizes(pairs['n'])} test episodes per point. Filled: one category. Named: task asked "
        "(whose vector)."
    )
    caption = (
        f"{note} The nearest pairs and the most accurate are named. Distance: of mean vectors of "
        "test episodes after one block for all tasks. Accuracy: with the mean vector of dev "
        "episodes, after the block chosen for the task that is asked.\n"
        f"{' '.join(_each(correlations))} 95 % intervals from resampling tasks; p from "
        "permuting tasks (Mantel's test, two-sided), since pairs that share a task are not "
        "independent."
    )
    return Plot(figure, _finding(correlations), caption, note)


def _points(axes: Axes, of_model: pd.DataFrame) -> None:
    """The pairs of one model; those of one category in its colour and in front."""
    alike = of_model["category"] == of_model["source_category"]
    apart = of_model[~alike]
    axes.plot(
        apart["distance"],
        apart["accuracy"],
        "o",
        color=OTHERS,
        markerfacecolor="none",
        markersize=3.0,
        markeredgewidth=0.6,
        label=OTHERS_NAME,
    )
    for category, of_category in of_model[alike].groupby("category", sort=False, observed=True):
        axes.plot(
            of_category["distance"],
            of_category["accuracy"],
            "o",
            color=CATEGORY_COLOURS.get(str(category), CATEGORY_COLOURS["custom"]),
            markeredgecolor="black",
            markeredgewidth=0.4,
            markersize=4.2,
            label=shortened(str(category)),
        )


def _names(figure: Figure, axes: Axes, of_model: pd.DataFrame) -> None:
    """The names of remarkable pairs: the task that is asked, and whose vector is applied."""
    named = remarkable(of_model)
    points = {
        f"{task_title(row['task'])} ({task_title(row['source'])})": (
            row["distance"],
            row["accuracy"],
            "black",
        )
        for _, row in named.iterrows()
    }
    nameless = of_model.drop(named.index)[["distance", "accuracy"]]
    name_points(figure, axes, points, nameless=nameless)


def _finding(correlations: pd.DataFrame) -> str:
    """The finding: how strongly distance and accuracy are related."""
    over_all = correlations[correlations["ranked"] == ALL]
    known = over_all.dropna(subset="correlation")
    if known.empty:
        return "Accuracy with another task's vector, by its distance"
    nearer = known["significant"] & (known["correlation"] < 0)
    finding = "Distance does not tell whose vector works"
    if nearer.all():
        finding = "Nearer vectors work better, but distance tells only a part"
    elif nearer.any():
        finding = f"Nearer vectors work better in {int(nearer.sum())} of {len(known)} models"
    if len(known) == 1:
        return f"{finding}: rank correlation {number(known['correlation'].iloc[0])}"
    parts = [
        f"{number(row['correlation'])} ({display_name(row['model'])})"
        for _, row in known.iterrows()
    ]
    return f"{finding}: rank correlation {', '.join(parts)}"


def _each(correlations: pd.DataFrame) -> list[str]:
    """The correlations of each model, in sentences."""
    sentences = []
    for model, of_model in correlations.groupby("model", sort=False, observed=True):
        parts = [
            f"{row['ranked']} {interval(row, 'correlation')} (p = {small(row['correlation_p'])})"
            for _, row in of_model.dropna(subset="correlation").iterrows()
        ]
        if parts:
            count = counted(of_model["pairs"].iloc[0], "pair")
            sentences.append(
                f"{display_name(str(model))}, {count}: Spearman's rank correlation over "
                f"{', '.join(parts)}."
            )
    return sentences
