"""Accuracy with another task's vector against its distance from the task's own."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

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
from tvsight.output.panels import PANEL_NAME
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot
from tvsight.output.theme import CATEGORY_COLOURS, TWO_COLUMNS, new_figure

MOST_ACROSS = 2
"""Models beside each other."""
ALONE, HEIGHT = 4.6, 3.2
"""Width of a figure of one model, and height of a row of panels, in inches."""
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
        model_pairs, model_means = (of[of["model"] == model] for of in (pairs, means))
        _points(axes, model_pairs)
        look: Any = {"color": "black", "linewidth": 1, "label": MEANS}
        axes.plot(model_means["distance"], model_means["accuracy"], "-", **look)
        where = block(model_pairs["layer"].iloc[0], depths[model])
        name = f"{display_name(model)}\nDistances after {where}"
        axes.set_title(name, loc="left", fontsize=PANEL_NAME)
        end = model_pairs["distance"].max()
        axes.set(xlim=(-0.08 * end, 1.04 * end), ylim=(-0.14, 1.1))
        axes.set_xlabel("Euclidean distance of mean vectors")
    for axes in drawn[::across]:
        axes.set_ylabel("Test accuracy with the other's vector")
    legend_of(figure, drawn, ncols=3, fontsize=7, columnspacing=1.2, handletextpad=0.4)
    for axes, model in zip(drawn, models, strict=False):
        model_pairs = pairs[pairs["model"] == model]
        named = remarkable(model_pairs)
        points = {
            f"{task_title(row['task'])} ({task_title(row['source'])})": (
                *(row["distance"], row["accuracy"], "black"),
            )
            for _, row in named.iterrows()
        }
        nameless = model_pairs.drop(named.index)[["distance", "accuracy"]]
        name_points(figure, axes, points, nameless=nameless)
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


def _points(axes: Axes, model_pairs: pd.DataFrame) -> None:
    """The pairs of one model; those of one category in its colour and in front."""
    alike = model_pairs["category"] == model_pairs["source_category"]
    apart = model_pairs[~alike]
    look: Any = {"color": OTHERS, "markerfacecolor": "none", "markeredgewidth": 0.6}
    axes.plot(apart["distance"], apart["accuracy"], "o", markersize=3.0, label=OTHERS_NAME, **look)
    look = {"markeredgecolor": "black", "markeredgewidth": 0.4, "markersize": 4.2}
    for category, category_rows in model_pairs[alike].groupby(
        "category", sort=False, observed=True
    ):
        colour = CATEGORY_COLOURS.get(str(category), CATEGORY_COLOURS["custom"])
        look |= {"color": colour, "label": shortened(str(category))}
        axes.plot(category_rows["distance"], category_rows["accuracy"], "o", **look)


def _finding(correlations: pd.DataFrame) -> str:
    """The finding: how strongly distance and accuracy are related."""
    known = correlations[correlations["ranked"] == ALL].dropna(subset="correlation")
    if known.empty:
        return "Accuracy with another task's vector, by its distance"
    nearer = known["significant"] & (known["correlation"] < 0)
    finding = "Distance does not tell whose vector works"
    if nearer.all():
        finding = "Nearer vectors work better, but distance tells only a part"
    elif nearer.any():
        finding = f"Nearer vectors work better in {int(nearer.sum())} of {len(known)} models"
    by_model = {row["model"]: number(row["correlation"]) for _, row in known.iterrows()}
    parts = [
        value + (f" ({display_name(model)})" if len(by_model) > 1 else "")
        for model, value in by_model.items()
    ]
    return f"{finding}: rank correlation {', '.join(parts)}"


def _each(correlations: pd.DataFrame) -> list[str]:
    """The correlations of each model, in sentences."""
    sentences = []
    known = correlations.dropna(subset="correlation")
    for model, model_rows in known.groupby("model", sort=False, observed=True):
        parts = [
            f"{row['ranked']} {interval(row, 'correlation')} (p = {small(row['correlation_p'])})"
            for _, row in model_rows.iterrows()
        ]
        name, count = display_name(str(model)), counted(model_rows["pairs"].iloc[0], "pair")
        over = f"{name}, {count}: Spearman's rank correlation over"
        sentences.append(f"{over} {', '.join(parts)}.")
    return sentences
