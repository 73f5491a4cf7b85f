"""Accuracy of in-context learning and of the task vector against the number of demonstrations.

Claim: the vector is as good a summary of few demonstrations as of many, so that its accuracy grows
with their number as that of in-context learning does. It would be refuted by a task-vector line
that stays where it is, or falls, while the ICL line rises.

    python -m analyses.shots
    python -m analyses.shots --shot-counts 1,4,16 --tasks translation
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from analyses.command import command
from analyses.measured import analyse, main_results
from tvsight.config import IDENTITY, RULES, RunConfig
from tvsight.errors import UsageError

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

NAME = "shots"
FIXED = "the number of demonstrations in a file of episodes is fixed."
UNUSED = {
    "shots": "--shot-counts gives the numbers of demonstrations here.",
    "episodes": FIXED,
    "save_episodes": FIXED,
}


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of this figure."""

    shot_counts: Annotated[str, tyro.conf.arg(metavar="N,N,...")] = field(
        default="1,2,3,5,8,12,16", metadata=IDENTITY
    )
    """Numbers of demonstrations, separated by commas. They take the place of --shots."""

    @property
    def counts(self) -> list[int]:
        """The numbers, ascending.

        Raises:
            UsageError: when they are none.
        """
        words = [word.strip() for word in self.shot_counts.split(",") if word.strip()]
        if not words or not all(word.isascii() and word.isdigit() for word in words):
            raise UsageError(
                f"--shot-counts {self.shot_counts!r}: numbers were expected, as in 1,2,5"
            )
        return sorted({int(word) for word in words})


def main(options: Options) -> int:
    """Measure what is missing, then write table and figure; returns the exit code."""
    return analyse(options, measure, draw)


def measure(runner: "Runner", options: Options) -> "Outcome":
    """The central comparison with each number of demonstrations, in a further column `shots`."""
    from tvsight.run.outcome import Outcome, together

    found = []
    for count in options.counts:
        # The vectors are looked at with --shots demonstrations only; rows are enough here.
        asked = replace(options, shots=count, vectors=options.vectors and count == options.shots)
        outcome = main_results(runner, asked)
        found.append(
            Outcome(
                [rows.assign(shots=count) for rows in outcome.rows],
                {f"{name} / {count} shots": why for name, why in outcome.failures.items()},
                notes=outcome.notes,
            )
        )
    return together(found)


def draw(outcome: "Outcome", options: Options, display: "Display") -> None:
    """Table and figure from rows alone."""
    import pandas as pd

    from tvsight.experiments.shots.figures import curves
    from tvsight.experiments.shots.numbers import by_shots, over_tasks
    from tvsight.output import tables
    from tvsight.output.labels import PROCEDURE_NAMES, display_name, interval
    from tvsight.output.theme import save

    results = Path(options.results)
    table = by_shots(outcome.table)
    means = over_tasks(table)
    if means.empty:
        display.note("No task was measured with every number of demonstrations: nothing to draw.")
        return
    rows = []
    for (model, count), of_count in means.groupby(["model", "shots"], sort=False):
        found = {str(mean["procedure"]): mean for _, mean in of_count.iterrows()}
        rows.append(
            {
                "Model": display_name(str(model)),
                "Demonstrations": str(count),
                **{
                    PROCEDURE_NAMES[name]: interval(mean, "accuracy")
                    for name, mean in found.items()
                },
                "Block (median)": f"{found['task_vector']['layer']:g}",
                "Tasks": str(found["task_vector"]["tasks"]),
            }
        )
    cells = pd.DataFrame(rows)
    title = "Mean test accuracy over tasks, with bootstrap intervals over tasks"
    display.table(cells, title, ["Averaged vector", "Tasks"])
    noted = [cells, *tables.note_cells(outcome.notes)]
    written = tables.write(results / "tables", NAME, table, noted)
    written += save(curves(means, int(table["n"].max())), results / "figures", NAME)
    display.written(written)


if __name__ == "__main__":
    command(Options, main, __doc__, RULES._replace(unused=UNUSED))
