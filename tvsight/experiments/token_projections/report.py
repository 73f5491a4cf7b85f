"""Tables and figures of the tokens of mean vectors."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.main_results.methods import NAME as METHODS
from tvsight.experiments.main_results.methods import each_vector
from tvsight.experiments.token_projections import NAME, Options, figures, numbers
from tvsight.experiments.token_projections.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import display_name, small, task_title
from tvsight.output.procedures import about, word
from tvsight.output.tables import Wording
from tvsight.paper import paper_top_tokens

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Tokens", "What"]
"""Columns with words from elsewhere."""
TOKEN_TABLE = Wording(
    "The most probable tokens of {vector}s",
    "A row is a task, a model and a block: the chosen one, and the one two above it, where the "
    "paper reads tokens. The mean vector of the dev episodes goes through final norm and "
    "unembedding; the authors' code leaves the norm out. Tokens that are not letters alone, and "
    "repetitions but for case, are left out unless --all-tokens was given. (paper): the tokens "
    "that Hendel et al. (2023) print.",
)
RANK_TABLE = Wording(
    "Ranks of answers, and of words that describe the task, among the tokens of its vector",
    "A row is a task, a block and what is looked for: the first tokens of all usual answers (their "
    "median rank), or a word. Rank 1 is most probable; a probability is the sum over the tokens. "
    "Random: as long as the {vector}, in random directions; the median of the draws, with the "
    "least and the most where they differ.",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables, of each vector."""
    for vector, of_vector, files in each_vector(outcome, drawn):
        _draw(of_vector, vector, options, display, files)


def _draw(
    outcome: "Outcome", vector: str, options: Options, display: "Display", drawn: Drawn
) -> None:
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
    token_table = _token_table(tokens, "  " if options.all_tokens else ", ")
    rank_table = _rank_table(near)

    above = token_table[token_table["Place"] == "two above"].drop(columns="Place")
    display.table(above, f"Most probable tokens of {word(vector)}s")
    above = rank_table[near["place"] == "two above"].drop(columns="Probability, random")
    heading = about("Answers, and words that describe the task", vector)
    display.table(above, heading, ["Category"])
    token_cells = [token_table.drop(columns="Place")]
    drawn.table(tokens, token_cells, names=NAMES, wording=TOKEN_TABLE.of(vector))
    rank_cells = [rank_table, *outcome.note_cells]
    wording = RANK_TABLE._replace(title=about(RANK_TABLE.title, vector))
    drawn.table(near, rank_cells, "ranks", names=NAMES, wording=wording.of(vector))
    of_models = pd.concat([applied[key] for key in by_task], ignore_index=True)
    windows = numbers.windows(of_models, vector)
    drawn.figure(figures.ranks(numbers.over_tasks(rows), windows, vector))
    most = numbers.top_tokens(rows, figures.RANKS, options.all_tokens)
    shares = numbers.shares(most)
    drawn.numbers(shares, "overview")
    for model in dict.fromkeys(shares["model"]):
        drawn.figure(figures.overview(shares, str(model), vector), "overview", str(model))
    for (model, task), of_task in by_task.items():
        top = numbers.top_tokens(of_task, figures.RANKS, options.all_tokens)
        drawn.figure(figures.grid(of_task, top, options.all_tokens, vector), task, model)


def _token_table(tokens: pd.DataFrame, separator: str) -> pd.DataFrame:
    """A row per task, model and block of `numbers.beside_paper`."""
    rows = []
    keys = ["task", "source", "model", "place"]
    for (task, source, model, place), of_block in tokens.groupby(keys, sort=False):
        rows.append(
            {
                "Task": task_title(str(task)),
                "Model": display_name(str(model)) + (" (paper)" if source == "paper" else ""),
                "After block": _block(of_block.iloc[0]),
                "Tokens": separator.join(of_block["token"]),
                "Place": place,
            }
        )
    return pd.DataFrame(rows, columns=["Task", "Model", "After block", "Tokens", "Place"])


def _rank_table(near: pd.DataFrame) -> pd.DataFrame:
    """A row per task, block, and word or answers of `numbers.ranks`."""
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Category": row["category"],
            "Task": task_title(row["task"]),
            "After block": _block(row),
            "What": f"{row['tokens']} answers" if row["kind"] == "answers" else f"“{row['word']}”",
            "Rank": _text(row, "rank"),
            "Rank, random": _random(row, "rank"),
            "Probability": _text(row, "probability"),
            "Probability, random": _random(row, "probability"),
        }
        for _, row in near.iterrows()
    )


def _text(row: pd.Series, name: str) -> str:
    """A rank or a probability."""
    return f"{row[name]:,.0f}" if "rank" in name else small(row[name])


def _random(row: pd.Series, name: str) -> str:
    """The median of random vectors with the least and the most, where these differ."""
    low, high = _text(row, f"random_{name}_low"), _text(row, f"random_{name}_high")
    median = _text(row, f"random_{name}")
    return median if low == high else f"{median} ({low} to {high})"


def _block(row: pd.Series) -> str:
    """A block and the reason why it is shown."""
    above = row["layer"] - row["chosen"]
    if row["place"] == "chosen":
        why = "chosen" if row["layer_identified"] else "chosen, not identified"
    else:
        why = {0: "chosen, the last", 1: "the last, one above"}.get(above, "two above")
    return f"{row['layer']} ({why})"
