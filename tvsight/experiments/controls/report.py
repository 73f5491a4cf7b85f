"""Tables and figures of the controls."""

import pandas as pd

from tvsight.errors import UsageError
from tvsight.experiments.controls import (
    NAME,
    RENAMED,
    Options,
    distance_figures,
    distance_numbers,
    figures,
    numbers,
    renamed_numbers,
)
from tvsight.experiments.controls.request import collect
from tvsight.experiments.controls.transfer_figures import matrix
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, NOT_IDENTIFIED, display_name, task_title
from tvsight.output.page import Page, Table
from tvsight.output.procedures import BESIDE_CONTROLS, beside, title
from tvsight.protocol.answer_sets import RECOGNITION, recognition_over_tasks
from tvsight.protocol.methods import NAME as METHODS
from tvsight.protocol.methods import each_vector
from tvsight.protocol.vector_sets import at_common_block
from tvsight.run.outcome import Outcome
from tvsight.statistics.summaries import apart, by_group, each_seed, wide
from tvsight.statistics.tests import SIGNIFICANCE
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors

__all__ = ["collect", "draw"]

PATCHED = "All vectors are applied after the block that was chosen for the {vector} on dev."


def _unbeaten(task: c.Row) -> str:
    """The controls of a task that the vector is not better than."""
    names = [name for name in numbers.TESTED if name != "icl_shuffled"]
    unbeaten = [title(name) for name in names if task[f"better_{name}"] >= SIGNIFICANCE]
    return ", ".join(unbeaten) or MISSING


def _block(task: c.Row) -> str:
    return f"{task['layer']}" + ("" if task["layer_identified"] else f" ({NOT_IDENTIFIED})")


TASKS = Table(
    "Test accuracy with the {vector} and with its controls, task by task",
    f"A row is a task. [ ]: 95 % interval over the task's queries. {PATCHED} Layer not identified: "
    "no block beats the baseline on dev. Not beaten: controls that the vector compared with them "
    "does not answer better than, by permuting queries at 5 %.",
    lambda vector: (
        *(c.MODEL, c.CATEGORY, c.TASK, *c.procedures(beside(BESIDE_CONTROLS, vector))),
        *map(c.aside, (c.Column("Block", _block), c.Column("Not beaten (5 %)", _unbeaten))),
    ),
    heading="accuracy on test episodes",
    secondary=("Category", "ICL", "Block"),
    each_model=True,
)
MEANS = Table(
    "Mean test accuracy with the {vector} and with its controls",
    f"A row is what is patched in. [ ]: 95 % bootstrap interval over tasks. {PATCHED} Lead: the "
    "accuracy of the vector compared with it minus its own, tasks paired. Better and worse: the "
    "number of tasks where that vector answers more, or less, often, after Holm's correction. "
    f"{c.LISTS} {c.SOLVED}",
    (
        *(c.MODEL, c.PROCEDURE, c.TASKS, c.estimate("Accuracy", "accuracy")),
        *(c.by_list("By word list", "accuracy"), *c.apart()),
        c.named("Vector compared with", "compared_with", title),
        *(c.estimate("Lead of the vector", "lead"), c.by_list("Lead by word list", "lead")),
        c.of_solved("Tasks where the vector is better (Holm, 5 %)", "better"),
        c.of_solved("Tasks where the vector is worse (Holm, 5 %)", "worse"),
        c.POWER,
    ),
    part="means",
    heading="means over tasks",
    brief=("Procedure", "Accuracy", "Translation", "Rest", "Lead of the vector"),
)
SHARES = Table(
    "What shuffled labels leave of ICL and of the {vector}",
    "A row is a model and a group of tasks: all, the translations, or the rest. Shares are "
    f"ratios of means over tasks. [ ]: 95 % bootstrap interval over tasks. {c.LISTS} Equal: the "
    "p-value of an equivalence test, that the shares differ by less than 0.05.",
    (
        *(c.MODEL, c.plain("Tasks are", "group"), c.TASKS),
        c.estimate("Vector with shuffled labels / {vector}", "vector_share"),
        c.estimate("ICL with shuffled labels / ICL", "icl_share"),
        *(c.estimate("Difference", "difference"), c.by_list("By word list", "difference")),
        c.small("Equal (p)", "difference_equal_p"),
    ),
    part="shuffled",
    heading="Shares that shuffled labels leave, with intervals over tasks",
)
RENAMED_TABLE = Table(
    "Whether ICL and the task vector follow consistently renamed labels",
    "A row is a mean over tasks with few answers, each of which stands for another one throughout "
    "the demonstrations. The block is the best on dev for the renamed answer, or with right labels "
    "for the right one. Demonstrations show the query's answer, but in the last column. Over its "
    "share: minus how often it is among the labels. [ ]: 95 % bootstrap interval over tasks. "
    "By word list: with tasks that share one resampled together. Equal: the p-value of an "
    "equivalence test, that the renamed answer is as frequent as with ICL, within 0.05.",
    (
        *(c.MODEL, c.plain("Seed", "seed"), c.TASKS, c.PROCEDURE),
        c.named("Block chosen for the answer", "layer_rule", str),
        *(c.estimate("With right labels", "right"), c.estimate("Right answer", "kept")),
        *(c.estimate("Renamed answer", "renamed"), c.estimate("Renamed minus right", "follows")),
        *(c.by_list("By word list", "follows"), c.estimate("Over its share", "over_share")),
        c.estimate("Over that after right labels", "over_confused"),
        *(
            c.estimate("Over ICL", "over_icl", but=["icl"]),
            c.small("Equal (p)", "over_icl_equal_p"),
        ),
        c.estimate("Where no label shows it", "absent"),
    ),
    filed=("Tasks", "By word list", "Over that after right labels"),
    part="renamed",
)
SEEN = Table(
    "Test queries that demonstrations of dev show with their answers",
    "A row is a model and a group of tasks: all, the translations, or the rest; of tasks that have "
    "such queries and others. Shown, not shown: accuracy of the task's own mean vector, which is "
    "made from dev, minus that of ICL. [ ]: 95 % bootstrap interval over tasks. "
    f"{c.LISTS} Equal: the p-value of an equivalence test, that both differ by less than 0.05.",
    (
        *(c.MODEL, c.plain("Tasks are", "group"), c.TASKS, c.estimate("Shown", "seen")),
        *(c.estimate("Not shown", "unseen"), c.estimate("Difference", "difference")),
        *(c.by_list("By word list", "difference"), c.small("Equal (p)", "difference_equal_p")),
    ),
    part="seen",
    shown=False,
)
BLOCKS = Table(
    "Mean dev accuracy after each block, with the {vector} and with its controls",
    "A row is a block, numbered from 0. [ ]: 95 % bootstrap interval over tasks.",
    (),
    part="by_block",
    shown=False,
)
TRANSFER = Table(
    "Test accuracy with the vectors of other tasks",
    "A row is the task that is asked. All vectors are means over a task's dev episodes. [ ]: 95 % "
    "interval over the task's queries. Same category, other categories: means over the tasks whose "
    "vector is applied. The best other task is chosen on dev, where none may be right. Not beaten: "
    "the number of others whose vector the own one does not answer better than. The CSV file has "
    "every pair.",
    (
        *(c.MODEL, c.CATEGORY, c.TASK, c.estimate("Own mean vector", "accuracy")),
        c.number("Same category", "same_category"),
        c.number("Other categories", "other_categories"),
        c.named("Best other task on dev", "best_source", task_title, words=True),
        c.estimate("Its accuracy", "best"),
        c.flag("Beaten (5 %)", "beaten"),
        c.of("Others not beaten (Holm, 5 %)", "not_worse", "sources"),
    ),
    part="transfer",
    heading="The mean vectors of other tasks on test",
    secondary=("Category",),
)
UNBEATEN = Table(
    "Tasks whose own mean vector does not beat the best other one",
    "",
    (
        *(c.MODEL, c.of_solved("Not beaten", "unbeaten")),
        c.named("Which (by whose)", "which", str, words=True),
    ),
)

