"""Tables and figures of conflicting tasks."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.conflicting_tasks import figures, numbers
from tvsight.experiments.conflicting_tasks.episodes import tasks_of
from tvsight.experiments.conflicting_tasks.numbers import RULE_NAMES
from tvsight.experiments.conflicting_tasks.request import collect
from tvsight.experiments.main_results.methods import each_vector
from tvsight.output.drawn import Drawn
from tvsight.output.labels import NOT_IDENTIFIED, display_name, interval, task_title
from tvsight.output.procedures import about
from tvsight.output.tables import Wording
from tvsight.paper import paper_by_pair

if TYPE_CHECKING:
    from tvsight.experiments.conflicting_tasks import Options
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

TASKS = ["Demonstrations (A)", "Vector (B)"]
NAMES = [*TASKS, "Model", "Task"]
"""Columns with words from elsewhere."""
TABLE = Wording(
    "Demonstrations of task A, vector of task B: test accuracy on both",
    "A row is a pair of tasks and a block: the one best for B in zero-shot prompts (the paper's "
    "rule), or in conflicting prompts, on dev. ICL: the prompt without a vector; patched: with the "
    "vector of B. [ ]: 95 % interval over queries. Follows: the task that is answered more often "
    "without the vector, then with it (permuting queries, 5 %). Overrides: A without the "
    "vector, B with it, after Holm's correction for as many tests as the model has pairs; the "
    "table below counts them. n: test episodes, with the number of different queries in brackets. "
    "Layer not identified: on dev no block beats the same prompts without a vector. (paper): "
    "reported by Hendel et al. (2023), without intervals.",
)
FOLLOWED_NAMES = {"demonstrations": "A", "patched": "B", "neither": "none"}


def draw(outcome: "Outcome", options: "Options", display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the table, of each vector."""
    for vector, of_vector, files in each_vector(outcome, drawn):
        _draw(of_vector, vector, display, files)


def _draw(outcome: "Outcome", vector: str, display: "Display", drawn: Drawn) -> None:
    rows, paper = outcome.table, paper_by_pair()
    table = numbers.by_pair(rows, vector)
    whole = numbers.beside_paper(table, paper, vector)
    texts = pair_cells(whole, vector)
    shown = texts.drop(columns=[*TASKS, "Overrides", "Note"])
    shown.insert(1, "A / B", texts[TASKS[0]] + " / " + texts[TASKS[1]])
    heading = (
        f"Demonstrations of A, {about('vector of B', vector)}: accuracy on both, test episodes, "
        "with 95 % intervals. The vector overrides where A is followed, then B"
    )
    display.table(shown, heading, ["n (queries)"])

    counts = _counts(numbers.overridden(table))
    display.table(counts, about("Pairs whose demonstrations the vector overrides", vector))
    wording = TABLE._replace(title=about(TABLE.title, vector))
    drawn.table(whole, [texts, counts, *outcome.note_cells], names=NAMES, wording=wording)
    blocks, unpatched = numbers.by_block(rows, vector), numbers.unpatched_on_dev(rows)
    for model in table["model"].unique():
        drawn.figure(figures.by_pair(table, paper, model, vector), model)
        drawn.figure(figures.by_block(blocks, unpatched, model, vector), "by_block", model)


def pair_cells(whole: pd.DataFrame, vector: str = "task_vector") -> pd.DataFrame:
    """Ours and the paper's numbers as texts.

    Args:
        whole: from `numbers.beside_paper`.
        vector: the procedure of the vector.
    """
    return pd.DataFrame([_cells(row, vector) for _, row in whole.iterrows()])


def _counts(overridden: pd.DataFrame) -> pd.DataFrame:
    """The pairs that the vector overrides, as texts.

    Args:
        overridden: from `numbers.overridden`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Block best in": RULE_NAMES[row["layer_rule"]],
            "Overrides (5 %)": f"{row['overrides']} of {row['pairs']}",
            "Overrides (Holm, 5 %)": f"{row['overrides_holm']} of {row['pairs']}",
            "Tests": str(row["pairs"]),
        }
        for _, row in overridden.iterrows()
    )


def _cells(row: pd.Series, vector: str) -> dict[str, str]:
    demonstrated, patched = tasks_of(row["task"])
    is_ours, rule = row["source"] == "tvsight", RULE_NAMES[row["layer_rule"]]
    cells = {
        "Demonstrations (A)": task_title(demonstrated),
        "Vector (B)": task_title(patched),
        "Model": display_name(row["model"]) + ("" if is_ours else " (paper)"),
        "Block (best in)": (f"{row['layer']} " if is_ours else "") + f"({rule})",
        "ICL on A": interval(row, "icl_demonstrations"),
        "ICL on B": interval(row, "icl_patched"),
        "Patched on A": interval(row, f"{vector}_demonstrations"),
        "Patched on B": interval(row, f"{vector}_patched"),
    }
    if not is_ours:
        return cells | dict.fromkeys(("Follows", "Overrides", "n (queries)", "Note"), "")
    before, after = FOLLOWED_NAMES[row["icl_follows"]], FOLLOWED_NAMES[row[f"{vector}_follows"]]
    return cells | {
        "Follows": f"{before}, then {after}",
        "Overrides": "yes" if row["overrides_holm"] else "no",
        "n (queries)": f"{row['n']} ({row['queries']})",
        "Note": "" if row["layer_identified"] else NOT_IDENTIFIED,
    }
