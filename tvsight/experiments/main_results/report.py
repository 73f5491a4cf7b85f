"""Tables and figures of the central comparison."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.answer_sets import (
    RECOGNITION_TABLE,
    recognition,
    recognition_over_tasks,
    recognition_table,
)
from tvsight.experiments.main_results import (
    answers_report,
    figures,
    method_report,
    numbers,
    score_report,
    shown_score,
    task_figures,
)
from tvsight.experiments.main_results.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import (
    MISSING,
    NOT_IDENTIFIED,
    counted,
    display_name,
    interval,
    number,
    shortened,
    spread,
    task_title,
)
from tvsight.output.procedures import CENTRAL, COMPARED, title
from tvsight.output.tables import Wording
from tvsight.paper import paper_by_task

if TYPE_CHECKING:
    from tvsight.config import RunConfig
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Most frequent answer"]
"""Columns with words from elsewhere."""
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
TASK_TABLE = Wording(
    "Test accuracy task by task",
    "A row is a task, or the plain mean of a category. [ ]: 95 % interval over the task's queries. "
    "n: test episodes, with the number of different queries in brackets. Block: the one after "
    "which the task vector is applied, chosen on dev. Layer not identified: no block beats the "
    "baseline on dev, so the vector's accuracy says nothing about task vectors. The second table "
    "has the means over tasks.",
)
OF_PAPER = "(paper): reported by Hendel et al. (2023) task by task, averaged here. "
"""Of tables that have the paper's models."""
MEAN_TABLE = Wording(
    "Mean test accuracy over tasks",
    "A row is a model and what its intervals resample: tasks, or groups of tasks that share a word "
    "list. [ ]: 95 % bootstrap interval; all columns of a row are over the same tasks, paired. "
    f"Recovered gap: (task vector − baseline) / (ICL − baseline). {OF_PAPER}The second table "
    "counts tasks (Holm's correction).",
)

SIZE_TABLE = Wording(
    "Size, depth and recovered gap of models",
    "A row is a model. Chosen block: the median over tasks of the blocks chosen on dev, with the "
    "middle half of tasks. Relative depth: (block + 1) / number of blocks. [ ]: 95 % bootstrap "
    "interval over tasks. (paper): reported by Hendel et al. (2023), who give blocks of three "
    "models.",
)
SEED_TABLE = Wording(
    "The central comparison with other seeds",
    "A row is a mean over tasks, measured anew with each seed: other demonstrations, queries and "
    "dummy queries. ±: standard deviation over seeds. Range: the least and the greatest. All other "
    "tables are of the first seed.",
)


