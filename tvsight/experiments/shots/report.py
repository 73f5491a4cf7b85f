"""Table and figure of accuracies by number of demonstrations, a view of the central comparison."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import answers_report
from tvsight.experiments.main_results.method_numbers import further
from tvsight.experiments.main_results.methods import with_methods
from tvsight.experiments.main_results.request import requests
from tvsight.experiments.shots import Options, figures, numbers
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, interval
from tvsight.output.procedures import title
from tvsight.output.tables import Wording
from tvsight.run.outcome import Outcome

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.runner import Runner

__all__ = ["collect", "draw"]

NAMES = ["Model", "Task"]
"""Columns with words from elsewhere."""
TABLE = Wording(
    "Mean test accuracy by number of demonstrations",
    "A row is a number of demonstrations. [ ]: 95 % bootstrap interval over tasks. The same test "
    "queries are asked with every number. Block: the median over tasks of the blocks chosen on "
    "dev, anew for each number. The CSV file has every task.",
)


def collect(runner: "Runner", options: Options) -> Outcome:
    """The central comparison with each number of demonstrations, in a further column `shots`."""
    outcome = Outcome()
    for count in options.counts:
        # The vectors are looked at with --shots demonstrations only; rows are enough here.
        vectors = options.vectors and count == options.shots
        config = replace(options, shots=count, vectors=vectors)
        found = with_methods(runner, config, runner.outcome(config, requests))
        outcome.add(found.labelled(shots=count))
    return outcome


def draw(outcome: Outcome, options: Options, display: "Display", drawn: Drawn) -> None:
    """Write table and figure, and show the table."""
    named = answers_report.accuracy(outcome.table)
    drawn = answers_report.place(outcome.table, drawn)
    table = numbers.by_shots(outcome.table)
    means = numbers.over_tasks(table, further(outcome.table))
    if means.empty:
        display.note("No task was measured with every number of demonstrations: nothing to draw.")
        return
    cells = _cells(means)
    heading = "Mean test accuracy over tasks, with bootstrap intervals over tasks"
    display.table(cells, heading, ["Averaged vector"])

    drawn.table(table, [cells, *outcome.note_cells], names=NAMES, wording=TABLE)
    drawn.figure(figures.curves(means, table["n"].max(), named))


def _cells(means: pd.DataFrame) -> pd.DataFrame:
    """The means as texts: a row per model and number of demonstrations.

    Args:
        means: from `numbers.over_tasks`.
    """
    rows = []
    for (model, count), of_count in means.groupby(["model", "shots"], sort=False):
        of_procedure = {mean["procedure"]: mean for _, mean in of_count.iterrows()}
        vector = of_procedure["task_vector"]
        rows.append(
            {
                "Model": display_name(str(model)),
                "Demonstrations": str(count),
                **{title(name): interval(mean, "accuracy") for name, mean in of_procedure.items()},
                "Block (median)": f"{vector['layer']:g}",
                "ICL − task vector": interval(vector, "behind_icl"),
                "Vector beats baseline (Holm)": f"{vector['gains']} of {vector['tasks']} tasks",
                "ICL beats vector (Holm)": f"{vector['lags']} of {vector['tasks']} tasks",
            }
        )
    return pd.DataFrame(rows)
