"""What carries the effect: the task vector against others that are patched in its place.

Claim: the accuracy of a patched run comes from the task's own vector, and not from its length, from
any task's vector, or from the labels that the demonstrations show. It would be refuted by a random
vector of equal length, another task's vector, or one of shuffled labels that does as well. (Where
the set of labels nearly gives a task away, shuffled ones may.) Task vector, ICL and baseline are
those of `analyses.main_results`, on the same episodes; that is measured where it is missing.

    python -m analyses.controls
    python -m analyses.controls --tasks translation
"""

from pathlib import Path
from typing import TYPE_CHECKING

from analyses.command import command
from analyses.measured import analyse, main_results
from analyses.vectors import VECTOR_RULES
from tvsight.config import RunConfig
from tvsight.storage.store import folder_name

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

NAME = "controls"

Options = RunConfig


def main(options: RunConfig) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(options, measure, draw)


def measure(runner: "Runner", options: RunConfig) -> "Outcome":
    """The central comparison of each task and, after it, its controls."""
    from dataclasses import replace
    from functools import partial

    from tvsight.experiments.controls.request import controls
    from tvsight.experiments.main_results import request as central
    from tvsight.run.outcome import Outcome, together
    from tvsight.storage.store import Store
    from tvsight.storage.task_vectors import TaskVectors

    main = main_results(runner, options, vectors=True)
    # The first command has written the episodes, where they were asked for.
    options = replace(options, save_episodes=None)
    if options.dry_run:
        # Which block was chosen is part of what is asked: see what the store knows of it.
        known = runner.stored(replace(options, redraw=True), central.main_results)
        return runner.outcome(options, partial(controls, main=known, vectors=None))
    vectors = TaskVectors(Store(options.results), main.paths)
    found = runner.outcome(options, partial(controls, main=main, vectors=vectors))
    return together([main, Outcome(found.rows, found.failures)])


def draw(outcome: "Outcome", options: RunConfig, display: "Display") -> None:
    """Tables and figures from rows alone."""
    import pandas as pd

    from tvsight.experiments.controls import figures as figures
    from tvsight.experiments.controls.numbers import (
        by_block,
        by_task,
        over_tasks,
        transfer,
        transfer_by_task,
    )
    from tvsight.output import tables
    from tvsight.output.theme import save

    of_controls = [rows for rows in outcome.rows if "source" in rows]
    if not of_controls:
        display.note("No task has controls: nothing to draw.")
        return
    rows = pd.concat(of_controls, ignore_index=True)
    central = pd.concat([r for r in outcome.rows if "source" not in r], ignore_index=True)
    results = Path(options.results)
    table, pairs = by_task(central, rows), transfer(central, rows)
    summary = over_tasks(table)
    _say_missing(table, display)

    tasks, means = _task_cells(table), _mean_cells(summary)
    for model, of_model in tasks.groupby("Model", sort=False):
        title = f"{model}: accuracy on test episodes, with 95 % intervals"
        display.table(of_model.drop(columns="Model"), title, ["Category", "ICL", "Block"])
    display.table(means, "Means over tasks, with bootstrap intervals over tasks")
    noted = [tasks, *tables.note_cells(outcome.notes)]
    written = tables.write(results / "tables", NAME, table, noted)
    written += tables.write(results / "tables", f"{NAME}_means", summary, [means])
    written += save(figures.means(table, summary), results / "figures", NAME)
    blocks = by_block(central, rows)
    written += tables.write(results / "tables", f"{NAME}_by_block", blocks, [_block_cells(blocks)])
    written += save(figures.curves(blocks), results / "figures", f"{NAME}_by_block")
    if not pairs.empty:
        cells = _transfer_cells(transfer_by_task(pairs))
        display.table(cells, "The vectors of other tasks, mean over episodes", ["Category"])
        written += tables.write(results / "tables", f"{NAME}_transfer", pairs, [cells])
        for model in pairs["model"].unique():
            name = f"{NAME}_transfer_{folder_name(model)}"
            written += save(figures.matrix(pairs, model), results / "figures", name)
    display.written(written)


