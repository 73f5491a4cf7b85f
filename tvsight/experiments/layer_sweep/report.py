"""Table and figures of the layer sweep, a view of the central comparison."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.layer_sweep import Options, figures, numbers, score_figures
from tvsight.experiments.main_results import answers_report, score_numbers, shown_score
from tvsight.experiments.main_results.layers import by_layer
from tvsight.experiments.main_results.method_numbers import VECTOR
from tvsight.experiments.main_results.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, number
from tvsight.output.procedures import title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Method", "Task"]
"""Columns with words from elsewhere."""
ROW, ROW_OF_METHODS = "A row is a model. ", "A row is a model and a method. "
"""The beginning of the table's note, without further methods and with them."""
OF_PAPER = "(paper): computed here from the paper's accuracies by block. "
"""Of tables that have the paper's models."""
TABLE = Wording(
    "Where the mean dev accuracy over tasks peaks",
    ROW + "Peak block: the one after which the patch works best; blocks are numbered "
    "from 0. Near the peak: the unbroken range of blocks around it with at least 90 % of its "
    f"accuracy. {OF_PAPER}The CSV file has every task and block.",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write table and figures, and show the table."""
    rows = outcome.table
    if shown_score(options) != "accuracy":
        _draw_score(rows, shown_score(options), display, drawn)
        return
    drawn = answers_report.place(rows, drawn)
    whole, tested = by_layer(rows), numbers.on_test(rows)
    table = numbers.with_peak_above(whole, options.least_peak)
    if table.empty:
        display.note(f"No task's best block is above --least-peak {options.least_peak}.")
        return
    means = numbers.curves(whole, options.least_peak)
    whole_answers, named = answers_report.are_whole(rows), answers_report.accuracy(rows)
    if whole_answers:
        means = means[means["source"] == "tvsight"]
    kept = table[["model", "task"]].drop_duplicates()
    by_method = numbers.by_method(rows)
    methods = numbers.of_methods(by_method.merge(kept))
    peaks = numbers.highest(means, methods)
    cells = _cells(peaks)
    display.table(cells, "Where the mean over tasks peaks")

    note, every = TABLE.note, whole
    if whole_answers:
        note = note.replace(OF_PAPER, "")
    if len(by_method):
        note = ROW_OF_METHODS + note.removeprefix(ROW)
        every = pd.concat([whole.assign(procedure=VECTOR), by_method], ignore_index=True)
    if options.least_peak is not None:
        rule = f"Tasks whose best block is above {options.least_peak:.2f}, of each model. "
        note = rule + note
    drawn.table(every, [cells, *outcome.note_cells], names=NAMES, wording=TABLE._replace(note=note))
    shown = (means, peaks, table, tested.merge(kept), methods)
    paper = options.paper_curves and not whole_answers
    drawn.figure(figures.curves(*shown, paper, options.least_peak, named))
    for model in whole["model"].unique():
        drawn.figure(figures.heat_map(whole, tested, model, named), "by_task", model)


def _draw_score(rows: pd.DataFrame, name: str, display: "Display", drawn: Drawn) -> None:
    """Write the means of every score after each block, and the figure of one."""
    rows = score_numbers.scored(rows)
    if rows.empty:
        display.note("No result has scores: nothing to draw.")
        return
    table = score_numbers.by_layer(rows)
    means = score_numbers.layers_over_tasks(table)
    drawn.numbers(means, "scores")
    drawn.figure(score_figures.curves(table, means, score_numbers.SCORES[name]), name)


def _cells(peaks: pd.DataFrame) -> pd.DataFrame:
    """The peaks as texts. Methods are named where there are several.

    Args:
        peaks: from `numbers.highest`.
    """
    several = peaks["procedure"].nunique() > 1
    return pd.DataFrame(
        {
            "Model": display_name(peak["model"])
            + (" (paper)" if peak["source"] == "paper" else ""),
            **({"Method": title(peak["procedure"])} if several else {}),
            "Tasks": str(peak["tasks"]),
            "Blocks": str(peak["depth"]),
            "Peak block": str(peak["layer"]),
            "Accuracy": number(peak["accuracy"]),
            "Near the peak": f"{peak['first']} to {peak['last']}",
        }
        for _, peak in peaks.iterrows()
    )
