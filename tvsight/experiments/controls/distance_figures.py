"""The share of accuracy that another task's vector keeps, against its distance to the own one."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from tvsight.experiments.controls.distance_numbers import KEPT, LEAST_OWN, remarkable
from tvsight.output.labels import block, counted, display_name, number, sizes, task_title
from tvsight.output.marks import legend_of
from tvsight.output.panels import model_panels
from tvsight.output.placing import name_points
from tvsight.output.plots import Plot

ALONE, HEIGHT = 0.7, 3.6
"""Width of a figure of one model, as a share of two columns, and height in inches."""
MOST_NAMED = 8
"""Pairs that a narrow page has room to name."""
TWINS, OTHERS = "#0f6a86", "0.55"
"""Colours of pairs of tasks with one word list, and of the others."""
LOWEST = -0.1
"""Where the axis of shares begins, in the middle of the marks of pairs that keep nothing."""


def scatter(pairs: pd.DataFrame, depths: dict[str, int]) -> Plot:
    """A point per ordered pair of tasks, a panel per model; those that keep most are named.

    Args:
        pairs: from `distance_numbers.pairs`.
        depths: number of blocks, by model.
    """
    known = pairs.dropna(subset="share")
    models = list(dict.fromkeys(pairs["model"]))
    figure, drawn = model_panels(models, HEIGHT, ALONE)
    by_model = {model: known[known["model"] == model] for model in models}
    for axes, (model, rows) in zip(drawn, by_model.items(), strict=True):
        _points(axes, rows[~rows["twins"]], "other pairs", OTHERS, "none")
        _points(axes, rows[rows["twins"]], "tasks of one word list", TWINS, TWINS)
        where = block(pairs.loc[pairs["model"] == model, "layer"].iloc[0], depths[model])
        axes.set_xlabel(f"Distance of mean vectors, {where}")
        axes.set_xlim(0, 1.04 * pairs.loc[pairs["model"] == model, "distance"].max())
    drawn[0].set(ylim=(LOWEST, max(1.1, 1.05 * known["share"].max())), ylabel="Share kept")
    legend_of(figure, drawn, ncols=2)
    for axes, rows in zip(drawn, by_model.values(), strict=True):
        named = remarkable(rows)[: MOST_NAMED if figure.get_figwidth() < HEIGHT else None]
        points = {
            f"{task_title(row['task'])} ({task_title(row['source'])})": (
                *(row["distance"], row["share"], TWINS if row["twins"] else OTHERS),
            )
            for _, row in named.iterrows()
        }
        nameless = rows.drop(named.index)[["distance", "share"]].clip(lower=LOWEST / 2)
        name_points(figure, axes, points, nameless=nameless)
    note = (
        f"n = {sizes(pairs['n'])} test episodes per pair. Strokes: nothing is kept. Named: task "
        "asked (whose vector)."
    )
    caption = (
        f"{note} Share kept: the accuracy with the mean dev vector of another task, after the "
        "block chosen for the task that is asked, over that with its own, of tasks whose own "
        f"vector is right for at least {number(LEAST_OWN)}. Distance: Euclidean, of the mean "
        "vectors of test episodes after one block for all tasks. Its rank correlation with the "
        "accuracy, and a test that permutes tasks, are in the table."
    )
    return Plot(figure, _finding(by_model), caption, note)


def _points(axes: Axes, rows: pd.DataFrame, label: str, colour: str, face: str) -> None:
    """Pairs as points, and those that keep nothing as strokes below."""
    none, some = rows[rows["share"] == 0], rows[rows["share"] > 0]
    look: Any = {"color": colour, "markersize": 4, "markerfacecolor": face, "label": label}
    axes.plot(some["distance"], some["share"], "o", **look)
    axes.plot(none["distance"], 0 * none["share"] + LOWEST / 2, "|", color=colour, markersize=7)


def _finding(by_model: dict[str, pd.DataFrame]) -> str:
    """How many pairs keep enough, and how many of these are twins."""
    working = pd.concat([rows[rows["works"]] for rows in by_model.values()])
    parts = [
        f"{int(rows['works'].sum())} of {counted(len(rows), 'pair')} ({display_name(model)})"
        for model, rows in by_model.items()
    ]
    twins = f"{int(working['twins'].sum())} of {len(working)} share a word list"
    return f"At least {number(KEPT)} of the own accuracy is kept in {', '.join(parts)}; {twins}"
