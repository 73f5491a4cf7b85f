"""Table and figures of the layer sweep, a view of the central comparison."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.layer_sweep import Options, figures, numbers
from tvsight.experiments.main_results.layers import by_layer
from tvsight.experiments.main_results.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, number
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Task"]
"""Columns with words from elsewhere."""
TABLE = Wording(
    "Where the mean dev accuracy over tasks peaks",
    "A row is a model. Blocks are numbered from 0. Near the peak: the unbroken range of blocks "
    "around it with at least 90 % of its accuracy. (paper): computed here from the paper's "
    "accuracies by block on its 18 tasks. The CSV file has every task and block.",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write table and figures, and show the table."""
    table = by_layer(outcome.table)
    means = numbers.curves(table)
    peaks = numbers.highest(means)
    cells = _cells(peaks)
    display.table(cells, "Where the mean over tasks peaks")

    drawn.table(table, [cells, *outcome.note_cells], names=NAMES, wording=TABLE)
    drawn.figure(figures.curves(means, peaks, table, options.paper_curves))
    for model in table["model"].unique():
        drawn.figure(figures.heat_map(table, model), "by_task", model)


def _cells(peaks: pd.DataFrame) -> pd.DataFrame:
    """The peaks as texts.

    Args:
        peaks: from `numbers.highest`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(peak["model"])
            + (" (paper)" if peak["source"] == "paper" else ""),
            "Blocks": str(peak["depth"]),
            "Peak after block": str(peak["layer"]),
            "Mean dev accuracy there": number(peak["accuracy"]),
            "Near the peak": f"{peak['first']} to {peak['last']}",
        }
        for _, peak in peaks.iterrows()
    )
