"""Tables and figures of the controls."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.answer_sets import (
    RECOGNITION_TABLE,
    recognition_over_tasks,
    recognition_table,
)
from tvsight.experiments.controls import NAME, figures, numbers
from tvsight.experiments.controls.request import collect
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.output.drawn import Drawn
from tvsight.output.labels import (
    MISSING,
    NOT_IDENTIFIED,
    display_name,
    interval,
    number,
    task_title,
)
from tvsight.output.procedures import BESIDE_CONTROLS, title
from tvsight.output.tables import Wording
from tvsight.statistics.tests import SIGNIFICANCE

if TYPE_CHECKING:
    from tvsight.config import RunConfig
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Best other task on dev", "Which (by whose)"]
"""Columns with words from elsewhere."""
PATCHED = "All vectors are applied after the block that was chosen for the task vector on dev."
TASK_TABLE = Wording(
    "Test accuracy with the task vector and with its controls, task by task",
    f"A row is a task. [ ]: 95 % interval over the task's queries. {PATCHED} Layer not identified: "
    "no block beats the baseline on dev. Not beaten: controls that the vector compared with them "
    "does not answer better than, by permuting queries at 5 %.",
)
MEAN_TABLE = Wording(
    "Mean test accuracy with the task vector and with its controls",
    f"A row is what is patched in. [ ]: 95 % bootstrap interval over tasks. {PATCHED} Lead: the "
    "accuracy of the vector compared with it minus its own, tasks paired. Better and worse: the "
    "number of tasks where that vector answers more, or less, often, after Holm's correction.",
)
SHUFFLED_TABLE = Wording(
    "What shuffled labels leave of ICL and of the task vector",
    "A row is a model. Shares are ratios of means over tasks. [ ]: 95 % bootstrap interval over "
    "tasks.",
)
BLOCK_TABLE = Wording(
    "Mean dev accuracy after each block, with the task vector and with its controls",
    "A row is a block, numbered from 0. [ ]: 95 % bootstrap interval over tasks.",
)
TRANSFER_TABLE = Wording(
    "Test accuracy with the vectors of other tasks",
    "A row is the task that is asked. All vectors are means over a task's dev episodes. [ ]: 95 % "
    "interval over the task's queries. Same category, other categories: means over the tasks whose "
    "vector is applied. The best other task is chosen on dev, where none may be right. Not beaten: "
    "the number of others whose vector the own one does not answer better than. The CSV file has "
    "every pair.",
)


def draw(outcome: "Outcome", options: "RunConfig", display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    measured = outcome.only(NAME)
    if not measured.results:
        display.note("No task has controls: nothing to draw.")
        return
    rows, central = measured.table, outcome.only(MAIN_RESULTS).table
    table = numbers.by_task(central, rows)
    means = numbers.over_tasks(table)
    shares = numbers.shuffled_shares(table)
    blocks = numbers.by_block(central, rows)
    recognised = numbers.recognised(central, rows)
    pairs = numbers.transfer(central, rows)
    _say_missing(table, display)

    task_table, mean_table, share_table = _task_table(table), _mean_table(means), _shares(shares)
    for model, of_model in task_table.groupby("Model", sort=False):
        heading = f"{model}: accuracy on test episodes, with 95 % intervals"
        display.table(of_model.drop(columns="Model"), heading, ["Category", "ICL", "Block"])
    display.table(mean_table, "Means over tasks, with bootstrap intervals over tasks")
    display.table(share_table, "Shares that shuffled labels leave, with intervals over tasks")
    drawn.table(table, [task_table, *outcome.note_cells], names=NAMES, wording=TASK_TABLE)
    drawn.table(means, [mean_table], "means", names=NAMES, wording=MEAN_TABLE)
    drawn.table(shares, [share_table], "shuffled", names=NAMES, wording=SHUFFLED_TABLE)
    recognition_means = recognition_table(recognition_over_tasks(recognised))
    display.table(recognition_means, RECOGNITION_TABLE.title, ["Right"])
    cells = [recognition_means]
    drawn.table(recognised, cells, "recognition", names=NAMES, wording=RECOGNITION_TABLE)
    drawn.figure(figures.means(table, means))
    drawn.table(blocks, [_block_table(blocks)], "by_block", names=NAMES, wording=BLOCK_TABLE)
    drawn.figure(figures.curves(blocks, means), "by_block")
    if pairs.empty:
        return
    of_tasks = numbers.transfer_by_task(pairs)
    transfer_table, unbeaten = _transfer_table(of_tasks), _unbeaten(of_tasks)
    display.table(transfer_table, "The mean vectors of other tasks on test", ["Category"])
    display.table(unbeaten, "Tasks whose own mean vector does not beat the best other one")
    cells = [transfer_table, unbeaten]
    drawn.table(pairs, cells, "transfer", names=NAMES, wording=TRANSFER_TABLE)
    for model in pairs["model"].unique():
        drawn.figure(figures.matrix(pairs, of_tasks, model), "transfer", model)


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
        unbeaten = [
            title(name)
            for name in numbers.TESTED
            if name != "icl_shuffled" and task[f"better_{name}"] >= SIGNIFICANCE
        ]
        mark = "" if task["layer_identified"] else f" ({NOT_IDENTIFIED})"
        rows.append(
            {
                "Model": display_name(task["model"]),
                "Category": task["category"],
                "Task": task_title(task["task"]),
                **{title(name): interval(task, name) for name in BESIDE_CONTROLS},
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
        tested, compared = not pd.isna(mean["better"]), mean["compared_with"]
        rows.append(
            {
                "Model": display_name(mean["model"]),
                "Procedure": title(mean["procedure"]),
                "Tasks": str(mean["tasks"]),
                "Accuracy": interval(mean, "accuracy"),
                "Vector compared with": title(compared) if isinstance(compared, str) else "–",
                "Lead of the vector": interval(mean, "lead"),
                **{
                    f"Tasks where the vector is {sign} (Holm, 5 %)": (
                        f"{mean[sign]} of {mean['tasks']}" if tested else "–"
                    )
                    for sign in numbers.SIGNS
                },
            }
        )
    return pd.DataFrame(rows)


def _shares(shares: pd.DataFrame) -> pd.DataFrame:
    """Shares under shuffled labels as texts.

    Args:
        shares: from `numbers.shuffled_shares`.
    """
    rows = [
        {
            "Model": display_name(share["model"]),
            "Tasks": str(share["tasks"]),
            "Vector with shuffled labels / task vector": interval(share, "vector_share"),
            "ICL with shuffled labels / ICL": interval(share, "icl_share"),
            "Difference": interval(share, "difference"),
        }
        for _, share in shares.iterrows()
    ]
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
            "Task": task_title(task["task"]),
            "Own mean vector": interval(task, "accuracy"),
            "Same category": number(task["same_category"]),
            "Other categories": number(task["other_categories"]),
            "Best other task on dev": task_title(task["best_source"]) or MISSING,
            "Its accuracy": interval(task, "best"),
            "Beaten (5 %)": "yes" if task["beaten"] else "no",
            "Others not beaten (Holm, 5 %)": f"{task['not_worse']} of {task['sources']}",
        }
        for _, task in table.iterrows()
    ]
    return pd.DataFrame(rows)


def _unbeaten(table: pd.DataFrame) -> pd.DataFrame:
    """How many and which tasks the best other task's vector does as well on, as texts.

    Args:
        table: from `numbers.transfer_by_task`.
    """
    rows = []
    for model, of_model in table.groupby("model", sort=False):
        unbeaten = of_model[~of_model["beaten"]]
        sources = unbeaten["best_source"].replace("", MISSING)
        pairs = zip(unbeaten["task"], sources, strict=True)
        rows.append(
            {
                "Model": display_name(str(model)),
                "Not beaten": f"{len(unbeaten)} of {len(of_model)}",
                "Which (by whose)": ", ".join(f"{task} ({source})" for task, source in pairs)
                or "–",
            }
        )
    return pd.DataFrame(rows)
