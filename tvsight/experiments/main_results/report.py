"""Tables and figures of the central comparison."""

import pandas as pd

from tvsight.config import RunConfig
from tvsight.experiments.main_results import (
    figures,
    method_report,
    numbers,
    score_report,
    task_figures,
)
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, number, shortened, spread, task_title
from tvsight.output.page import Page, Table
from tvsight.output.procedures import CENTRAL, COMPARED, title
from tvsight.paper import has_paper_tasks, paper_by_task
from tvsight.protocol.answer_sets import RECOGNITION, recognition, recognition_over_tasks
from tvsight.protocol.central import collect
from tvsight.protocol.options import shown_score
from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

MEANS = {
    "recovered_gap": "Recovered gap",
    **{name: title(name) for name in CENTRAL},
    **{
        name: f"{title(first)} − {title(second).lower()}"
        for name, (first, second) in numbers.DIFFERENCES.items()
    },
}
"""Columns of means over tasks, the headline first."""
COUNTED = {
    **{f"{name}_tasks": f"{MEANS[name]} > 0" for name in numbers.DIFFERENCES},
    "identified": "Layer identified",
}
"""Numbers of tasks, with Holm's correction."""


def _usual(task: c.Row) -> str:
    """The most frequent answer of a task; nothing for a category."""
    answer = task["chance_answer"]
    return f"{shortened(answer)} ({task['chance_share']:.2f})" if isinstance(answer, str) else ""


def _middle(model: c.Row) -> str:
    return f"{model['layer_low']} to {model['layer_high']}" if pd.notna(model["depth"]) else MISSING


TASK_TABLE = Table(
    "Test accuracy task by task",
    "A row is a task, or the plain mean of a category. [ ]: 95 % interval over the task's queries. "
    "n: test episodes, with the number of different queries in brackets. Block: the one after "
    "which the task vector is applied, chosen on dev. Layer not identified: no block beats the "
    "baseline on dev, so the vector's accuracy says nothing about task vectors. The second table "
    "has the means over tasks. Power: the chance that a true difference of 0.20 is found, Holm's "
    "first step.",
    (
        *(c.MODEL, c.CATEGORY, c.plain("Task", "name", words=True), c.number("Chance", "chance")),
        c.Column("Most frequent answer", _usual, words=True),
        *c.procedures(CENTRAL),
        *(c.estimate(MEANS[name], name) for name in numbers.DIFFERENCES),
        *(c.BLOCK, c.QUERIES, c.POWER, c.IDENTIFIED),
    ),
    heading="accuracy on test episodes",
    brief=("Task", *map(title, COMPARED), "Block", "Note"),
    secondary=("Category", "Averaged vector", "n (queries)"),
    filed=(
        "Power",
        "Chance",
        "Most frequent answer",
        *(MEANS[name] for name in numbers.DIFFERENCES),
    ),
    each_model=True,
)
OF_PAPER = "(paper): reported by Hendel et al. (2023) task by task, averaged here. "
BLOCKS_OF_PAPER = " (paper): reported by Hendel et al. (2023), who give blocks of three models."
"""Of tables that have the paper's models."""
MEAN_TABLE = Table(
    "Mean test accuracy over tasks",
    "A row is a model and a group of tasks: all, the translations, or the rest. [ ]: 95 % "
    "bootstrap interval over tasks; all columns of a row are over the same tasks, paired. "
    f"Recovered gap: (task vector − baseline) / (ICL − baseline). {c.LISTS} {OF_PAPER}The second "
    f"table counts tasks (Holm's correction). {c.SOLVED}",
    (
        *(c.MODEL_OR_PAPERS, c.plain("Tasks are", "group"), c.TASKS),
        *(
            c.estimate(MEANS["recovered_gap"], "recovered_gap"),
            c.by_list("By word list", "recovered_gap"),
        ),
        *(c.estimate(heading, name) for name, heading in list(MEANS.items())[1:]),
        c.by_list("By word list, ICL − task vector", "icl_minus_task_vector"),
    ),
    part="means",
    heading="Means over tasks, with bootstrap intervals over tasks",
    secondary=("Averaged vector",),
)
COUNT_TABLE = Table(
    "Numbers of tasks, with Holm's correction for that many tests",
    "",
    (
        *(c.MODEL, c.plain("Tasks are", "group"), c.of("ICL gains 0.20", "icl_gains")),
        *(c.of_solved(f"{text} (Holm)", name) for name, text in COUNTED.items()),
        c.POWER,
    ),
)
SIZE_TABLE = Table(
    "Size, depth and recovered gap of models",
    "A row is a model. Chosen block: the median over tasks of the blocks chosen on dev, with the "
    "middle half of tasks. Relative depth: (block + 1) / number of blocks. [ ]: 95 % bootstrap "
    f"interval over tasks.{BLOCKS_OF_PAPER}",
    (
        c.MODEL_OR_PAPERS,
        c.named("Parameters", "parameters", figures.billions),
        *(c.plain("Blocks", "depth"), c.plain("Chosen block", "layer")),
        *(c.Column("Middle half", _middle), c.number("Relative depth", "relative_depth")),
        *c.procedures(COMPARED),
        c.estimate(MEANS["recovered_gap"], "recovered_gap"),
    ),
    part="models",
    shown=False,
)
SEED_TABLE = Table(
    "The central comparison with other seeds",
    "A row is a mean over tasks, measured anew with each seed: other demonstrations, queries and "
    "dummy queries. ±: standard deviation over seeds. Range: the least and the greatest. All other "
    "tables are of the first seed.",
    (
        *(c.MODEL, c.named("Mean over tasks", "quantity", lambda name: MEANS[name]), c.TASKS),
        c.Column("Mean ± SD", lambda row: spread(row["mean"], row["deviation"])),
        c.Column("Range", lambda row: f"{number(row['low'])} to {number(row['high'])}"),
    ),
    part="seeds",
)


