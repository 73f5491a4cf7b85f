"""Tables and figures of the tokens of mean vectors."""

import pandas as pd

from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.token_projections import NAME, Options, figures, numbers
from tvsight.experiments.token_projections.request import collect
from tvsight.output import columns as c
from tvsight.output.console import Display
from tvsight.output.drawn import Drawn
from tvsight.output.labels import small
from tvsight.output.page import Page, Table
from tvsight.output.procedures import about, word
from tvsight.paper import paper_top_tokens
from tvsight.protocol.methods import NAME as METHODS
from tvsight.protocol.methods import each_vector
from tvsight.run.outcome import Outcome
from tvsight.statistics.summaries import by_group

__all__ = ["collect", "draw"]


def _text(row: c.Row, name: str) -> str:
    """A rank or a probability."""
    return f"{row[name]:,.0f}" if "rank" in name else small(row[name])


def _random(row: c.Row, name: str) -> str:
    """The median of random vectors with the least and the most, where these differ."""
    low, high = _text(row, f"random_{name}_low"), _text(row, f"random_{name}_high")
    median = _text(row, f"random_{name}")
    return median if low == high else f"{median} ({low} to {high})"


def _block(row: c.Row) -> str:
    """A block and the reason why it is shown."""
    above = row["layer"] - row["chosen"]
    if row["place"] == "chosen":
        why = "chosen" if row["layer_identified"] else "chosen, not identified"
    else:
        why = {0: "chosen, the last", 1: "the last, one above"}.get(above, "two above")
    return f"{row['layer']} ({why})"


def _what(row: c.Row) -> str:
    return f"{row['tokens']} answers" if row["kind"] == "answers" else f"“{row['word']}”"


AFTER = c.Column("After block", _block)
TOKEN_TABLE = Table(
    "The most probable tokens of {vector}s",
    "A row is a task, a model and a block: the chosen one, and the one two above it, where the "
    "paper reads tokens. The mean vector of the dev episodes goes through final norm and "
    "unembedding; the authors' code leaves the norm out. Tokens that are not letters alone, and "
    "repetitions but for case, are left out unless --all-tokens was given. (paper): the tokens "
    "that Hendel et al. (2023) print.",
    (c.TASK, c.MODEL_OR_PAPERS, AFTER, c.plain("Tokens", "tokens", words=True)),
    brief=("Task", "Model", "Tokens"),
    shown=False,
)
RANK_TABLE = Table(
    "Ranks of answers, and of words that describe the task, among the tokens of its vector",
    "A row is a task, a block and what is looked for: the first tokens of all usual answers (their "
    "median rank), or a word. Rank 1 is most probable; a probability is the sum over the tokens. "
    "Random: as long as the {vector}, in random directions; the median of the draws, with the "
    "least and the most where they differ.",
    (
        *(c.MODEL, c.CATEGORY, c.TASK, AFTER, c.Column("What", _what, words=True)),
        c.Column("Rank", lambda row: _text(row, "rank")),
        c.Column("Rank, random", lambda row: _random(row, "rank")),
        c.Column("Probability", lambda row: _text(row, "probability")),
        c.Column("Probability, random", lambda row: _random(row, "probability")),
    ),
    part="ranks",
    heading="Answers, and words that describe the task",
    secondary=("Category",),
    filed=("Probability, random",),
    shown=False,
)


def draw(outcome: Outcome, options: Options, display: Display, drawn: Drawn) -> None:
    """Write tables and figures, and show the tables, of each vector."""
    for vector, vector_outcome, files in each_vector(outcome, drawn):
        _draw(vector_outcome, vector, options, Page(display, files))


def _draw(outcome: Outcome, vector: str, options: Options, page: Page) -> None:
    measured = outcome.only(MAIN_RESULTS if vector == "task_vector" else METHODS)
    applied = {result.key: result.rows for result in measured.results}
    by_task = {
        result.key: numbers.with_chosen(result.rows, applied[result.key], vector)
        for result in outcome.only(NAME).results
    }
    rows = pd.concat(by_task.values(), ignore_index=True)
    top = numbers.top_tokens(rows, all_tokens=options.all_tokens)
    paper = paper_top_tokens()
    paper = paper if vector == "task_vector" else paper.head(0)
    tokens = numbers.beside_paper(top, paper, list(dict.fromkeys(rows["task"])))
    near = numbers.at_blocks(numbers.ranks(rows))
    separator = "  " if options.all_tokens else ", "
    said = by_group(
        tokens,
        ["task", "source", "model", "place"],
        lambda of: {**of.iloc[0], "tokens": separator.join(of["token"])},
    )
    token_table, rank_table = TOKEN_TABLE.of(vector), RANK_TABLE.of(vector)
    rank_table = rank_table._replace(title=about(RANK_TABLE.title, vector))
    heading = f"Most probable tokens of {word(vector)}s"
    page.show(token_table._replace(heading=heading, shown=True), _above(said))
    page.show(rank_table._replace(shown=True), _above(near))
    page.table(token_table, tokens, said)
    page.table(rank_table, near, notes=outcome.note_cells)
    applied_rows = pd.concat([applied[key] for key in by_task], ignore_index=True)
    windows = numbers.windows(applied_rows, vector)
    page.figure(figures.ranks(numbers.over_tasks(rows), windows, vector))
    most = numbers.top_tokens(rows, figures.RANKS, options.all_tokens)
    shares = numbers.shares(most)
    page.numbers(shares, "overview")
    for model in dict.fromkeys(shares["model"]):
        page.figure(figures.overview(shares, str(model), vector), "overview", str(model))
        pictures = figures.by_task(most, str(model), options.all_tokens, vector)
        page.figure(pictures, "by_task", str(model))


def _above(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of the blocks where the paper reads tokens."""
    return rows[rows["place"] == "two above"]
