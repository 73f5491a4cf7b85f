"""Tables and figures of the vectors under other templates and of other dummy queries."""

from tvsight.experiments.templates import Options, figures, numbers
from tvsight.experiments.templates.request import collect
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import interval
from tvsight.output.page import Page, Table
from tvsight.output.procedures import title
from tvsight.protocol.methods import each_vector
from tvsight.run.outcome import Outcome
from tvsight.statistics.summaries import apart

__all__ = ["collect", "draw"]

MEANS = (
    "[ ]: 95 % bootstrap interval over tasks. Against own: minus the accuracy of the vector that "
    "was extracted under the same template from the task's own dummy queries. Block: the median of "
    "those chosen on dev, with their range over tasks. Identified: the number of tasks where a "
    f"block beats the baseline on dev. {c.LISTS} {c.SOLVED}"
)
NO_DUMMIES = "Dummy queries are varied for the task vector alone, which is made from them."
"""Said of the vectors of other methods."""
BRIEF = ("Extracted under", "Applied under", "Baseline", "ICL", "Against own")
"""Columns of the terminal, beside the accuracy with the vector."""
SECONDARY = ["Gain over baseline", "Against own", "Identified (Holm)", "Own better (Holm)"]
"""Columns that a narrow terminal leaves out."""
TEMPLATES = (
    c.plain("Extracted under", "extracted_under", words=True),
    c.plain("Applied under", "applied_under", words=True),
)


def _columns(*variant: c.Column, vector: str = "task_vector") -> tuple[c.Column, ...]:
    """Those of means over tasks."""
    return (
        *(c.MODEL, *variant, *(c.number(title(name), name) for name in ("baseline", "icl"))),
        *(c.estimate(title(vector), "accuracy"), c.by_list("By word list", "accuracy")),
        *(*c.apart(), c.estimate("Gain over baseline", "gain")),
        *(c.estimate("Against own", "difference"), c.by_list("Own, by word list", "difference")),
        c.Column("Block (range)", figures.blocks),
        c.of_solved("Identified (Holm)", "identified"),
        *(c.of_solved("Own better (Holm)", "lost"), c.POWER),
    )


def _with_block(cell: c.Row) -> str:
    """`0.62 [0.48, 0.74] @10`, the block after the at-sign."""
    return f"{interval(cell, 'accuracy')} @{cell['layer']}"


MATRIX_TABLE = Table(
    "Mean test accuracy by template",
    "A row is the template that the vector was extracted under, and the one that it was applied "
    f"under; baseline and ICL are those of the latter. {MEANS}",
    lambda vector: _columns(*TEMPLATES, vector=vector),
    heading="Test accuracy, mean over tasks, by template",
    secondary=SECONDARY,
)
DUMMY_TABLE = Table(
    "Mean test accuracy by number and choice of dummy queries",
    "A row is where the dummy queries come from, and how many a vector is the mean over. θ of the "
    f"query itself may hold its answer. {MEANS}",
    _columns(
        c.named("Dummy queries", "dummy_choice", numbers.CHOICES.__getitem__),
        c.plain("Number", "dummy_queries"),
    ),
    part="dummy_queries",
    heading="The same by dummy queries",
    secondary=SECONDARY,
)
TASK_TABLE = Table(
    "Test accuracy by template, task by task",
    "A row is a task and a pair of templates. [ ]: 95 % interval over the task's queries; after @ "
    "the block chosen on dev. n: test episodes, with the number of different queries in brackets. "
    "The CSV file has the dummy queries too.",
    lambda vector: (
        *(c.MODEL, c.CATEGORY, c.TASK, *TEMPLATES),
        *(c.number(title(name), name) for name in ("baseline", "icl")),
        *(c.Column(f"{title(vector)} @ block", _with_block), c.QUERIES),
    ),
    part="by_task",
    shown=False,
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables, of each vector. Dummy queries are varied for
    the task vector alone."""
    for vector, vector_outcome, files in each_vector(outcome, drawn):
        page = Page(display, files)
        table = numbers.by_variant(vector_outcome.table, vector)
        by_model = {str(name): of for name, of in table.groupby("model", sort=False)}
        every, standard = numbers.over_tasks(table, vector), numbers.standard(table)
        page.numbers(every, "means")
        means = apart(every, numbers.VARIANT)
        matrix, declared = numbers.template_table(means, standard), _worded(MATRIX_TABLE, vector)
        page.table(declared._replace(brief=(*BRIEF, title(vector))), matrix)
        for model, model_rows in by_model.items():
            shown = matrix[matrix["model"] == model]
            page.figure(figures.matrix(model, shown, model_rows, standard, vector), model)
        if vector == "task_vector":
            dummies = numbers.dummy_query_table(means, standard)
            page.table(DUMMY_TABLE, dummies)
            for model, model_rows in by_model.items():
                shown = dummies[dummies["model"] == model]
                curves = figures.dummy_queries(model, shown, model_rows, standard)
                page.figure(curves, "dummy_queries", model)
        cells = numbers.with_unpatched(numbers.template_table(table, standard), table)
        page.table(_worded(TASK_TABLE, vector), table, cells, notes=vector_outcome.note_cells)


def _worded(table: Table, vector: str) -> Table:
    """A table of one vector."""
    if vector == "task_vector":
        return table
    return table._replace(note=f"{table.note} {NO_DUMMIES}").of(vector)
