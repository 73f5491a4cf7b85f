"""Table and figures of several methods side by side."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import answers_report, method_figures, method_numbers
from tvsight.output.labels import MISSING, display_name, interval
from tvsight.output.procedures import title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.output.drawn import Drawn

NAMES = ["Model", "Method"]
"""Columns with words from elsewhere."""
TABLE = Wording(
    "Methods side by side",
    "A row is a mean over the tasks that have every method. [ ]: 95 % bootstrap interval over "
    "tasks. Behind the task vector: its mean lead, tasks paired. The last columns count tasks, "
    "with Holm's correction for that many tests. Each method has its block chosen on dev, per "
    "task; block: the median. The CSV file has every task.",
)


def draw(
    rows: pd.DataFrame, display: "Display", drawn: "Drawn", about: str = "", *, always: bool = False
) -> None:
    """Write table and figures where there are further methods.

    Args:
        rows: of the central comparison with those of further methods.
        about: ends what titles say is shown, such as `with shuffled labels`.
        always: also where there are no further methods.
    """
    if not (always or method_numbers.further(rows)):
        return
    table = method_numbers.by_task(rows)
    means = method_numbers.over_tasks(table)
    cells = _cells(means)
    wording = TABLE._replace(title=f"{TABLE.title} {about}".rstrip())
    display.table(cells, wording.title, ["Block (median)"])
    drawn.table(table, [cells], "methods", names=NAMES, wording=wording)
    named = answers_report.accuracy(rows)
    for model in table["model"].unique():
        drawn.figure(method_figures.methods(table, means, model, named, about), "methods", model)


def _cells(means: pd.DataFrame) -> pd.DataFrame:
    """The means as texts.

    Args:
        means: from `method_numbers.over_tasks`.
    """
    rows = []
    for _, mean in means.iterrows():
        patched = pd.notna(mean["layer"])
        of_tasks = {
            heading: f"{mean[name]} of {mean['tasks']}"
            for heading, name in (
                ("Beats baseline (Holm)", "beats_baseline"),
                ("Task vector beats it (Holm)", "beaten_by_vector"),
            )
        }
        rows.append(
            {
                "Model": display_name(mean["model"]),
                "Method": title(mean["procedure"]),
                "Accuracy": interval(mean, "accuracy"),
                "Recovered gap": interval(mean, "recovered_gap") if patched else MISSING,
                "Behind the task vector": interval(mean, "behind_vector"),
                "Block (median)": f"{mean['layer']:g}" if patched else MISSING,
                **of_tasks,
            }
        )
    return pd.DataFrame(rows)
