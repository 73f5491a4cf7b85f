"""Tables and figures of heads, their scores, and ICL without them."""

import pandas as pd

from tvsight.experiments.heads import (
    CHOOSES,
    DEFINITIONS,
    INDUCTION,
    KINDS,
    NAME,
    REPLACEMENTS,
    Options,
    figures,
    numbers,
)
from tvsight.experiments.heads.request import collect
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import sizes
from tvsight.output.page import Page, Table
from tvsight.output.procedures import title
from tvsight.protocol.options import EFFECTS
from tvsight.run.outcome import Outcome
from tvsight.statistics import summaries
from tvsight.statistics.summaries import wide

__all__ = ["collect", "draw"]

SHOWN = 10
"""Heads of each score in the table of heads."""


def _ablated(kind: str) -> str:
    return title(f"ablated_{kind}")


MEAN_TABLE = Table(
    "In-context learning without the heads of the largest scores",
    "A row is a mean over tasks, with the largest sets of heads; the CSV file has the others, and "
    "the tasks whose answer stands in the query apart from the rest. Replaced by: the value that "
    "the heads have at the last token instead, their mean over few-shot dev prompts of the other "
    "tasks, zero, or their mean over those of the same task; the last is what a function vector "
    "sums, so it removes only what depends on the query. [ ]: 95 % bootstrap interval over tasks. "
    "Lost: ICL minus this. Lost beyond random: more than without as many random heads, none of "
    "them of the top of either kind. Lost beyond the other kind: FV heads more than induction "
    "heads, and the reverse. Lost beyond the task's own mean: more than with the heads there. "
    "Tasks are paired; beside a difference stands the number of tasks where it is above 0 "
    "(permutation of queries, Holm's correction for the tasks, 5 %). Heads are chosen on the other "
    "tasks. The second table has the tasks, with heads at their mean over the other tasks.",
    (
        *(c.MODEL, c.named("Replaced by", "replaced_by", REPLACEMENTS.__getitem__, words=True)),
        *(c.named("Ablated", "kind", _ablated, words=True), c.plain("Heads", "heads")),
        *(c.estimate("Accuracy", "accuracy"), c.estimate("Lost", "loss")),
        c.of("Tasks with a loss", "loss_tasks"),
        c.estimate("Lost beyond random", "beyond_random"),
        c.of("Tasks beyond random", "beyond_random_tasks", known="beyond_random"),
        c.estimate("Lost beyond the other kind", "beyond_other"),
        c.of("Tasks beyond the other", "beyond_other_tasks", known="beyond_other"),
        c.estimate("Lost beyond the task's own mean", "beyond_own"),
    ),
    brief=("Replaced by", "Ablated", "Heads", "Accuracy", "Lost", "Lost beyond random"),
)
SEED_TABLE = Table(
    "In-context learning without heads, with other seeds",
    "A row is a mean over tasks, measured anew with each seed: other demonstrations, queries, "
    "means and choice of heads. Columns are those of the table of means. All other tables are of "
    "the first seed.",
    (c.plain("Seed", "seed"), *(MEAN_TABLE.all_of())),
    part="seeds",
    shown=False,
)
TASK_TABLE = Table(
    "",
    "",
    (
        *(c.MODEL, c.CATEGORY, c.TASK, c.estimate("ICL", "icl")),
        *(c.estimate(_ablated(kind), kind) for kind in KINDS),
    ),
    shown=False,
)
"""The tasks without the largest sets of heads."""
HEAD_TABLE = Table(
    "Heads of the largest FV and induction scores",
    f"A row is a head, of the {SHOWN} of largest FV score and the {SHOWN} of largest induction "
    "score in its model. FV score: the mean effect over tasks. [ ]: 95 % interval, of the FV score "
    "a bootstrap over tasks, of the induction score a normal approximation over sequences. The CSV "
    "file has every head.",
    (),
    part="scores",
)
AGREEMENT_TABLE = Table(
    "Heads that the two scores agree on",
    "A row is a model. Correlation: Spearman's, of FV and induction score, and of the two "
    "definitions of the induction score. Shared: heads in the top tenth by both; p: random sets "
    "share as many (hypergeometric).",
    (
        *(c.MODEL, c.plain("Heads", "heads"), c.number("Correlation", "correlation")),
        *(c.number("Of the definitions", "definitions"), c.of("Shared", "shared", "top")),
        *(c.number("By chance", "expected"), c.small("p", "p")),
    ),
    part="agreement",
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    page = Page(display, drawn)
    first = outcome.of_seed(options.seed[0])
    head_outcome, scored, ablated = (first.only(name) for name in (EFFECTS, INDUCTION, NAME))
    if ablated.results:
        _draw_ablations(ablated, page)
        by_seed = {seed: outcome.only(NAME).of_seed(seed) for seed in options.seed}
        seeds = {seed: of.table for seed, of in by_seed.items() if of.results}
        if len(seeds) > 1:
            page.table(SEED_TABLE, summaries.each_seed(seeds, _largest_sets))
    else:
        page.note("No heads were ablated: they are chosen on other tasks, so two are needed.")
    if head_outcome.results and scored.results:
        table = numbers.scores(head_outcome.table, scored.table)
        _draw_scores(table, numbers.repetitions(scored.table), page)


def _largest_sets(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over all tasks with the largest sets of heads."""
    means = numbers.over_tasks(
        numbers.by_task(pd.concat([rows[rows["kind"].isna()], _largest(rows)]))
    )
    return means[means["group"] == "all"]


def _largest(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["heads"] == table.groupby("model", observed=True)["heads"].transform("max")]


def _draw_ablations(ablated: Outcome, page: Page) -> None:
    table = numbers.by_task(ablated.table)
    means = numbers.over_tasks(table)
    in_tasks, in_means = _largest(table), _largest(means)
    headline = in_tasks[in_tasks["replaced_by"] == "other_tasks"]
    by_task = wide(headline, ["model", "task"], "kind")
    shown = in_means[in_means["group"] == "all"]
    page.table(MEAN_TABLE, table, shown, [(TASK_TABLE, by_task)], ablated.note_cells)
    page.numbers(means, "means")
    page.figure(figures.losses(means))


def _draw_scores(table: pd.DataFrame, repeated: pd.DataFrame, page: Page) -> None:
    agreed = numbers.agreement(table)
    page.table(AGREEMENT_TABLE, agreed)
    other = next(name for name in DEFINITIONS if name != CHOOSES)
    columns = (
        *(c.MODEL, c.BLOCK, c.plain("Head", "head"), c.estimate("FV score", "fv", text=c.fine)),
        c.plain("FV rank", "fv_rank"),
        c.estimate(_spelt(repeated, CHOOSES), "induction", text=c.fine),
        c.plain("Induction rank", "induction_rank"),
        c.Column(_spelt(repeated, other), lambda head: f"{head[f'induction_{other}']:.3f}"),
    )
    shown = table[(table["fv_rank"] <= SHOWN) | (table["induction_rank"] <= SHOWN)]
    page.table(HEAD_TABLE._replace(columns=columns), table, shown)
    for model in table["model"].unique():
        page.figure(figures.scatter(table, agreed, repeated, model), "scores", model)


def _spelt(repeated: pd.DataFrame, definition: str) -> str:
    of = repeated[repeated["definition"] == definition]
    return f"Induction, {sizes(of['tokens'])} tokens {sizes(of['copies'])} times"
