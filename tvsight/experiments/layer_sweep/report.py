"""Table and figures of the layer sweep, a view of the central comparison."""

import pandas as pd

from tvsight.experiments.layer_sweep import Options, figures, numbers, score_figures
from tvsight.experiments.main_results import score_numbers, score_report
from tvsight.experiments.main_results.method_numbers import REFERENCE
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.page import Page, Table
from tvsight.output.procedures import title
from tvsight.paper import has_paper_tasks
from tvsight.protocol.central import collect
from tvsight.protocol.layers import by_layer
from tvsight.protocol.options import shown_score
from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

ROW, ROW_OF_METHODS = "A row is a model. ", "A row is a model and a method. "
"""The beginning of the table's note, without further methods and with them."""
OF_PAPER = "(paper): computed here from the paper's accuracies by block. "
"""Of tables that have the paper's models."""
METHOD = c.named("Method", "procedure", title, words=True)
"""Methods are named where there are several."""
TABLE = Table(
    "Where the mean dev accuracy over tasks peaks",
    ROW + "Peak block: the one after which the patch works best; blocks are numbered "
    "from 0. Near the peak: the unbroken range of blocks around it with at least 90 % of its "
    f"accuracy. {OF_PAPER}The CSV file has every task and block.",
    (
        *(c.MODEL_OR_PAPERS, METHOD, c.TASKS, c.plain("Blocks", "depth")),
        *(c.plain("Peak block", "layer"), c.number("Accuracy", "accuracy")),
        c.Column("Near the peak", lambda peak: f"{peak['first']} to {peak['last']}"),
    ),
    heading="Where the mean over tasks peaks",
    brief=("Model", "Method", "Tasks", "Blocks", "Peak block", "Accuracy", "Near the peak"),
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write table and figures, and show the table."""
    rows = outcome.table
    if shown_score(options) != "accuracy":
        _draw_scores(rows, Page(display, drawn))
        return
    page = Page(display, score_report.place(rows, drawn))
    whole, tested = by_layer(rows), numbers.on_test(rows)
    table = numbers.with_peak_above(whole, options.least_peak)
    if table.empty:
        page.note(f"No task's best block is above --least-peak {options.least_peak}.")
        return
    means = numbers.curves(whole, options.least_peak)
    beside_paper = not score_report.are_whole(rows) and has_paper_tasks(whole["task"])
    declared, every, by_method = TABLE, whole, numbers.by_method(rows)
    if not beside_paper:
        means, declared = means[means["source"] == "tvsight"], TABLE.without(OF_PAPER)
    kept = table[["model", "task"]].drop_duplicates()
    methods = numbers.method_means(by_method.merge(kept))
    peaks = numbers.with_intervals(numbers.highest(means, methods), table)
    if len(by_method):
        declared = declared._replace(note=ROW_OF_METHODS + declared.note.removeprefix(ROW))
        every = pd.concat([whole.assign(procedure=REFERENCE), by_method], ignore_index=True)
    if options.least_peak is not None:
        rule = f"Tasks whose best block is above {options.least_peak:.2f}, of each model. "
        declared = declared._replace(note=rule + declared.note)
    if peaks["procedure"].nunique() == 1:
        declared = declared._replace(columns=[of for of in TABLE.all_of() if of is not METHOD])
    page.table(declared, every, peaks, notes=outcome.note_cells)
    shown, named = (means, peaks, table, tested.merge(kept), methods), score_report.accuracy(rows)
    page.figure(figures.curves(*shown, beside_paper, options.least_peak, named))
    for model in whole["model"].unique():
        page.figure(figures.by_task(whole, tested, model, named), "by_task", model)


def _draw_scores(rows: pd.DataFrame, page: Page) -> None:
    """Write the means of every score after each block, and their figure."""
    rows = score_numbers.scored(rows)
    if rows.empty:
        page.note("No result has scores: nothing to draw.")
        return
    table = score_numbers.by_layer(rows)
    means = score_numbers.layers_over_tasks(table)
    page.numbers(means, "scores")
    page.figure(score_figures.curves(table, means, score_numbers.earlier(rows)), "scores")
