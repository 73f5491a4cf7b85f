"""A panel per model, and the lines with bands in them."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tvsight.output.procedures import PROCEDURES
from tvsight.output.theme import ONE_COLUMN, TWO_COLUMNS, new_figure

BAND_ALPHA = 0.15


def panels(count: int, per_row: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of one vertical scale, accuracy from 0 to 1.

    Args:
        height: of everything but the panels, in inches.
    """
    columns = min(per_row, count)
    rows = -(-count // columns)
    width = ONE_COLUMN * 1.5 if columns == 1 else TWO_COLUMNS
    figure = new_figure(width, height + 2.2 * rows)
    drawn = list(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
    for axes in drawn[count:]:
        axes.remove()
    for axes in drawn[:count]:
        axes.set_ylim(0, 1)
        axes.yaxis.grid(True)
    return figure, drawn[:count]


def line(
    axes: Axes,
    means: pd.DataFrame,
    along: str,
    procedure: str,
    label: str,
    band: bool = True,
    width: float = 1.2,
) -> None:
    """The accuracies of one procedure, in its colour and with its marker.

    Args:
        means: one row per point, with `accuracy`, `accuracy_low`, `accuracy_high`.
        along: the column that the horizontal axis is.
        band: draw the interval too.
    """
    drawn_as = PROCEDURES[procedure]
    places = means[along].astype(float)
    axes.plot(
        places,
        means["accuracy"],
        color=drawn_as.colour,
        marker=drawn_as.marker,
        markersize=3.4,
        linewidth=width,
        label=label,
    )
    if band:
        low, high = (means[f"accuracy_{end}"].astype(float) for end in ("low", "high"))
        axes.fill_between(places, low, high, color=drawn_as.colour, alpha=BAND_ALPHA, linewidth=0)
