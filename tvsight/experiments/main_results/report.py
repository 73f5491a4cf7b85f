"""Tables and figures of the central comparison."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import figures, numbers
from tvsight.experiments.main_results.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import NOT_IDENTIFIED, display_name, interval, number, task_title
from tvsight.output.procedures import CENTRAL, title
from tvsight.output.tables import Wording
from tvsight.paper import paper_by_task

if TYPE_CHECKING:
    from tvsight.config import RunConfig
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task"]
"""Columns with words from elsewhere."""
TASK_TABLE = Wording(
    "Test accuracy task by task",
    "A row is a task, or the plain mean of a category. [ ]: 95 % interval over the task's queries. "
    "n: test episodes, with the number of different queries in brackets. Block: the one after "
    "which the task vector is applied, chosen on dev. Layer not identified: no block beats the "
    "baseline on dev, so the vector's accuracy says nothing about task vectors. The second table "
    "has the means over tasks.",
)
MEAN_TABLE = Wording(
    "Mean test accuracy over tasks",
    "A row is a model and a set of tasks: all, those whose layer is identified, or those where ICL "
    "gains at least 0.20 over the baseline (the paper's rule); the number of tasks in brackets. "
    "[ ]: 95 % bootstrap interval over tasks. Recovered gap: (task vector − baseline) / (ICL − "
    "baseline). (paper): reported by Hendel et al. (2023) task by task, averaged here.",
)
SHARES = {"share_of_icl": "Task vector / ICL", "recovered_gap": "Recovered gap"}


def draw(outcome: "Outcome", options: "RunConfig", display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    table, paper = numbers.by_task(outcome.table), paper_by_task()
    means = numbers.means(table, paper)
    task_table, mean_table = _task_table(table), _mean_table(means)
    for model, of_model in task_table.groupby("Model", sort=False):
        heading = f"{model}: accuracy on test episodes, with 95 % intervals"
        secondary = ["Category", "Averaged vector", "n (queries)"]
        display.table(of_model.drop(columns="Model"), heading, secondary)
    for model in numbers.models_without_icl(table):
        display.note(
            f"{model}: demonstrations help on no task. Likely causes: a model tuned to follow "
            "instructions, to which this template is foreign; other special tokens than it was "
            "trained with; a tokenizer that leaves out the beginning-of-sequence token."
        )
    heading = "Means over tasks, with bootstrap intervals over tasks"
    display.table(mean_table, heading, ["Averaged vector"])

    cells = [task_table, mean_table, *outcome.note_cells]
    drawn.table(table, cells, names=NAMES, wording=TASK_TABLE)
    drawn.table(means, [mean_table], "means", names=NAMES, wording=MEAN_TABLE)
    marked = table.assign(icl_gains=numbers.gains_from_icl(table))
    drawn.figure(figures.by_model(numbers.bars(table, paper), marked))
    for model in table["model"].unique():
        drawn.figure(figures.task_by_task(table, model), "by_task", model)


def _task_table(table: pd.DataFrame) -> pd.DataFrame:
    """The complete results as texts: a row per task, then a mean per category.

    Args:
        table: from `numbers.by_task`.
    """
    rows = []
    for model, of_model in table.groupby("model", sort=False):
        for category, tasks in of_model.groupby("category", sort=False):
            rows += [_task_cells(task) for _, task in tasks.iterrows()]
            rows.append(_mean_cells(str(model), str(category), tasks))
    return pd.DataFrame(rows)


def _mean_table(means: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks as texts.

    Args:
        means: from `numbers.means`.
    """
    rows = []
    for _, mean in means.iterrows():
        origin = " (paper)" if mean["source"] == "paper" else ""
        rows.append({"Model": display_name(mean["model"]) + origin, **_share_cells(mean)})
    return pd.DataFrame(rows)


def _task_cells(task: pd.Series) -> dict[str, str]:
    return {
        "Model": display_name(task["model"]),
        "Category": task["category"],
        "Task": task_title(task["task"]),
        **{title(name): interval(task, name) for name in CENTRAL},
        "Block": str(task["layer"]),
        "n (queries)": f"{task['n']} ({task['queries']})",
        "Note": "" if task["layer_identified"] else NOT_IDENTIFIED,
    }


def _mean_cells(model: str, category: str, tasks: pd.DataFrame) -> dict[str, str]:
    return {
        "Model": display_name(model),
        "Category": category,
        "Task": f"mean of {category}",
        **{title(name): number(tasks[name].mean()) for name in CENTRAL},
        "Block": "",
        "n (queries)": "",
        "Note": "",
    }


def _share_cells(mean: pd.Series) -> dict[str, str]:
    titles = {name: title(name) for name in CENTRAL} | SHARES
    known = {heading: interval(mean, name) for name, heading in titles.items() if name in mean}
    return {"Tasks": f"{mean['subset']} ({mean['tasks']})", **known}