def draw(outcome: Outcome, options: RunConfig, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    rows, first = outcome.table, options.seed[0]
    page = Page(display, score_report.place(rows, drawn))
    if "seed" not in rows:
        rows = rows.assign(seed=first)
    seeds = numbers.by_seed(rows)
    seed_means, others = numbers.over_seeds(seeds), seeds[seeds["seed"] != first]
    rows = rows[rows["seed"] == first]
    if shown_score(options) != "accuracy":
        score_report.draw(rows, options, page)
        return
    whole, named = score_report.are_whole(rows), score_report.accuracy(rows)
    table = numbers.by_task(rows)
    beside_paper = not whole and has_paper_tasks(table["task"])
    means = numbers.means(table, paper_by_task() if beside_paper else None)
    bars = numbers.bars(means)
    by_size = numbers.by_size(bars, table, rows.groupby("model", observed=True)["layer"].max() + 1)
    mean_table = MEAN_TABLE if beside_paper else MEAN_TABLE.without(OF_PAPER)
    size_table = SIZE_TABLE if beside_paper else SIZE_TABLE.without(BLOCKS_OF_PAPER)
    below = [(mean_table._replace(shown=False), means)]
    in_groups, notes = _with_categories(table), outcome.note_cells
    page.table(TASK_TABLE, table, in_groups, below, notes, brief=_with_mean(in_groups))
    for model in numbers.models_without_icl(table):
        page.note(
            f"{model}: demonstrations help on no task. Likely causes: a model tuned to follow "
            "instructions, to which this template is foreign; other special tokens than it was "
            "trained with; a tokenizer that leaves out the beginning-of-sequence token."
        )
    page.table(mean_table, means, below=[(COUNT_TABLE, means[means["identified"].notna()])])
    recognised = recognition(rows)
    page.table(RECOGNITION, recognised, recognition_over_tasks(recognised))
    if len(others):
        names = [name for name in map(str, seed_means) if name.startswith("seed_")]
        columns = list(SEED_TABLE.all_of())
        columns[3:3] = [c.number(name.replace("seed_", "Seed "), name) for name in names]
        page.table(SEED_TABLE._replace(columns=columns), seed_means)
    if not whole:
        page.table(size_table, by_size, by_size.sort_values("parameters", kind="stable"))
        page.figure(figures.by_model(by_size, table))
    for model in table["model"].unique():
        page.figure(task_figures.task_by_task(table, model, others, named), "by_task", model)
    score_report.draw(rows, options, page)
    method_report.draw(rows, page)


def _with_categories(table: pd.DataFrame) -> pd.DataFrame:
    """The tasks of each category, and below them their plain mean, a row without a task."""
    names = ["chance", *CENTRAL, *numbers.DIFFERENCES]
    named = table.assign(name=table["task"].map(task_title)).astype(object)
    parts = []
    for (model, category), tasks in named.groupby(["model", "category"], sort=False):
        mean = {"model": model, "category": category, "name": f"mean of {category}"}
        mean |= {"layer_identified": True, **tasks[names].mean()}
        parts += [tasks, pd.DataFrame([mean])]
    return pd.concat(parts, ignore_index=True)


def _with_mean(rows: pd.DataFrame) -> pd.DataFrame:
    """The tasks of each model, and below them their plain mean, a row without a task."""
    parts = []
    for model, tasks in rows.dropna(subset="task").groupby("model", sort=False):
        mean = {"model": model, "name": f"mean of {len(tasks)}", "layer_identified": True}
        parts += [tasks, pd.DataFrame([mean | dict(tasks[list(CENTRAL)].mean())])]
    return pd.concat(parts, ignore_index=True)