DISTANCES = Table(
    "Do nearer task vectors work in each other's place?",
    "A row is a model and a way to rank its ordered pairs of tasks: all of them together, or those "
    "of one asked task among themselves, with the mean over tasks. Rank correlation: Spearman's, "
    "of the Euclidean distance of the tasks' mean vectors and the test accuracy with the other "
    "task's vector; below 0 where nearer vectors answer more. [ ]: 95 % interval from resampling "
    "tasks. p: two-sided, from permuting tasks (Mantel's test), since pairs that share a task are "
    "not independent.",
    (
        *(c.MODEL, c.BLOCK, c.plain("Ranked", "ranked"), c.TASKS, c.plain("Pairs", "pairs")),
        *(c.estimate("Rank correlation", "correlation"), c.small("p (Mantel)", "correlation_p")),
    ),
    part="distances",
    secondary=("Tasks",),
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables, of each vector."""
    if not outcome.only(NAME).results:
        display.note("No task has controls: nothing to draw.")
        return
    central = outcome.only(MAIN_RESULTS).table
    _draw_renamed(outcome.only(RENAMED), options, Page(display, drawn))
    others = Outcome([one for one in outcome.results if one.experiment != RENAMED])
    for vector, vector_outcome, files in each_vector(others, drawn):
        if vector_outcome.only(NAME).results:
            page, applied = Page(display, files), vector_outcome.only(METHODS).results
            known = pd.concat([central, *(of.rows for of in applied)], ignore_index=True)
            pairs = _draw(vector_outcome, known, vector, page)
            if vector == "task_vector":
                shown = _shown(outcome.only(MAIN_RESULTS), options)
                leads = numbers.seen(central, vector_outcome.only(NAME).table, shown)
                if len(leads):
                    page.table(SEEN, leads)
                if len(pairs):
                    _draw_distances(outcome.only(MAIN_RESULTS), pairs, options, page)


def _draw(outcome: Outcome, central: pd.DataFrame, vector: str, page: Page) -> pd.DataFrame:
    """Write and show one vector beside its controls; returns the pairs of tasks.

    Args:
        central: rows of the central comparison, with those of the vector.
    """
    rows = outcome.only(NAME).table
    table = numbers.by_task(central, rows, vector)
    means = numbers.over_tasks(table, vector)
    blocks = numbers.by_block(central, rows, vector)
    recognised = numbers.recognised(central, rows, vector)
    pairs = numbers.transfer(central, rows)
    _say_missing(table, page)
    page.table(TASKS.of(vector), table, notes=outcome.note_cells)
    whole = apart(means, ["procedure"])
    page.table(MEANS.of(vector), means, whole)
    page.table(SHARES.of(vector), numbers.shuffled_shares(table, vector))
    page.table(RECOGNITION, recognised, recognition_over_tasks(recognised))
    for model in map(str, means["model"].unique()):
        page.figure(figures.against_controls(table, whole, model, vector), model)
    applied = (c.MODEL, c.BLOCK, *c.procedures(blocks["procedure"].unique()))
    by_block = wide(blocks, ["model", "layer"], "procedure")
    page.table(BLOCKS.of(vector)._replace(columns=applied), blocks, by_block)
    page.figure(figures.curves(blocks, whole, vector), "by_block")
    if pairs.empty:
        return pairs
    by_task = numbers.transfer_by_task(pairs)
    unbeaten = by_group(by_task, ["model"], _beaten_by_whom)
    page.table(TRANSFER.of(vector), pairs, by_task, below=[(UNBEATEN, unbeaten)])
    for model in pairs["model"].unique():
        page.figure(matrix(pairs, by_task, model, vector), "transfer", model)
    return pairs


def _draw_renamed(renamed: Outcome, options: Options, page: Page) -> None:
    """How often the renamed and the right answer is given, with every seed."""
    by_seed = {seed: renamed.of_seed(seed) for seed in options.seed}
    seeds = {seed: of.table for seed, of in by_seed.items() if of.results}
    if seeds:
        table = each_seed(seeds, renamed_numbers.by_task)
        page.table(RENAMED_TABLE, renamed_numbers.over_tasks(table))
        page.numbers(table, "renamed_by_task")


def _shown(central: Outcome, options: Options) -> dict[tuple[str, str], set[str]]:
    """The inputs of demonstrations of dev, by model and task, where episodes are stored."""
    shown = {}
    for result in central.results:
        episodes = Store(options.results).episodes(result.path)
        if episodes is not None:
            inputs = episodes.loc[episodes["split"] == "dev", "inputs"].explode()
            names = result.rows[["model", "task"]].iloc[0].astype(str)
            shown[names["model"], names["task"]] = set(inputs.str.strip())
    return shown


def _draw_distances(central: Outcome, transfer: pd.DataFrame, options: Options, page: Page) -> None:
    """How far the vectors of tasks are apart, and how well each works in the other's place."""
    rows = central.table
    measured = rows[rows["model"].isin(transfer["model"])]
    try:
        sets = at_common_block(measured, TaskVectors(Store(options.results), central.paths))
    except (UsageError, FileNotFoundError) as error:
        why = error if isinstance(error, UsageError) else "they are not stored."
        page.note(f"No distances between vectors: {why}")
        return
    pairs = distance_numbers.pairs(transfer, sets)
    page.table(DISTANCES, distance_numbers.correlations(pairs))
    depths = {given.model: given.depth for given in sets}
    page.figure(distance_figures.scatter(pairs, depths), "distances")


def _beaten_by_whom(model_rows: pd.DataFrame) -> dict[str, object]:
    """How many and which tasks the best other task's vector does as well on."""
    unbeaten = model_rows[~model_rows["beaten"]]
    pairs = zip(unbeaten["task"], unbeaten["best_source"].replace("", MISSING), strict=True)
    which = ", ".join(f"{task} ({source})" for task, source in pairs)
    solved = {"unbeaten_solved": unbeaten["solved"].sum(), "icl_gains": model_rows["solved"].sum()}
    return {"unbeaten": len(unbeaten), "tasks": len(model_rows), "which": which, **solved}


def _say_missing(table: pd.DataFrame, page: Page) -> None:
    for model, model_rows in table.groupby("model", sort=False):
        name = display_name(str(model))
        if model_rows["any_other_task"].isna().all():
            page.note(
                f"{name}: only one task, so there are no vectors of other tasks to compare with. "
                "Ask for more with --tasks."
            )
        for task in model_rows["task"][model_rows["shuffled_labels"].isna()]:
            page.note(
                f"{name}, {task}: no permutation of the answers among the demonstrations changes "
                "them, so there are no shuffled labels. Ask for more with --shots."
            )
