"""Tables and figures of the controls."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.answer_sets import (
    RECOGNITION_TABLE,
    recognition_over_tasks,
    recognition_table,
)
from tvsight.experiments.controls import NAME, Options, figures, numbers
from tvsight.experiments.controls.request import collect
from tvsight.experiments.controls.transfer_figures import matrix
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.main_results.methods import NAME as METHODS
from tvsight.experiments.main_results.methods import each_vector
from tvsight.output.drawn import Drawn
from tvsight.output.labels import (
    MISSING,
    NOT_IDENTIFIED,
    display_name,
    interval,
    number,
    task_title,
)
from tvsight.output.procedures import BESIDE_CONTROLS, about, beside, title, word
from tvsight.output.tables import Wording
from tvsight.statistics.tests import SIGNIFICANCE

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Best other task on dev", "Which (by whose)"]
"""Columns with words from elsewhere."""
PATCHED = "All vectors are applied after the block that was chosen for the {vector} on dev."
TASK_TABLE = Wording(
    "Test accuracy with the {vector} and with its controls, task by task",
    f"A row is a task. [ ]: 95 % interval over the task's queries. {PATCHED} Layer not identified: "
    "no block beats the baseline on dev. Not beaten: controls that the vector compared with them "
    "does not answer better than, by permuting queries at 5 %.",
)
MEAN_TABLE = Wording(
    "Mean test accuracy with the {vector} and with its controls",
    f"A row is what is patched in. [ ]: 95 % bootstrap interval over tasks. {PATCHED} Lead: the "
    "accuracy of the vector compared with it minus its own, tasks paired. Better and worse: the "
    "number of tasks where that vector answers more, or less, often, after Holm's correction.",
)
SHUFFLED_TABLE = Wording(
    "What shuffled labels leave of ICL and of the {vector}",
    "A row is a model. Shares are ratios of means over tasks. [ ]: 95 % bootstrap interval over "
    "tasks.",
)
BLOCK_TABLE = Wording(
    "Mean dev accuracy after each block, with the {vector} and with its controls",
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


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables, of each vector."""
    if not outcome.only(NAME).results:
        display.note("No task has controls: nothing to draw.")
        return
    central = outcome.only(MAIN_RESULTS).table
    for vector, of_vector, files in each_vector(outcome, drawn):
        if of_vector.only(NAME).results:
            applied = of_vector.only(METHODS).results
            known = pd.concat([central, *(of.rows for of in applied)], ignore_index=True)
            _draw(of_vector, known, vector, display, files)


def _draw(
    outcome: "Outcome", central: pd.DataFrame, vector: str, display: "Display", drawn: Drawn
) -> None:
    """Write and show one vector beside its controls.

    Args:
        central: rows of the central comparison, with those of the vector.
    """
    rows = outcome.only(NAME).table
    table = numbers.by_task(central, rows, vector)
    means = numbers.over_tasks(table, vector)
    shares = numbers.shuffled_shares(table, vector)
    blocks = numbers.by_block(central, rows, vector)
    recognised = numbers.recognised(central, rows, vector)
    pairs = numbers.transfer(central, rows)
    _say_missing(table, display)

    task_table, mean_table = _task_table(table, vector), _mean_table(means)
    share_table = _shares(shares, vector)
    for model, of_model in task_table.groupby("Model", sort=False):
        heading = f"{model}: accuracy on test episodes, with 95 % intervals"
        display.table(of_model.drop(columns="Model"), heading, ["Category", "ICL", "Block"])
    display.table(mean_table, "Means over tasks, with bootstrap intervals over tasks")
    display.table(share_table, "Shares that shuffled labels leave, with intervals over tasks")
    cells = [task_table, *outcome.note_cells]
    drawn.table(table, cells, names=NAMES, wording=TASK_TABLE.of(vector))
    drawn.table(means, [mean_table], "means", names=NAMES, wording=MEAN_TABLE.of(vector))
    wording = SHUFFLED_TABLE.of(vector)
    drawn.table(shares, [share_table], "shuffled", names=NAMES, wording=wording)
    recognition_means = recognition_table(recognition_over_tasks(recognised))
    display.table(recognition_means, RECOGNITION_TABLE.title, ["Right"])
    cells = [recognition_means]
    drawn.table(recognised, cells, "recognition", names=NAMES, wording=RECOGNITION_TABLE)
    drawn.figure(figures.means(table, means, vector))
    wording = BLOCK_TABLE.of(vector)
    drawn.table(blocks, [_block_table(blocks)], "by_block", names=NAMES, wording=wording)
    drawn.figure(figures.curves(blocks, means, vector), "by_block")
    if pairs.empty:
        return
    of_tasks = numbers.transfer_by_task(pairs)
    transfer_table, unbeaten = _transfer_table(of_tasks), _unbeaten(of_tasks)
    heading = about("The mean vectors of other tasks on test", vector)
    display.table(transfer_table, heading, ["Category"])
    display.table(unbeaten, "Tasks whose own mean vector does not beat the best other one")
    cells = [transfer_table, unbeaten]
    wording = TRANSFER_TABLE._replace(title=about(TRANSFER_TABLE.title, vector))
    drawn.table(pairs, cells, "transfer", names=NAMES, wording=wording)
    for model in pairs["model"].unique():
        drawn.figure(matrix(pairs, of_tasks, model, vector), "transfer", model)


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


def _task_table(table: pd.DataFrame, vector: str) -> pd.DataFrame:
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
                **{title(name): interval(task, name) for name in beside(BESIDE_CONTROLS, vector)},
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


def _shares(shares: pd.DataFrame, vector: str) -> pd.DataFrame:
    """Shares under shuffled labels as texts.

    Args:
        shares: from `numbers.shuffled_shares`.
    """
    rows = [
        {
            "Model": display_name(share["model"]),
            "Tasks": str(share["tasks"]),
            f"Vector with shuffled labels / {word(vector)}": interval(share, "vector_share"),
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
