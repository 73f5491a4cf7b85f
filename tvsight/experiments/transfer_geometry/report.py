"""Tables and the figure of distances between task vectors against transfer."""

import math
from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.controls import NAME as CONTROLS
from tvsight.experiments.controls.numbers import transfer
from tvsight.experiments.controls.request import collect
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.main_results.vector_sets import vector_sets
from tvsight.experiments.transfer_geometry import Options, figures, numbers
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, display_name, interval, number, small, spread, task_title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Nearest other task"]
"""Columns with words from elsewhere."""
TABLE = Wording(
    "Do nearer task vectors work in each other's place?",
    "A row is a model and a way to rank its ordered pairs of tasks: all of them together, or those "
    "of one asked task among themselves, with the mean over tasks. Rank correlation: Spearman's, "
    "of the Euclidean distance of the tasks' mean vectors and the test accuracy with the other "
    "task's vector; below 0 where nearer vectors answer more. [ ]: 95 % interval from resampling "
    "tasks. p: two-sided, from permuting tasks (Mantel's test), since pairs that share a task are "
    "not independent.",
)
TASK_TABLE = Wording(
    "The nearest other task's vector, task by task",
    "A row is the task that is asked. Nearest other task: the one whose mean vector has the least "
    "Euclidean distance after the block that is common to all tasks. All vectors are applied after "
    "the block that was chosen for the asked task. [ ]: 95 % interval over the task's queries. "
    "Better: farther tasks whose vector is right more often. The file of pairs has all of them.",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and the figure, and show the tables."""
    controls, central = outcome.only(CONTROLS), outcome.only(MAIN_RESULTS)
    measured = {result.key.model for result in controls.results}
    for model in dict.fromkeys(result.key.model for result in central.results):
        if model not in measured:
            display.note(f"{display_name(model)} has no controls, so transfer is not known.")
    if not measured:
        return
    sets = vector_sets(central, options)
    pairs = numbers.pairs(transfer(central.table, controls.table), sets)
    if pairs.empty:
        display.note("One task has no other task's vector: nothing to draw.")
        return
    correlations, by_task = numbers.correlations(pairs), numbers.by_task(pairs)
    cells, task_cells = _cells(correlations), _task_cells(by_task)
    display.table(cells, TABLE.title, ["Tasks"])
    display.table(task_cells, TASK_TABLE.title, ["Category", "Distance"])
    drawn.table(correlations, [cells, *outcome.note_cells], names=NAMES, wording=TABLE)
    drawn.table(by_task, [task_cells], "by_task", names=NAMES, wording=TASK_TABLE)
    drawn.numbers(pairs, "pairs")
    depths = {given.model: given.depth for given in sets}
    drawn.figure(figures.scatter(pairs, numbers.by_distance(pairs), correlations, depths))


def _cells(correlations: pd.DataFrame) -> pd.DataFrame:
    """The correlations as texts.

    Args:
        correlations: from `numbers.correlations`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Block": str(row["layer"]),
            "Ranked": row["ranked"],
            "Tasks": str(row["tasks"]),
            "Pairs": str(row["pairs"]),
            "Rank correlation": interval(row, "correlation"),
            "p (Mantel)": MISSING if pd.isna(row["correlation_p"]) else small(row["correlation_p"]),
        }
        for _, row in correlations.iterrows()
    )


def _task_cells(by_task: pd.DataFrame) -> pd.DataFrame:
    """The nearest other tasks as texts.

    Args:
        by_task: from `numbers.by_task`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Category": row["category"],
            "Task": task_title(row["task"]),
            "Own mean vector": number(row["own"]),
            "Nearest other task": task_title(row["nearest"]),
            "Distance": spread(row["distance"], math.nan),
            "Its accuracy": interval(row, "accuracy"),
            "Better": f"{row['better']} of {row['sources'] - 1}",
        }
        for _, row in by_task.iterrows()
    )
