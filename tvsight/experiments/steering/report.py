"""Tables and figures of steering."""

import pandas as pd

from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.steering import CONTROLS, NAME, VECTOR, Options, figures, numbers
from tvsight.experiments.steering.figures import CONTEXT_TITLES
from tvsight.experiments.steering.request import collect
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING
from tvsight.output.page import Page, Table
from tvsight.output.procedures import title
from tvsight.run.outcome import Outcome
from tvsight.statistics.summaries import ENDS, apart, wide

__all__ = ["collect", "draw"]

VECTOR_COLUMN = c.named("Vector", "method", title, words=True)


def _mode(row: c.Row) -> str:
    if pd.isna(row["mode"]):
        return "no vector"
    return "written over" if row["mode"] == "overwrite" else f"added, α = {row['alpha']:g}"


RANGE_TABLE = Table(
    "Vectors that are added with a factor α, or written over",
    "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Helps most with: the "
    "factors that have a gain over no vector whose interval is above 0, and at least 80 % of the "
    "accuracy of this vector's best one in this context. Best α: the maximum of five on test, "
    "which flatters. Held out: each task with the α that is best on the other tasks. Recovered "
    "gap: (best α − no vector) / (ICL − no vector). Intervals by word list are in the CSV of "
    "means. The block is chosen on zero-shot dev prompts with α = 1. The second table has the "
    "controls, zero-shot: a random direction of the same length, the negated vector and another "
    "task's in place of the own one. The CSV file has every task.",
    (
        *(c.MODEL, c.named("Context", "context", CONTEXT_TITLES.__getitem__, words=True)),
        *(VECTOR_COLUMN, c.estimate("No vector", "baseline")),
        *(c.estimate("Written over", "overwrite"), c.general("Best α", "best_alpha")),
        *(c.estimate("Added with it", "best"), c.estimate("Added, α held out", "held_out")),
        *(*c.apart("held_out"), c.estimate("Recovered gap", "recovered_gap")),
        c.Column("Helps most with", lambda row: figures.spelt(row) if row["helping"] else MISSING),
    ),
    brief=("Context", "Vector", "No vector", "Written over", "Best α", "Added, α held out"),
)
CONTROL_TABLE = Table(
    "Controls, in zero-shot prompts",
    "",
    (
        *(c.MODEL, VECTOR_COLUMN, c.general("α", "alpha"), c.estimate("Own", VECTOR)),
        *c.procedures(CONTROLS),
    ),
)
TEXT_TABLE = Table(
    "Whole answers, and signs of collapse",
    "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Text is generated "
    "after zero-shot prompts, with the vector at their last token (once), or at every generated "
    "token too. Right: exact match of the whole answer, up to where the template ends it. "
    "Change: every token minus once. Translation, rest: right, once. Repeated: 1 − different / "
    "all bigrams. Divergence: KL divergence in nats of the next token of neutral sentences with "
    f"a vector at the last token from that without. {c.LISTS}",
    (
        *(c.MODEL, VECTOR_COLUMN, c.Column("Mode", _mode)),
        *(c.estimate("Right, once", "exact_once"), c.by_list("By word list", "exact_once")),
        *(*c.apart("exact_once"), c.estimate("Right, every token", "exact_every")),
        *(c.estimate("Change", "exact_gain"), c.estimate("Repeated, once", "repeated_once")),
        c.estimate("Repeated, every token", "repeated_every"),
        c.estimate("Divergence", "divergence"),
    ),
    part="collapse",
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    steered = outcome.only(NAME)
    if not steered.results:
        display.note("No vector was applied: nothing to draw.")
        return
    if len({result.key.task for result in steered.results}) == 1:
        display.note(
            "Only one task: there is no other task's vector, and no interval over tasks that could "
            "show that a factor helps."
        )
    rows = steered.table
    page = Page(display, drawn)
    table = numbers.by_task(outcome.only(CENTRAL).table, rows)
    means = numbers.over_tasks(table)
    ranges, texts = numbers.ranges(means, table), numbers.in_text(rows)
    page.numbers(means, "means")
    means = apart(means, numbers.CONDITION)
    added = means[(means["context"] == "zero_shot") & (means["mode"] == "add")]
    controls = wide(added, ["model", "method", "alpha"], "procedure")
    named = [f"{name}{end}" for name in CONTROLS for end in ENDS]
    controls = controls.reindex(columns=list(dict.fromkeys([*controls, *named])))
    page.table(RANGE_TABLE, table, ranges, [(CONTROL_TABLE, controls)], steered.note_cells)
    page.numbers(ranges, "ranges")
    text_scores = apart(texts, numbers.CONDITION[1:], "exact_once")
    page.table(TEXT_TABLE, texts, text_scores)
    for model in means["model"].unique():
        page.figure(figures.by_context(means, ranges, model), model)
        page.figure(figures.by_factor(means, text_scores, model), "collapse", model)
