"""Tables and figures of the vectors under other templates and of other dummy queries."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results.methods import each_vector
from tvsight.experiments.templates import Options, figures, numbers
from tvsight.experiments.templates.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, interval, number, task_title
from tvsight.output.procedures import about, title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Extracted under", "Applied under"]
"""Columns with words from elsewhere."""
MEANS = (
    "[ ]: 95 % bootstrap interval over tasks. Against own: minus the accuracy of the vector that "
    "was extracted under the same template from the task's own dummy queries. Block: the median of "
    "those chosen on dev, with their range over tasks. Identified: the number of tasks where a "
    "block beats the baseline on dev."
)
MATRIX_TABLE = Wording(
    "Mean test accuracy by template",
    "A row is the template that the vector was extracted under, and the one that it was applied "
    f"under; baseline and ICL are those of the latter. {MEANS}",
)
DUMMY_TABLE = Wording(
    "Mean test accuracy by number and choice of dummy queries",
    "A row is where the dummy queries come from, and how many a vector is the mean over. θ of the "
    f"query itself may hold its answer. {MEANS}",
)
TASK_TABLE = Wording(
    "Test accuracy by template and by dummy queries, task by task",
    "A row of the first table is a task and a pair of templates, of the second a task. [ ]: 95 % "
    "interval over the task's queries; after @ the block chosen on dev. n: test episodes, with the "
    "number of different queries in brackets.",
)
NO_DUMMIES = "Dummy queries are varied for the task vector alone, which is made from them."
"""Said of the vectors of other methods."""
SECONDARY = ["Gain over baseline", "Against own", "Identified (Holm)", "Own better (Holm)"]
"""Columns that a narrow terminal leaves out."""


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables, of each vector. Dummy queries are varied for
    the task vector alone."""
    for vector, of_vector, files in each_vector(outcome, drawn):
        table = numbers.by_variant(of_vector.table, vector)
        means = numbers.over_tasks(table, vector)
        by_task = [_draw_matrix(table, means, vector, display, files)]
        if vector == "task_vector":
            by_task.append(_draw_dummy_queries(table, means, display, files))
        by_task += of_vector.note_cells
        files.table(table, by_task, "by_task", names=NAMES, wording=_worded(TASK_TABLE, vector))


def _draw_matrix(
    table: pd.DataFrame, means: pd.DataFrame, vector: str, display: "Display", drawn: Drawn
) -> pd.DataFrame:
    """The template × template matrix; returns its cells task by task."""
    standard = numbers.standard(table)
    matrix = numbers.of_templates(means, standard)
    extracted, applied = matrix["extracted_under"], matrix["applied_under"]
    cells = _cells(matrix, {"Extracted under": extracted, "Applied under": applied}, vector)
    heading = about("Test accuracy, mean over tasks, by template", vector)
    display.table(cells, f"{heading} (95 % intervals)", SECONDARY)
    drawn.table(matrix, [cells], names=NAMES, wording=_worded(MATRIX_TABLE, vector))
    for model in table["model"].unique():
        of_model = table[table["model"] == model]
        shown = matrix[matrix["model"] == model]
        drawn.figure(figures.matrix(model, shown, of_model, standard, vector), model)
    return _task_cells(numbers.of_templates(table, standard), table, vector)


def _draw_dummy_queries(
    table: pd.DataFrame, means: pd.DataFrame, display: "Display", drawn: Drawn
) -> pd.DataFrame:
    """The numbers and choices of dummy queries; returns their cells task by task."""
    standard = numbers.standard(table)
    dummies = numbers.of_dummy_queries(means, standard)
    choices, counts = dummies["dummy_choice"].map(numbers.CHOICES), dummies["dummy_queries"]
    cells = _cells(dummies, {"Dummy queries": choices, "Number": counts.astype(str)})
    display.table(cells, "The same by dummy queries", SECONDARY)
    drawn.table(dummies, [cells], "dummy_queries", names=NAMES, wording=DUMMY_TABLE)
    for model in table["model"].unique():
        of_model = table[table["model"] == model]
        points = dummies[dummies["model"] == model]
        curves = figures.dummy_queries(model, points, of_model, standard)
        drawn.figure(curves, "dummy_queries", model)
    return _dummy_task_cells(numbers.of_dummy_queries(table, standard))


def _worded(wording: Wording, vector: str) -> Wording:
    """The words above a table of one vector."""
    if vector == "task_vector":
        return wording
    return Wording(about(wording.title, vector), f"{wording.note} {NO_DUMMIES}")


def _cells(
    means: pd.DataFrame, variant: dict[str, pd.Series], vector: str = "task_vector"
) -> pd.DataFrame:
    """Means over tasks as texts.

    Args:
        means: from `numbers.over_tasks`.
        variant: the columns that name the variant of each row.
    """
    rows = [row for _, row in means.iterrows()]
    return pd.DataFrame(
        {
            "Model": means["model"].map(display_name),
            **variant,
            title("baseline"): means["baseline"].map(number),
            title("icl"): means["icl"].map(number),
            title(vector): [interval(row, "accuracy") for row in rows],
            "Gain over baseline": [interval(row, "gain") for row in rows],
            "Against own": [interval(row, "difference") for row in rows],
            "Block (range)": [figures.blocks(row) for row in rows],
            "Identified (Holm)": [f"{row['identified']} of {row['tasks']}" for row in rows],
            "Own better (Holm)": [f"{row['lost']} of {row['tasks']}" for row in rows],
        }
    )


def _task_cells(matrix: pd.DataFrame, table: pd.DataFrame, vector: str) -> pd.DataFrame:
    """Task by task, a row per cell of the template × template matrix.

    Args:
        matrix, table: from `numbers.by_variant`, the first of the matrix alone.
    """
    place = ["model", "task", "applied_under"]
    known = table[table["procedure"] != vector].set_index([*place, "procedure"])["accuracy"]
    rows = [
        {
            **_named(cell),
            "Extracted under": cell["extracted_under"],
            "Applied under": cell["applied_under"],
            **{title(name): number(known[(*cell[place], name)]) for name in ("baseline", "icl")},
            f"{title(vector)} @ block": _with_block(cell),
            "n (queries)": f"{cell['n']} ({cell['queries']})",
        }
        for _, cell in matrix.iterrows()
    ]
    return pd.DataFrame(rows)


def _dummy_task_cells(dummies: pd.DataFrame) -> pd.DataFrame:
    """Task by task, a column per number and choice of dummy queries."""
    rows = []
    for _, group in dummies.groupby(["model", "task"], sort=False, observed=True):
        cells = {figures.dummies_named(cell): _with_block(cell) for _, cell in group.iterrows()}
        rows.append(_named(group.iloc[0]) | cells)
    return pd.DataFrame(rows).fillna("")


def _named(row: pd.Series) -> dict[str, str]:
    model = display_name(row["model"])
    return {"Model": model, "Category": row["category"], "Task": task_title(row["task"])}


def _with_block(cell: pd.Series) -> str:
    """`0.62 [0.48, 0.74] @10`, the block after the at-sign."""
    return f"{interval(cell, 'accuracy')} @{cell['layer']}"