def draw(outcome: "Outcome", options: "RunConfig", display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    rows, first = outcome.table, options.seed[0]
    drawn = answers_report.place(rows, drawn)
    if "seed" not in rows:
        rows = rows.assign(seed=first)
    seeds = numbers.by_seed(rows)
    of_seeds, others = numbers.over_seeds(seeds), seeds[seeds["seed"] != first]
    rows = rows[rows["seed"] == first]
    if shown_score(options) != "accuracy":
        score_report.draw(rows, options, display, drawn)
        return
    whole, named = answers_report.are_whole(rows), answers_report.accuracy(rows)
    table = numbers.by_task(rows)
    means = numbers.means(table, None if whole else paper_by_task())
    bars = numbers.bars(means)
    by_size = numbers.by_size(bars, table, rows.groupby("model", observed=True)["layer"].max() + 1)
    task_table, mean_table = _task_table(table), _mean_table(means)
    for model, of_model in task_table.groupby("Model", sort=False):
        heading = f"{model}: accuracy on test episodes, with 95 % intervals"
        filed = ["Model", "Chance", "Most frequent answer"]
        filed += [MEANS[name] for name in numbers.DIFFERENCES]
        secondary = ["Category", "Averaged vector", "n (queries)"]
        display.table(of_model.drop(columns=filed), heading, secondary)
    for model in numbers.models_without_icl(table):
        display.note(
            f"{model}: demonstrations help on no task. Likely causes: a model tuned to follow "
            "instructions, to which this template is foreign; other special tokens than it was "
            "trained with; a tokenizer that leaves out the beginning-of-sequence token."
        )
    heading = "Means over tasks, with bootstrap intervals over tasks"
    display.table(mean_table, heading, ["Averaged vector"])
    count_table = _count_table(means)
    display.table(count_table, "Numbers of tasks, with Holm's correction for that many tests")
    recognised = recognition(rows)
    recognition_means = recognition_table(recognition_over_tasks(recognised))
    display.table(recognition_means, RECOGNITION_TABLE.title, ["Right"])

    cells = [task_table, mean_table, *outcome.note_cells]
    drawn.table(table, cells, names=NAMES, wording=TASK_TABLE)
    ours = MEAN_TABLE._replace(note=MEAN_TABLE.note.replace(OF_PAPER, ""))
    noted = ours if whole else MEAN_TABLE
    drawn.table(means, [mean_table, count_table], "means", names=NAMES, wording=noted)
    drawn.table(
        recognised, [recognition_means], "recognition", names=NAMES, wording=RECOGNITION_TABLE
    )
    if not whole:
        drawn.table(by_size, [_size_table(by_size)], "models", names=NAMES, wording=SIZE_TABLE)
    if len(others):
        seed_table = _seed_table(of_seeds)
        display.table(seed_table, SEED_TABLE.title)
        drawn.table(of_seeds, [seed_table], "seeds", names=NAMES, wording=SEED_TABLE)
    drawn.figure(figures.by_model(bars, table, of_seeds, named))
    if not whole:
        drawn.figure(figures.models(by_size), "models")
    for model in table["model"].unique():
        drawn.figure(task_figures.task_by_task(table, model, others, named), "by_task", model)
        drawn.figure(task_figures.against_icl(table, model, named), "against_icl", model)
    if whole:
        answers_report.draw(rows, display, drawn)
    else:
        score_report.draw(rows, options, display, drawn)
    method_report.draw(rows, display, drawn)


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
        resampled = counted(mean["clusters"], mean["resampled"].removesuffix("s"))
        cells = {"Model": display_name(mean["model"]) + origin, "Resampled": resampled}
        cells |= {heading: interval(mean, name) for name, heading in MEANS.items()}
        cells[f"ICL gains {numbers.MIN_ICL_GAIN:.2f}"] = _of_tasks(mean, "icl_gains")
        rows.append(cells)
    return pd.DataFrame(rows)


def _count_table(means: pd.DataFrame) -> pd.DataFrame:
    """For how many tasks of our models a difference is significant, as texts.

    Args:
        means: from `numbers.means`.
    """
    tested = means[means["identified"].notna() & (means["resampled"] == "tasks")]
    rows = [
        {"Model": display_name(mean["model"])}
        | {f"{text} (Holm)": _of_tasks(mean, name) for name, text in COUNTED.items()}
        for _, mean in tested.iterrows()
    ]
    return pd.DataFrame(rows)


def _size_table(by_size: pd.DataFrame) -> pd.DataFrame:
    """Models by size as texts.

    Args:
        by_size: from `numbers.by_size`.
    """
    rows = []
    for _, model in by_size.sort_values("parameters", kind="stable").iterrows():
        known, size = pd.notna(model["depth"]), model["parameters"]
        middle = f"{model['layer_low']} to {model['layer_high']}" if known else MISSING
        rows.append(
            {
                "Model": display_name(model["model"]) + (" (paper)" if model["paper"] else ""),
                "Parameters": MISSING if pd.isna(size) else figures.billions(size),
                "Blocks": str(model["depth"]) if known else MISSING,
                "Chosen block": str(model["layer"]) if known else MISSING,
                "Middle half": middle,
                "Relative depth": number(model["relative_depth"]) if known else MISSING,
                **{title(name): interval(model, name) for name in COMPARED},
                MEANS["recovered_gap"]: interval(model, "recovered_gap"),
            }
        )
    return pd.DataFrame(rows)


def _seed_table(of_seeds: pd.DataFrame) -> pd.DataFrame:
    """The spread over seeds as texts.

    Args:
        of_seeds: from `numbers.over_seeds`.
    """
    seeds = [name for name in map(str, of_seeds) if name.startswith("seed_")]
    rows = [
        {
            "Model": display_name(row["model"]),
            "Mean over tasks": MEANS[row["quantity"]],
            "Tasks": str(row["tasks"]),
            **{f"Seed {name.removeprefix('seed_')}": number(row[name]) for name in seeds},
            "Mean ± SD": spread(row["mean"], row["deviation"]),
            "Range": f"{number(row['low'])} to {number(row['high'])}",
        }
        for _, row in of_seeds.iterrows()
    ]
    return pd.DataFrame(rows)


def _of_tasks(mean: pd.Series, name: str) -> str:
    """`16 of 18`: a number of tasks beside that of tests."""
    return MISSING if pd.isna(mean[name]) else f"{mean[name]} of {mean['tasks']}"


def _task_cells(task: pd.Series) -> dict[str, str]:
    return {
        "Model": display_name(task["model"]),
        "Category": task["category"],
        "Task": task_title(task["task"]),
        "Chance": f"{task['chance']:.2f}",
        "Most frequent answer": f"{shortened(task['chance_answer'])} ({task['chance_share']:.2f})",
        **{title(name): interval(task, name) for name in CENTRAL},
        **{MEANS[name]: interval(task, name) for name in numbers.DIFFERENCES},
        "Block": str(task["layer"]),
        "n (queries)": f"{task['n']} ({task['queries']})",
        "Note": "" if task["layer_identified"] else NOT_IDENTIFIED,
    }


def _mean_cells(model: str, category: str, tasks: pd.DataFrame) -> dict[str, str]:
    return {
        "Model": display_name(model),
        "Category": category,
        "Task": f"mean of {category}",
        "Chance": number(tasks["chance"].mean()),
        "Most frequent answer": "",
        **{title(name): number(tasks[name].mean()) for name in CENTRAL},
        **{MEANS[name]: number(tasks[name].mean()) for name in numbers.DIFFERENCES},
        "Block": "",
        "n (queries)": "",
        "Note": "",
    }
