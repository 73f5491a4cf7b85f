"""Accuracy against the block after which the vector is applied (Figure 3 of the paper).

Claim: there is a block, around the middle of the stack, where the task vector is ready in the
few-shot prompt and still of use to the zero-shot prompt; accuracy peaks there and falls on both
sides. It would be refuted by a flat curve, or by one that is highest at either end. The sweep is
that of `analyses.main_results`, which is measured where it is missing.

    python -m analyses.layer_sweep
    python -m analyses.layer_sweep --paper-curves
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from analyses.command import command
from analyses.measured import analyse, main_results
from tvsight.config import RUNTIME, RunConfig
from tvsight.storage.store import folder_name

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

NAME = "layer_sweep"


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of this figure."""

    paper_curves: bool = field(default=False, metadata=RUNTIME)
    """Draw the paper's own curves (LLaMA 7B, GPT-J 6B, Pythia 6.9B) beside ours."""


measure = main_results


def main(options: Options) -> int:
    """Measure what is missing, then write tables and figures; returns the exit code."""
    return analyse(options, measure, draw)


def draw(outcome: "Outcome", options: Options, display: "Display") -> None:
    """Tables and figures from rows alone."""
    import pandas as pd

    from tvsight.experiments.layer_sweep import figures as figures
    from tvsight.experiments.main_results.layers import by_layer, over_tasks, paper_by_layer, peaks
    from tvsight.output import tables
    from tvsight.output.labels import display_name
    from tvsight.output.theme import save

    results = Path(options.results)
    table, paper = by_layer(outcome.table), paper_by_layer()
    ours = peaks(over_tasks(table)).assign(source="tvsight")
    found = pd.concat([ours, peaks(over_tasks(paper)).assign(source="paper")], ignore_index=True)
    cells = pd.DataFrame(
        {
            "Model": [
                display_name(model) + (" (paper)" if source == "paper" else "")
                for model, source in zip(found["model"], found["source"], strict=True)
            ],
            "Blocks": found["depth"].astype(str),
            "Peak after block": found["layer"].astype(str),
            "Mean dev accuracy there": found["accuracy"].map("{:.2f}".format),
            "Near the peak": found["first"].astype(str) + " to " + found["last"].astype(str),
        }
    )
    display.table(cells, "Where the mean over tasks peaks")
    noted = [cells, *tables.note_cells(outcome.notes)]
    written = tables.write(results / "tables", NAME, table, noted)
    drawn = figures.curves(table, paper if options.paper_curves else None)
    written += save(drawn, results / "figures", NAME)
    for model in table["model"].unique():
        name = f"{NAME}_by_task_{folder_name(model)}"
        written += save(figures.heat_map(table, model), results / "figures", name)
    display.written(written)


if __name__ == "__main__":
    command(Options, main, __doc__)
