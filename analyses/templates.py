"""Vectors extracted under one template and applied under another (a follow-up to the paper).

Claim: the task vector holds the task and not the form of the prompts it was read from, so that it
works in prompts of another form. It would be refuted by an accuracy off the diagonal of the
template × template matrix that falls to the baseline of the template it is applied under. Under the
run's own --template it is also measured what the number and the choice of dummy queries matter: a
vector of the task should need few of them, and they should not have to be inputs of the task.

    python -m analyses.templates
    python -m analyses.templates --templates example 'in:{x} out:{y}\\n' --dummy-numbers 1 16
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from analyses.command import command
from analyses.measured import analyse
from tvsight.config import IDENTITY, RULES, RunConfig
from tvsight.errors import UsageError
from tvsight.storage.store import folder_name

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

NAME = "templates"
MOST_TEMPLATES = 5
"""More would not be legible in one figure, and cost their square."""


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of this analysis."""

    templates: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TEMPLATE ...")] = field(
        default=("example", "arrow", "question"), metadata=IDENTITY
    )
    """Templates to compare, each as in --template, which joins them."""
    dummy_numbers: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...")] = field(
        default=(1, 2, 4, 8), metadata=IDENTITY
    )
    """Numbers of dummy queries to compare; --dummy-queries, with which the templates are compared,
    joins them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.templates) <= MOST_TEMPLATES:
            raise UsageError(
                f"--templates: 1 to {MOST_TEMPLATES} were expected; {len(self.templates)} given."
            )
        for number in self.dummy_numbers:
            if number < 1:
                raise UsageError(f"--dummy-numbers {number}: at least 1 was expected.")


def measure(runner: "Runner", options: Options) -> "Outcome":
    """The rows of every variant of the vector."""
    from tvsight.experiments.templates.request import templates

    asked = partial(templates, names=options.templates, numbers=options.dummy_numbers)
    return runner.outcome(options, asked)


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(options, measure, draw)


def draw(outcome: "Outcome", options: RunConfig, display: "Display") -> None:
    """Tables and figures from rows alone."""
    from tvsight.experiments.templates import figures as figures
    from tvsight.experiments.templates.numbers import (
        by_variant,
        of_dummy_queries,
        of_templates,
        over_tasks,
    )
    from tvsight.output import tables
    from tvsight.output.theme import save

    results = Path(options.results)
    table = by_variant(outcome.table)
    means = over_tasks(table)
    matrix, dummies = of_templates(means), of_dummy_queries(means)
    shown = {"": _matrix_cells(matrix), "_dummy_queries": _dummy_cells(dummies)}
    secondary = ["Gain over baseline", "Against own", "Identified"]
    display.table(
        shown[""], "Test accuracy, mean over tasks, by template (95 % intervals)", secondary
    )
    display.table(shown["_dummy_queries"], "The same by dummy queries", secondary)
    written: list[Path] = []
    for part, numbers in (("", matrix), ("_dummy_queries", dummies)):
        written += tables.write(results / "tables", NAME + part, numbers, [shown[part]])
    by_task = [_task_cells(of_templates(table), table), _dummy_task_cells(of_dummy_queries(table))]
    by_task += tables.note_cells(outcome.notes)
    written += tables.write(results / "tables", f"{NAME}_by_task", table, by_task)
    for model in table["model"].unique():
        name = folder_name(model)
        of_model = table[table["model"] == model]
        written += save(figures.matrix(of_model), results / "figures", f"{NAME}_{name}")
        drawn = figures.dummy_queries(of_model)
        written += save(drawn, results / "figures", f"{NAME}_dummy_queries_{name}")
    display.written(written)


def _matrix_cells(matrix: "pd.DataFrame") -> "pd.DataFrame":
    """The template × template matrix as texts, a row per cell."""
    return _cells(
        matrix,
        {
            "Extracted under": matrix["extracted_under"],
            "Applied under": matrix["applied_under"],
        },
    )


def _dummy_cells(dummies: "pd.DataFrame") -> "pd.DataFrame":
    from tvsight.experiments.templates.numbers import CHOICES

    return _cells(
        dummies,
        {
            "Dummy queries": dummies["dummy_choice"].map(CHOICES),
            "Number": dummies["dummy_queries"].astype(str),
        },
    )


def _cells(means: "pd.DataFrame", variant: "dict[str, pd.Series]") -> "pd.DataFrame":
    """Means over tasks as texts.

    Args:
        means: from `template_transfer.over_tasks`.
        variant: the columns that say what each row is of.
    """
    import pandas as pd

    from tvsight.experiments.templates.numbers import blocks
    from tvsight.output.labels import display_name, interval

    rows = [row for _, row in means.iterrows()]
    identified = means["identified"].astype(str) + " of " + means["tasks"].astype(str)
    return pd.DataFrame(
        {
            "Model": means["model"].map(display_name),
            **variant,
            "Baseline": means["baseline"].map("{:.2f}".format),
            "ICL": means["icl"].map("{:.2f}".format),
            "Task vector": [interval(row, "accuracy") for row in rows],
            "Gain over baseline": [interval(row, "gain") for row in rows],
            "Against own": [interval(row, "difference") for row in rows],
            "Block (range)": [blocks(row) for row in rows],
            "Identified": identified,
        }
    )


def _task_cells(matrix: "pd.DataFrame", table: "pd.DataFrame") -> "pd.DataFrame":
    """Task by task, a row per cell of the template × template matrix.

    Args:
        matrix, table: from `template_transfer.by_variant`, the first of the matrix alone.
    """
    import pandas as pd

    place = ["model", "task", "applied_under"]
    known = table[table["procedure"] != "task_vector"].set_index([*place, "procedure"])["accuracy"]
    rows = []
    for _, cell in matrix.iterrows():
        baseline, icl = (known[(*cell[place], procedure)] for procedure in ("baseline", "icl"))
        rows.append(
            {
                **_named(cell),
                "Extracted under": cell["extracted_under"],
                "Applied under": cell["applied_under"],
                "Baseline": f"{baseline:.2f}",
                "ICL": f"{icl:.2f}",
                "Task vector @ block": _with_block(cell),
                "n (queries)": f"{cell['n']} ({cell['queries']})",
            }
        )
    return pd.DataFrame(rows)


def _dummy_task_cells(dummies: "pd.DataFrame") -> "pd.DataFrame":
    """Task by task, a column per number and choice of dummy queries."""
    import pandas as pd

    from tvsight.experiments.templates.numbers import dummies_named

    rows = []
    for _, group in dummies.groupby(["model", "task"], sort=False, observed=True):
        row = _named(group.iloc[0])
        for _, cell in group.iterrows():
            row[dummies_named(cell)] = _with_block(cell)
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _named(row: "pd.Series") -> dict[str, str]:
    from tvsight.output.labels import display_name

    return {
        "Model": display_name(row["model"]),
        "Category": row["category"],
        "Task": row["task"],
    }


def _with_block(cell: "pd.Series") -> str:
    """`0.62 [0.48, 0.74] @10`, the block after the at-sign."""
    from tvsight.output.labels import interval

    return f"{interval(cell, 'accuracy')} @{cell['layer']}"


if __name__ == "__main__":
    command(
        Options,
        main,
        __doc__,
        RULES._replace(unused={"max_job_episodes": "its jobs are not cut by episodes."}),
    )
