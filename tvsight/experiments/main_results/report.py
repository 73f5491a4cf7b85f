"""report."""

import pandas as pd

from tvsight.experiments.main_results.numbers import mean_numbers
from tvsight.output.labels import NOT_IDENTIFIED, PROCEDURE_NAMES, display_name, interval

SHARE_NAMES = {"share_of_icl": "Task vector / ICL", "recovered_gap": "Recovered gap"}


def task_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The complete results as texts: a row per task, then a mean per category.

    Args:
        table: from `summaries.by_task`.
    """
    rows = []
    for model, of_model in table.groupby("model", sort=False):
        for category, tasks in of_model.groupby("category", sort=False):
            rows += [_task_cells(task) for _, task in tasks.iterrows()]
            rows.append(_mean_cells(str(model), str(category), tasks))
    return pd.DataFrame(rows)


def mean_cells(table: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """The same numbers as texts."""
    rows = []
    for _, means in mean_numbers(table, paper).iterrows():
        origin = " (paper)" if means["source"] == "paper" else ""
        rows.append({"Model": display_name(means["model"]) + origin, **_share_cells(means)})
    return pd.DataFrame(rows)


def _task_cells(task: pd.Series) -> dict[str, str]:
    return {
        "Model": display_name(task["model"]),
        "Category": task["category"],
        "Task": task["task"],
        **{title: interval(task, name) for name, title in PROCEDURE_NAMES.items()},
        "Block": str(task["layer"]),
        "n (queries)": f"{task['n']} ({task['queries']})",
        "Note": "" if task["layer_identified"] else NOT_IDENTIFIED,
    }


def _mean_cells(model: str, category: str, tasks: pd.DataFrame) -> dict[str, str]:
    return {
        "Model": display_name(model),
        "Category": category,
        "Task": f"mean of {category}",
        **{title: f"{tasks[name].mean():.2f}" for name, title in PROCEDURE_NAMES.items()},
        "Block": "",
        "n (queries)": "",
        "Note": "",
    }


def _share_cells(means: pd.Series) -> dict[str, str]:
    return {
        "Tasks": f"{means['subset']} ({means['tasks']})",
        **{
            title: interval(means, name)
            for name, title in (PROCEDURE_NAMES | SHARE_NAMES).items()
            if name in means
        },
    }
