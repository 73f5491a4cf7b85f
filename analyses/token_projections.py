"""What task vectors say through the unembedding (the paper's tables of top tokens).

Claim: read as if it were the model's last state, the mean task vector of a layer gives high
probability to tokens that describe the task, though it was read before any answer. It would be
refuted by tokens that have nothing to do with the task: ranks of its answers and of words that
describe it like those of random vectors. Beating random vectors is little, since any state of a
prompt makes common words likely; tokens that tell tasks apart are the stronger sign.

The paper's filter leaves out tokens that are not letters alone, and repetitions but for case. The
final norm is always applied; the authors' code leaves it out for some families.

    python -m analyses.token_projections
    python -m analyses.token_projections --all-tokens
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from analyses.command import command
from analyses.measured import analyse, main_results
from analyses.vectors import VECTOR_RULES
from tvsight.config import RUNTIME, RunConfig
from tvsight.storage.store import Store, folder_name

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

NAME = "token_projections"
LEAST = 1e-9
"""Smaller probabilities are not told apart."""


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of these tables and figures."""

    all_tokens: bool = field(default=False, metadata=RUNTIME)
    """Show the tokens that the paper leaves out: those that are not letters alone, and all but the
    most probable of those that differ in white space or case only."""


def measure(runner: "Runner", options: Options) -> "Outcome":
    """Rows of the projections, each with the block that the central comparison chose."""
    from tvsight.experiments.token_projections.numbers import with_chosen
    from tvsight.experiments.token_projections.request import token_projections
    from tvsight.storage.task_vectors import TaskVectors

    central = main_results(runner, options, vectors=True)
    vectors = None if options.dry_run else TaskVectors(Store(options.results), central.paths)
    # The episodes were saved with the central comparison.
    asked = replace(options, save_episodes=None)
    found = runner.outcome(asked, partial(token_projections, vectors=vectors))
    if found.rows:
        compared = central.table
        found.rows = [with_chosen(rows, compared) for rows in found.rows]
    found.failures = central.failures | found.failures
    found.notes = central.notes
    return found


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(options, measure, draw)


def draw(outcome: "Outcome", options: Options, display: "Display") -> None:
    """Tables and figures from rows alone."""
    from tvsight.experiments.token_projections import figures as figures
    from tvsight.experiments.token_projections.numbers import at_blocks, ranks
    from tvsight.output import tables
    from tvsight.output.theme import save

    results, rows = Path(options.results), outcome.table
    numbers, near = _token_numbers(rows, options.all_tokens), at_blocks(ranks(rows))
    separator = "  " if options.all_tokens else ", "
    tokens, asked = _token_cells(numbers, separator), _rank_cells(near)
    is_above = tokens["Place"] == "two above"
    display.table(tokens[is_above].drop(columns="Place"), "Most probable tokens of task vectors")
    asked_above = asked[near["place"] == "two above"].drop(columns="Probability, random")
    display.table(asked_above, "Answers, and words that describe the task", ["Category"])
    cells = [tokens.drop(columns="Place")]
    written = tables.write(results / "tables", NAME, numbers, cells)
    noted = [asked, *tables.note_cells(outcome.notes)]
    written += tables.write(results / "tables", f"{NAME}_ranks", near, noted)
    written += save(figures.ranks(rows), results / "figures", NAME)
    for (model, task), of_task in rows.groupby(["model", "task"], sort=False, observed=True):
        name = f"{NAME}_{task}_{folder_name(str(model))}"
        drawn = figures.grid(of_task, options.all_tokens)
        written += save(drawn, results / "figures", name)
    display.written(written)


def _token_numbers(rows: "pd.DataFrame", all_tokens: bool) -> "pd.DataFrame":
    """Ours task by task, each followed by the paper's."""
    import pandas as pd

    from tvsight.experiments.token_projections.numbers import at_blocks, top_tokens
    from tvsight.paper import paper_top_tokens

    ours = at_blocks(top_tokens(rows, all_tokens=all_tokens)).assign(source="tvsight")
    paper = paper_top_tokens().assign(source="paper", place="two above")
    theirs = paper.assign(shown=paper["tokens"].str.split(", ")).explode("shown")
    theirs["order"] = theirs.groupby(["model", "task"]).cumcount() + 1
    theirs = theirs.rename(columns={"best_layer": "chosen"}).drop(columns="tokens")
    columns = ["task", "category", "source", "model", "layer", "place", "order", "shown", "rank"]
    columns += ["probability", "is_answer", "token_id", "layer_identified", "chosen"]
    by_task = [
        part[part["task"] == task].reindex(columns=columns)
        for task in dict.fromkeys(rows["task"])
        for part in (ours, theirs)
    ]
    full = [part.astype(object) for part in by_task if len(part)] or by_task[:1]
    return pd.concat(full, ignore_index=True).rename(columns={"shown": "token"})


def _token_cells(numbers: "pd.DataFrame", separator: str) -> "pd.DataFrame":
    import pandas as pd

    from tvsight.output.labels import display_name

    found = []
    keys = ["task", "source", "model", "place"]
    for (task, source, model, place), tokens in numbers.groupby(keys, sort=False):
        found.append(
            {
                "Task": task,
                "Model": display_name(str(model)) + (" (paper)" if source == "paper" else ""),
                "After block": _block(tokens.iloc[0]),
                "Tokens": separator.join(tokens["token"]),
                "Place": place,
            }
        )
    return pd.DataFrame(found, columns=["Task", "Model", "After block", "Tokens", "Place"])


def _rank_cells(near: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    from tvsight.output.labels import display_name

    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Category": row["category"],
            "Task": row["task"],
            "After block": _block(row),
            "What": f"{row['tokens']} answers" if row["kind"] == "answers" else f"“{row['word']}”",
            "Rank": f"{row['rank']:.0f}",
            "Rank, random": _range(
                *(f"{row[f'random_rank{end}']:.0f}" for end in ("", "_low", "_high"))
            ),
            "Probability": _probability(row["probability"]),
            "Probability, random": _range(
                *(_probability(row[f"random_probability{end}"]) for end in ("", "_low", "_high"))
            ),
        }
        for _, row in near.iterrows()
    )


def _probability(value: float) -> str:
    return f"{value:.1g}" if value >= LEAST else f"<{LEAST:.0g}"


def _range(median: str, low: str, high: str) -> str:
    return median if low == high else f"{median} [{low} to {high}]"


def _block(row: "pd.Series") -> str:
    """A block and why it is shown."""
    above = row["layer"] - row["chosen"]
    if row["place"] == "chosen":
        why = "chosen" if row["layer_identified"] else "chosen, not identified"
    else:
        why = {0: "chosen, the last", 1: "the last, one above"}.get(above, "two above")
    return f"{row['layer']} ({why})"


if __name__ == "__main__":
    command(Options, main, __doc__, VECTOR_RULES)
