"""Tables and figures of the controls."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.answer_sets import recognition_over_tasks
from tvsight.experiments.controls import NAME, figures, numbers
from tvsight.experiments.controls.request import collect
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.main_results.report import recognition_table
from tvsight.output.drawn import Drawn
from tvsight.output.labels import NOT_IDENTIFIED, display_name, interval, number
from tvsight.output.procedures import CONTROLS, title
from tvsight.statistics.tests import SIGNIFICANCE

if TYPE_CHECKING:
    from tvsight.config import RunConfig
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Best other task"]
"""Columns with words from elsewhere."""
SHOWN = ("icl", "task_vector", *CONTROLS)
"""Procedures with a column in the table of tasks."""


def draw(outcome: "Outcome", options: "RunConfig", display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    measured = outcome.only(NAME)
    if not measured.results:
        display.note("No task has controls: nothing to draw.")
        return
    rows, central = measured.table, outcome.only(MAIN_RESULTS).table
    table = numbers.by_task(central, rows)
    means = numbers.over_tasks(table)
    blocks = numbers.by_block(central, rows)
    recognised = numbers.recognised(central, rows)
    pairs = numbers.transfer(central, rows)
    _say_missing(table, display)

    task_table, mean_table = _task_table(table), _mean_table(means)
    for model, of_model in task_table.groupby("Model", sort=False):
        heading = f"{model}: accuracy on test episodes, with 95 % intervals"
        display.table(of_model.drop(columns="Model"), heading, ["Category", "ICL", "Block"])
    display.table(mean_table, "Means over tasks, with bootstrap intervals over tasks")
    drawn.table(table, [task_table, *outcome.note_cells], names=NAMES)
    drawn.table(means, [mean_table], "means", names=NAMES)
    recognition_means = recognition_table(recognition_over_tasks(recognised))
    display.table(recognition_means, "Predictions that are answers of the task", ["Right"])
    drawn.table(recognised, [recognition_means], "recognition", names=NAMES)
    drawn.figure(figures.means(table, means))
    drawn.table(blocks, [_block_table(blocks)], "by_block", names=NAMES)
    drawn.figure(figures.curves(blocks), "by_block")
    if pairs.empty:
        return
    transfer_table = _transfer_table(numbers.transfer_by_task(pairs))
    display.table(transfer_table, "The vectors of other tasks, mean over episodes", ["Category"])
    drawn.table(pairs, [transfer_table], "transfer", names=NAMES)
    for model in pairs["model"].unique():
        drawn.figure(figures.matrix(pairs, model), "transfer", model)


def _say_missing(table: pd.DataFrame, display: "Display") -> None:
    for model, of_model in table.groupby("model", sort=False):
        name = display_name(str(model))
        if of_model["any_other_task"].isna().all():
            display.note(
                f"{name}: only one task, so there are no vectors of other tasks to compare with. "
                "Ask for more with --tasks."
            )
        for task in of_model["task"][of_model["shuffled_labels"].isna()]:
            display.note(
                f"{name}, {task}: no permutation of the answers among the demonstrations changes "
                "them, so there are no shuffled labels. Ask for more with --shots."
            )


def _task_table(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracies by task as texts.

    Args:
        table: from `numbers.by_task`.
    """
    rows = []
    for _, task in table.iterrows():
        unbeaten = [title(name) for name in CONTROLS if task[f"better_{name}"] >= SIGNIFICANCE]
        mark = "" if task["layer_identified"] else f" ({NOT_IDENTIFIED})"
        rows.append(
            {
                "Model": display_name(task["model"]),
                "Category": task["category"],
                "Task": task["task"],
                **{title(name): interval(task, name) for name in SHOWN},
                "Block": f"{task['layer']}{mark}",
                "Not beaten (5 %)": ", ".join(unbeaten) or "–",
            }
        )
    return pd.DataFrame(rows)


def _mean_table(means: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks as texts.

    Args:
        means: from `numbers.over_tasks`.
    """
    rows = []
    for _, mean in means.iterrows():
        tested = not pd.isna(mean["better"])
        rows.append(
            {
                "Model": display_name(mean["model"]),
                "Patched": title(mean["procedure"]),
                "Accuracy": interval(mean, "accuracy"),
                "Lead of the task vector": interval(mean, "lead"),
                **{
                    f"Tasks where it is {sign} (Holm, 5 %)": f"{mean[sign]} of {mean['tasks']}"
                    if tested
                    else "–"
                    for sign in numbers.SIGNS
                },
            }
        )
    return pd.DataFrame(rows)


def _block_table(blocks: pd.DataFrame) -> pd.DataFrame:
    """Means after each block as texts.

    Args:
        blocks: from `numbers.by_block`.
    """
    rows = []
    for (model, layer), of_block in blocks.groupby(["model", "layer"], sort=False):
        row = {"Model": display_name(str(model)), "Block": str(layer)}
        for _, mean in of_block.iterrows():
            row[title(mean["procedure"])] = interval(mean, "accuracy")
        rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def _transfer_table(table: pd.DataFrame) -> pd.DataFrame:
    """The vectors of other tasks, as texts.

    Args:
        table: from `numbers.transfer_by_task`.
    """
    rows = [
        {
            "Model": display_name(task["model"]),
            "Category": task["category"],
            "Task": task["task"],
            "Own vector": interval(task, "accuracy"),
            "Same category": number(task["same_category"]),
            "Other categories": number(task["other_categories"]),
            "Best other task": task["best_source"],
            "Its accuracy": interval(task, "best"),
            "Not beaten (Holm, 5 %)": f"{task['not_worse']} of {task['sources']}",
        }
        for _, task in table.iterrows()
    ]
    return pd.DataFrame(rows)
