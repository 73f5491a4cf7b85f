"""Tables and figures of conflicting tasks."""

from collections.abc import Callable

from tvsight.experiments.conflicting_tasks import Options, figures, numbers
from tvsight.experiments.conflicting_tasks.episodes import tasks_of
from tvsight.experiments.conflicting_tasks.numbers import RULE_NAMES
from tvsight.experiments.conflicting_tasks.request import collect
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import NOT_IDENTIFIED, task_title
from tvsight.output.page import Page, Table
from tvsight.output.procedures import about
from tvsight.paper import paper_by_pair
from tvsight.protocol.methods import each_vector
from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

N = "n (queries)"
FOLLOWED_NAMES = {"demonstrations": "A", "patched": "B", "neither": "none"}


def _ours(heading: str, text: Callable[[c.Row], str]) -> c.Column:
    """A column that the paper has nothing for."""
    return c.Column(heading, lambda row: text(row) if row["source"] == "tvsight" else "")


def _block(row: c.Row) -> str:
    rule = f"({RULE_NAMES[row['layer_rule']]})"
    return f"{row['layer']} {rule}" if row["source"] == "tvsight" else rule


def _columns(vector: str) -> tuple[c.Column, ...]:
    def follows(row: c.Row) -> str:
        before, after = (FOLLOWED_NAMES[row[f"{of}_follows"]] for of in ("icl", vector))
        return f"{before}, then {after}"

    return (
        c.Column("Demonstrations (A)", lambda row: task_title(tasks_of(row["task"])[0]), True),
        c.Column("Vector (B)", lambda row: task_title(tasks_of(row["task"])[1]), True),
        *(c.MODEL_OR_PAPERS, c.Column("Block (best in)", _block)),
        *(c.estimate("ICL on A", "icl_demonstrations"), c.estimate("ICL on B", "icl_patched")),
        c.estimate("Patched on A", f"{vector}_demonstrations"),
        c.estimate("Patched on B", f"{vector}_patched"),
        _ours("Follows", follows),
        _ours("Overrides", lambda row: "yes" if row["overrides_holm"] else "no"),
        _ours(N, lambda row: f"{row['n']} ({row['queries']})"),
        _ours("Note", lambda row: "" if row["layer_identified"] else NOT_IDENTIFIED),
    )


def _seen(vector: str) -> list[c.Column]:
    """The columns on the terminal."""
    a, b, model, *rest = _columns(vector)
    pair = c.Column("A / B", lambda row: f"{a.text(row)} / {b.text(row)}")
    return [
        model,
        pair,
        *(column for column in rest if column.heading not in ("Overrides", "Note")),
    ]


TABLE = Table(
    "Demonstrations of task A, vector of task B: test accuracy on both",
    "A row is a pair of tasks and a block: the one best for B in zero-shot prompts (the paper's "
    "rule), or in conflicting prompts, on dev. ICL: the prompt without a vector; patched: with the "
    "vector of B. [ ]: 95 % interval over queries. Follows: the task that is answered more often "
    "without the vector, then with it (permuting queries, 5 %). Overrides: A without the "
    "vector, B with it, after Holm's correction for as many tests as the model has pairs; the "
    "table below counts them. n: test episodes, with the number of different queries in brackets. "
    "Layer not identified: on dev no block beats the same prompts without a vector. (paper): "
    "reported by Hendel et al. (2023), without intervals.",
    _columns,
    shown=False,
)
COUNT_TABLE = Table(
    "Pairs whose demonstrations the vector overrides",
    "",
    (
        *(c.MODEL, c.named("Block best in", "layer_rule", RULE_NAMES.__getitem__)),
        *(c.of("Overrides (5 %)", "overrides", "pairs"),),
        *(c.of("Overrides (Holm, 5 %)", "overrides_holm", "pairs"), c.plain("Tests", "pairs")),
    ),
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the table, of each vector."""
    paper = paper_by_pair()
    for vector, vector_outcome, files in each_vector(outcome, drawn):
        page, rows = Page(display, files), vector_outcome.table
        table = numbers.by_pair(rows, vector)
        whole = numbers.beside_paper(table, paper, vector)
        heading = (
            f"Demonstrations of A, {about('vector of B', vector)}: accuracy on both, test "
            "episodes. The vector overrides where A is followed, then B"
        )
        columns = _seen(vector)
        brief = [column.heading for column in columns[1:] if column.heading != N]
        page.show(Table(heading, "", columns, brief=brief, secondary=(N,)), whole)
        below = [(COUNT_TABLE.of(vector), numbers.overridden(table))]
        page.table(TABLE.of(vector), whole, below=below, notes=vector_outcome.note_cells)
        blocks, unpatched = numbers.by_block(rows, vector), numbers.unpatched_on_dev(rows)
        for model in table["model"].unique():
            page.figure(figures.by_pair(table, paper, model, vector), model)
            page.figure(
                figures.by_block(blocks, unpatched, table, model, vector), "by_block", model
            )
