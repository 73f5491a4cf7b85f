"""The paper's central comparison (Figure 4 and the complete results table).

Claim: the hidden state θ at the last token of a few-shot prompt holds what its demonstrations
teach, so that patching it into a zero-shot prompt answers nearly as well as in-context learning.
It would be refuted by a task-vector accuracy near the zero-shot baseline where ICL is far above.

    python -m analyses.main_results
"""

from pathlib import Path
from typing import TYPE_CHECKING

from analyses.command import command
from analyses.measured import analyse, main_results
from tvsight.config import RunConfig
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.main_results import numbers, report
from tvsight.storage.store import folder_name

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

Options = RunConfig
measure = main_results


def main(config: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(config, measure, draw)


def draw(outcome: "Outcome", config: RunConfig, display: "Display") -> None:
    """Tables and figures from rows alone."""
    from tvsight.experiments.main_results import figures as figures
    from tvsight.experiments.main_results.numbers import by_task, models_without_icl
    from tvsight.output import tables
    from tvsight.output.theme import save
    from tvsight.paper import paper_by_task

    results = Path(config.results)
    table, paper = by_task(outcome.table), paper_by_task()
    tasks, means = report.task_cells(table), report.mean_cells(table, paper)
    for model, of_model in tasks.groupby("Model", sort=False):
        title = f"{model}: accuracy on test episodes, with 95 % intervals"
        display.table(
            of_model.drop(columns="Model"), title, ["Category", "Averaged vector", "n (queries)"]
        )
    for model in models_without_icl(table):
        display.note(
            f"{model}: demonstrations help on no task. Likely causes: a model tuned to follow "
            "instructions, to which this template is foreign; other special tokens than it was "
            "trained with; a tokenizer that leaves out the beginning-of-sequence token."
        )
    title = "Means over tasks, with bootstrap intervals over tasks"
    display.table(means, title, ["Averaged vector"])
    shown = [tasks, means, *tables.note_cells(outcome.notes)]
    written = tables.write(results / "tables", MAIN_RESULTS, table, shown)
    mean = numbers.mean_numbers(table, paper)
    written += tables.write(results / "tables", f"{MAIN_RESULTS}_means", mean, [means])
    written += save(figures.by_model(table, paper), results / "figures", MAIN_RESULTS)
    for model in table["model"].unique():
        name = f"{MAIN_RESULTS}_by_task_{folder_name(model)}"
        written += save(figures.task_by_task(table, model), results / "figures", name)
    display.written(written)


if __name__ == "__main__":
    command(Options, main, __doc__)
