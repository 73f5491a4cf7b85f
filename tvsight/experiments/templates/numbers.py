"""Accuracies by variant of the vector, and their means over tasks.

A variant is named by the template that the vector was extracted under, the template that it was
applied under, and the number and choice of the dummy queries.
"""

from typing import Any, NamedTuple

import pandas as pd
from numpy.typing import NDArray

from tvsight.output.labels import interval
from tvsight.output.procedures import title
from tvsight.statistics import summaries
from tvsight.statistics.counts import solved
from tvsight.statistics.summaries import ENDS, identified, sizes
from tvsight.statistics.tests import with_holm
from tvsight.tasks.overlap import word_lists

CHOICES = {"task": "of the task", "foreign": "of another task", "query": "the query itself"}
"""The sources of dummy queries. The paper's are inputs of the task."""
VARIANT = ["extracted_under", "applied_under", "dummy_queries", "dummy_choice"]
"""Columns that tell variants apart."""
COUNTS = {"identified": "layer_p_holm", "lost": "loss_p_holm"}
"""Numbers of tasks, by their p-values."""


class Standard(NamedTuple):
    """The variant that the others are compared with."""

    template: str
    """The template under which dummy queries are varied."""
    dummy_queries: int
    """The number of dummy queries that the template matrix was measured with."""


