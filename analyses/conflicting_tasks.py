"""Conflicting tasks: does the vector rule over demonstrations that the model can see? (section 4)

Claim: in a prompt with demonstrations of task A, patching the vector of task B makes the model
answer as B asks, although A is in plain sight. It would be refuted by patched prompts that go on
answering as A asks, or that answer neither. In the paper four of five pairs override, and en_es
with the vector of en_fr does not.

    python -m analyses.conflicting_tasks
    python -m analyses.conflicting_tasks --pairs antonyms:synonyms list_first:list_last
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from analyses.command import command
from analyses.measured import analyse
from tvsight.config import IDENTITY, RULES, RunConfig
from tvsight.experiments.conflicting_tasks import NAME as CONFLICTING_TASKS
from tvsight.experiments.conflicting_tasks.episodes import PAPER_PAIRS
from tvsight.storage.store import folder_name

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

NAME = CONFLICTING_TASKS
UNUSED = {
    "tasks": "--pairs chooses the tasks here.",
    "max_job_episodes": "each pair of tasks is one job.",
}


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and the pairs of tasks."""

    pairs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="A:B ...")] = field(
        default=PAPER_PAIRS, metadata=IDENTITY
    )
    """Pairs of tasks: demonstrations of A in the prompt, the vector of B patched in. They stand for
    --tasks, which chooses nothing here; tasks of --task-file can be named too."""


def measure(runner: "Runner", options: Options) -> "Outcome":
    """Rows of every pair, measured where they are missing.

    Raises:
        UsageError: see `requests.conflicting_tasks`.
    """
    from tvsight.experiments.conflicting_tasks.request import conflicting_tasks

    if options.tasks != RunConfig.tasks:
        runner.display.note(f"--tasks {options.tasks}: --pairs chooses here, not --tasks.")
    return runner.outcome(options, partial(conflicting_tasks, pairs=options.pairs))


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(options, measure, draw)


def draw(outcome: "Outcome", options: Options, display: "Display") -> None:
    """Tables and figures from rows alone."""
    from tvsight.experiments.conflicting_tasks import figures as figures
    from tvsight.experiments.conflicting_tasks.numbers import (
        beside_paper,
        by_block,
        by_pair,
        cells,
        unpatched_on_dev,
    )
    from tvsight.output import tables
    from tvsight.output.theme import save

    results, rows = Path(options.results), outcome.table
    table = by_pair(rows)
    numbers = beside_paper(table)
    texts = cells(numbers)
    shown = texts.drop(columns=["Overrides", "Note"])
    names = [shown.pop(column) for column in ("Demonstrations (A)", "Vector (B)")]
    shown.insert(1, "A → B", names[0] + " → " + names[1])
    title = (
        "Demonstrations of A, vector of B: accuracy on both, test episodes, with 95 % intervals. "
        "The vector overrides where A is followed, then B"
    )
    display.table(shown, title, ["n (queries)"])
    noted = [texts, *tables.note_cells(outcome.notes)]
    written = tables.write(results / "tables", NAME, numbers, noted)
    blocks, unpatched = by_block(rows), unpatched_on_dev(rows)
    for model in table["model"].unique():
        folder, suffix = results / "figures", folder_name(model)
        written += save(figures.by_pair(table, model), folder, f"{NAME}_{suffix}")
        drawn = figures.by_block(blocks, unpatched, model)
        written += save(drawn, folder, f"{NAME}_by_block_{suffix}")
    display.written(written)


if __name__ == "__main__":
    command(Options, main, __doc__, RULES._replace(unused=UNUSED))
