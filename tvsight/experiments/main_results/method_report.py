"""Table and figures of several methods side by side."""

import pandas as pd

from tvsight.experiments.main_results import method_figures, method_numbers, score_report
from tvsight.output import columns as c
from tvsight.output.page import Page, Table
from tvsight.output.procedures import title
from tvsight.statistics.summaries import apart

TABLE = Table(
    "Methods side by side",
    "A row is a mean over the tasks that have every method. [ ]: 95 % bootstrap interval over "
    "tasks. Behind the task vector: its mean lead, tasks paired. The last columns count tasks, "
    "with Holm's correction for that many tests. Each method has its block chosen on dev, per "
    f"task; block: the median. {c.LISTS} {c.SOLVED} The CSV file has every task.",
    (
        *(c.MODEL, c.named("Method", "procedure", title, words=True)),
        *(c.estimate("Accuracy", "accuracy"), c.by_list("By word list", "accuracy"), *c.apart()),
        c.estimate("Recovered gap", "recovered_gap", but=method_numbers.WITHOUT_VECTOR),
        c.estimate("Behind the task vector", "behind_vector"),
        c.general("Block (median)", "layer"),
        c.of_solved("Beats baseline (Holm)", "beats_baseline"),
        *(c.of_solved("Task vector beats it (Holm)", "beaten_by_vector"), c.POWER),
    ),
    part="methods",
    brief=("Method", "Accuracy", "Recovered gap", "Behind the task vector", "Block (median)"),
    secondary=("Block (median)",),
)


def draw(
    rows: pd.DataFrame, page: Page, about: str = "", *, always: bool = False, waits: bool = False
) -> None:
    """Write table and figures where there are further methods.

    Args:
        rows: of the central comparison with those of further methods.
        about: ends what titles say is shown, such as `with shuffled labels`.
        waits: let the table wait for --verbose.
        always: also where there are no further methods.
    """
    if not (always or method_numbers.further(rows)):
        return
    table = method_numbers.by_task(rows)
    means = apart(method_numbers.over_tasks(table), ["procedure"])
    declared = TABLE._replace(title=f"{TABLE.title} {about}".rstrip())
    page.table(declared._replace(brief=()) if waits else declared, table, means)
    named = score_report.accuracy(rows)
    for model in table["model"].unique():
        page.figure(method_figures.methods(table, means, model, named, about), "methods", model)