def by_variant(rows: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """Test accuracy with its interval: one row per model, task, procedure and variant.

    Args:
        vector: the procedure of the vectors.

    Returns:
        `model`, `category`, `task`, `procedure`, `VARIANT`, `layer`, `accuracy` with `_low` and
        `_high`, `n` (episodes), `queries`; and for vectors `layer_p` (see `layers.layer_p`),
        `layer_identified`, `loss` (how much more accurate the own vector of the template is that
        this one was applied under) with `_low`, `_high` and the one-sided `_p`; each p-value with
        `_holm`, adjusted for the tasks of the same model and variant.
    """

    def own(task_rows: pd.DataFrame, run: pd.DataFrame) -> summaries.Pair | None:
        first, test = run.iloc[0], task_rows[task_rows["split"] == "test"]
        if first["procedure"] != vector:
            return None
        matrix = template_table(test, standard(test))
        here = matrix["applied_under"] == first["applied_under"]
        return matrix[here & (matrix["extracted_under"] == matrix["applied_under"])], run

    def lead(task_rows: pd.DataFrame, run: pd.DataFrame) -> dict[str, object]:
        first = run.iloc[0]
        if first["procedure"] != vector:
            return {"layer_identified": None}
        dev = task_rows[task_rows["split"] == "dev"]
        here = dev["applied_under"] == first["applied_under"]
        swept = dev[dev["procedure"] == vector]
        swept = swept[(swept[VARIANT] == first[VARIANT]).all(axis=1)]
        return identified(swept, dev[here & (dev["procedure"] == "baseline")])

    table = summaries.by_task(
        rows, ["procedure", *VARIANT, "layer"], {"loss": own}, lead, lambda _, run: sizes(run)
    )
    types = {name: rows[name].dtype for name in (*VARIANT, "layer", "layer_identified")}
    estimate = [f"accuracy{end}" for end in ENDS]
    loss = [*(f"loss{end}" for end in ENDS), "loss_p"]
    order = [*summaries.TASK, "procedure", *VARIANT, "layer", *estimate, "n", "queries"]
    order += ["layer_identified", "layer_p", *loss]
    return with_holm(table[order].astype(types), ["layer_p", "loss_p"], ["model", *VARIANT])


def over_tasks(table: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """Means over tasks with bootstrap intervals over tasks: one row per model and variant.

    Args:
        table: from `by_variant`.
        vector: the procedure of the vectors.

    Returns:
        The columns of `summaries.over_tasks` with word lists, by `VARIANT`: `accuracy`;
        `baseline` and `icl` of the template that the vector was applied under; `gain` over that
        baseline; `recovered_gap`, the share of that ICL's gain; `difference` from the vector of
        that template's own prompts, with the standard dummy queries; and `layer_median`,
        `layer_first`, `layer_last` of the blocks chosen; `identified` and `lost`, the numbers of
        tasks whose block is identified, and whose own vector is better, after Holm's correction for
        that many tests.
    """
    vectors = with_unpatched(table[table["procedure"] == vector], table)
    matrix = template_table(vectors, standard(table))
    own = matrix[matrix["extracted_under"] == matrix["applied_under"]]
    vectors = vectors.assign(own=_where_applied(vectors, own), solved=solved(vectors))
    means: dict[str, summaries.Mean] = {
        **{name: name for name in ("accuracy", "baseline", "icl")},
        **{"gain": ("accuracy", "baseline"), "recovered_gap": summaries.gap()},
        "difference": ("accuracy", "own"),
    }

    def more(run: pd.DataFrame) -> dict[str, float]:
        layers = run["layer"].astype(int)
        ends = {"layer_first": layers.min(), "layer_last": layers.max()}
        return {"layer_median": layers.median(), **ends}

    return summaries.over_tasks(vectors, VARIANT, means, COUNTS, more, word_lists)


def with_unpatched(vectors: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of vectors with the accuracies `baseline` and `icl` of the template that each was
    applied under."""
    unpatched = {name: table[table["procedure"] == name] for name in ("baseline", "icl")}
    return vectors.assign(**{name: _where_applied(vectors, of) for name, of in unpatched.items()})


def _where_applied(vectors: pd.DataFrame, table: pd.DataFrame) -> NDArray[Any]:
    keys = ["model", "applied_under", "task"]
    where = pd.MultiIndex.from_frame(vectors[keys])
    return table.set_index(keys)["accuracy"].reindex(where).to_numpy()


def standard(table: pd.DataFrame) -> Standard:
    """The standard variant of a table with the columns `VARIANT`: foreign dummy queries are
    measured under its template and in its number. Where dummy queries are not varied, it is that of
    the first template."""
    varied = table["dummy_choice"] == "foreign"
    first = table[varied if varied.any() else table["dummy_choice"].notna()].iloc[0]
    return Standard(str(first["extracted_under"]), int(first["dummy_queries"]))


def template_table(table: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """The rows of the template × template matrix, of a table with the columns `VARIANT`."""
    is_task = table["dummy_choice"] == "task"
    return table[is_task & (table["dummy_queries"] == standard.dummy_queries)]


def dummy_query_table(table: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """The rows on the number and the choice of dummy queries, numbers of the task's own first."""
    main = standard.template
    kept = table[(table["extracted_under"] == main) & (table["applied_under"] == main)]
    places = {choice: index for index, choice in enumerate(CHOICES)}
    order = pd.DataFrame(
        {"choice": kept["dummy_choice"].map(places), "number": kept["dummy_queries"]}
    )
    return kept.loc[order.sort_values(["choice", "number"], kind="stable").index]


def task_line(rows: pd.DataFrame, vector: str = "task_vector") -> str:
    """One task in a line: the main template's own vector, and those of the others under it."""
    table = by_variant(rows, vector)
    main = standard(table)
    here = table[table["applied_under"] == main.template]
    matrix = template_table(here, main)
    is_own = matrix["extracted_under"] == main.template
    unpatched = here.drop_duplicates("procedure").set_index("procedure").loc[["baseline", "icl"]]
    patched, others = matrix[is_own].iloc[0], matrix.loc[~is_own, "accuracy"]
    parts = [
        f"{title(str(name))} {interval(run, 'accuracy')}" for name, run in unpatched.iterrows()
    ]
    parts.append(f"{title(vector)} {interval(patched, 'accuracy')}  block {patched['layer']}")
    if len(others):
        parts.append(f"of other templates {others.min():.2f} to {others.max():.2f}")
    return "  ".join(parts)