def _say_missing(table: "pd.DataFrame", display: "Display") -> None:
    from tvsight.output.labels import display_name

    for model, of_model in table.groupby("model", sort=False):
        if of_model["any_other_task"].isna().all():
            display.note(
                f"{display_name(str(model))}: only one task, so there are no vectors of other "
                "tasks to compare with. Ask for more with --tasks."
            )
        for task in of_model["task"][of_model["shuffled_labels"].isna()]:
            display.note(
                f"{display_name(str(model))}, {task}: the answers of its demonstrations cannot be "
                "dealt anew, so there are no shuffled labels. Ask for more with --shots."
            )


def _task_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    from tvsight.experiments.controls.numbers import SIGNIFICANCE
    from tvsight.output.labels import (
        CONTROL_NAMES,
        NOT_IDENTIFIED,
        PROCEDURE_NAMES,
        display_name,
        interval,
    )

    rows = []
    for _, task in table.iterrows():
        unbeaten = [
            title for name, title in CONTROL_NAMES.items() if task[f"better_{name}"] >= SIGNIFICANCE
        ]
        block = str(task["layer"]) + ("" if task["layer_identified"] else f" ({NOT_IDENTIFIED})")
        rows.append(
            {
                "Model": display_name(task["model"]),
                "Category": task["category"],
                "Task": task["task"],
                **{PROCEDURE_NAMES[name]: interval(task, name) for name in ("icl", "task_vector")},
                **{title: interval(task, name) for name, title in CONTROL_NAMES.items()},
                "Block": block,
                "Not beaten (sign test, 5 %)": ", ".join(unbeaten) or "–",
            }
        )
    return pd.DataFrame(rows)


def _mean_cells(summary: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    from tvsight.output.labels import CONTROL_NAMES, PROCEDURE_NAMES, display_name, interval

    names = PROCEDURE_NAMES | CONTROL_NAMES
    rows = []
    for _, mean in summary.iterrows():
        tested = not pd.isna(mean["better"])
        rows.append(
            {
                "Model": display_name(mean["model"]),
                "Patched": names[mean["procedure"]],
                "Tasks": str(mean["tasks"]),
                "Accuracy": interval(mean, "accuracy"),
                "Lead of the task vector": interval(mean, "lead"),
                "Tasks where it is better (5 %)": str(mean["better"]) if tested else "–",
                "Tasks where it is worse (5 %)": str(mean["worse"]) if tested else "–",
            }
        )
    return pd.DataFrame(rows)


def _block_cells(blocks: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    from tvsight.output.labels import CONTROL_NAMES, PROCEDURE_NAMES, display_name, interval

    names = PROCEDURE_NAMES | CONTROL_NAMES
    rows = []
    for (model, layer), of_block in blocks.groupby(["model", "layer"], sort=False):
        means = {
            names[mean["procedure"]]: interval(mean, "accuracy") for _, mean in of_block.iterrows()
        }
        rows.append({"Model": display_name(str(model)), "Block": str(layer), **means})
    return pd.DataFrame(rows).fillna("–")


def _transfer_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    from tvsight.output.labels import display_name, interval

    def mean(value: float) -> str:
        return "–" if pd.isna(value) else f"{value:.2f}"

    return pd.DataFrame(
        [
            {
                "Model": display_name(task["model"]),
                "Category": task["category"],
                "Task": task["task"],
                "Own vector": interval(task, "accuracy"),
                "Same category": mean(task["same_category"]),
                "Other categories": mean(task["other_categories"]),
                "Best other task": task["best_source"],
                "Its accuracy": interval(task, "best"),
                "Not beaten (5 %)": f"{task['not_worse']} of {task['sources']}",
            }
            for _, task in table.iterrows()
        ]
    )


if __name__ == "__main__":
    command(Options, main, __doc__, VECTOR_RULES)
