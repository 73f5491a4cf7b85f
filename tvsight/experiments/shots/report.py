"""Table and figure of accuracies by number of demonstrations, a view of the central comparison."""

from dataclasses import replace

from tvsight.experiments.main_results import score_report
from tvsight.experiments.main_results.method_numbers import further
from tvsight.experiments.shots import Options, figures, numbers
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.page import Page, Table
from tvsight.protocol.central import requests
from tvsight.protocol.methods import with_methods
from tvsight.run.outcome import Outcome
from tvsight.run.runner import Runner
from tvsight.statistics.summaries import apart, wide

__all__ = ["collect", "draw"]

TABLE = Table(
    "Mean test accuracy by number of demonstrations",
    "A row is a number of demonstrations. [ ]: 95 % bootstrap interval over tasks. The same test "
    "queries are asked with every number. Block: the median over tasks of the blocks chosen on "
    "dev, anew for each number. Growth: the task vector's accuracy with the most demonstrations "
    f"minus this. Translation, rest: the task vector's accuracy. {c.LISTS} {c.SOLVED} The CSV file "
    "has every task.",
    (
        *(c.MODEL, c.plain("Demonstrations", "shots"), c.general("Block (median)", "layer")),
        *(c.estimate("ICL − task vector", "behind_icl"), c.by_list("By word list", "behind_icl")),
        *(*c.apart(), c.estimate("Growth", "growth")),
        c.of_solved("Vector beats baseline (Holm)", "gains"),
        *(c.of_solved("ICL beats vector (Holm)", "lags"), c.POWER),
    ),
    heading="mean test accuracy over tasks",
    secondary=("Averaged vector",),
)


def collect(runner: Runner, options: Options) -> Outcome:
    """The central comparison with each number of demonstrations, in a further column `shots`."""
    outcome = Outcome()
    for count in options.counts:
        # The vectors are looked at with --shots demonstrations only; rows are enough here.
        vectors = options.vectors and count == options.shots
        config = replace(options, shots=count, vectors=vectors)
        measured = with_methods(runner, config, runner.outcome(config, requests))
        outcome.add(measured.labelled(shots=count))
    return outcome


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write table and figure, and show the table."""
    named = score_report.accuracy(outcome.table)
    page = Page(display, score_report.place(outcome.table, drawn))
    table = numbers.by_shots(outcome.table)
    means = numbers.over_tasks(table, further(outcome.table))
    if means.empty:
        page.note("No task was measured with every number of demonstrations: nothing to draw.")
        return
    page.numbers(means, "means")
    means, keys = apart(means, ["shots", "procedure"]), ["model", "shots"]
    vector_rows = means[means["procedure"] == "task_vector"].set_index(keys)
    by_count = (
        wide(means, keys, "procedure").drop(columns=list(vector_rows)).join(vector_rows, keys)
    )
    model, shots, *rest = TABLE.all_of()
    columns = [model, shots, *c.procedures(means["procedure"].unique()), *rest]
    brief = [column.heading for column in columns[1 : -len(rest)] + rest[:2]]
    page.table(
        TABLE._replace(columns=columns, brief=brief), table, by_count, notes=outcome.note_cells
    )
    page.figure(figures.curves(means, table["n"].max(), named))
