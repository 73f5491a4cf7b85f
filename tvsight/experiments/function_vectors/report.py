"""Tables and figures of function vectors."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.function_vectors import EFFECTS, NAME, Options, figures, numbers
from tvsight.experiments.function_vectors.request import collect
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.main_results import method_report
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, NOT_IDENTIFIED, display_name, interval, task_title
from tvsight.output.procedures import PROCEDURES
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Vector"]
"""Columns with words from elsewhere."""
TITLES = {
    **{name: PROCEDURES[name].title for name in numbers.COMPARED if name in PROCEDURES},
    "third": "Function vector after L/3",
    "shuffled_baseline": "ICL, shuffled labels",
    "shuffled_function_vector": "Function vector, shuffled labels",
    "shuffled_third": "Function vector after L/3, shuffled labels",
}
COUNTED = {
    "identified": "Layer identified",
    "over_baseline": "Beats baseline",
    "over_random_heads": "Beats random heads",
    "over_other": "Beats another task's",
    "over_shuffled": "Beats shuffled ICL",
    "behind_task_vector": "Task vector beats it",
}
SHOWN = 10
"""Heads in the table of heads."""
MEAN_TABLE = Wording(
    "Function vectors, their controls and other vectors",
    "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Recovered gap: "
    "(accuracy − baseline) / (ICL − baseline), zero-shot. Where ICL is right: on those episodes "
    "alone, as Todd et al. (2024) report it. Below the function vector: in the same "
    "context, tasks paired. Heads are chosen on dev prompts, the block on dev; L/3: the block that "
    "Todd et al. (2024) take. The second table counts tasks (Holm's correction); the third has the "
    "tasks.",
)
HEAD_TABLE = Wording(
    "Heads of the largest mean effect",
    "A row is a head, of the ten of largest mean effect over tasks in its model. Effect: the "
    "change of the answer's probability. [ ]: 95 % bootstrap interval over tasks. In vectors: the "
    "number of tasks whose function vector has it. The CSV file has every head; that of effects "
    "has every head of every task.",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    of_heads, applied = outcome.only(EFFECTS), outcome.only(NAME)
    if not applied.results:
        display.note("No function vector was measured: nothing to draw.")
        return
    central = outcome.only(CENTRAL).table
    effects = numbers.effects(of_heads.table)
    heads = numbers.universal(effects, options.heads)
    pairs = numbers.overlap(effects, options.heads)
    rows = applied.table
    table = numbers.by_task(central, rows, options.heads)
    means, counts, curve = numbers.over_tasks(table), numbers.counts(table), numbers.curve(rows)
    mean_cells, count_cells = _mean_cells(means), _count_cells(counts)
    display.table(mean_cells, MEAN_TABLE.title)
    display.table(count_cells, "Numbers of tasks, with Holm's correction for that many tests")
    head_cells = _head_cells(heads)
    display.table(head_cells, HEAD_TABLE.title)

    cells = [mean_cells, count_cells, _task_cells(table), *outcome.note_cells]
    drawn.table(table, cells, names=NAMES, wording=MEAN_TABLE)
    drawn.numbers(means, "means")
    drawn.table(heads, [head_cells], "heads", names=NAMES, wording=HEAD_TABLE)
    drawn.numbers(effects, "effects")
    drawn.numbers(curve, "curve")
    cosines = numbers.cosines(rows)
    drawn.numbers(cosines, "cosines")
    measured = table[numbers.KEYS]
    of_methods = [central.merge(measured), numbers.zero_shot(rows)]
    method_rows = pd.concat(of_methods, ignore_index=True)[list(central)]
    method_report.draw(method_rows, display, drawn)
    drawn.figure(figures.by_heads(curve, means, options.heads))
    drawn.figure(figures.similarity(cosines), "cosines")
    for model in effects["model"].unique():
        drawn.figure(figures.head_map(heads, effects, model, options.heads), "heads", model)
    if pairs.empty:
        display.note("Only one task: there is no other task's vector, and no heads are shared.")
    else:
        drawn.numbers(pairs, "overlap")
        for model in pairs["model"].unique():
            drawn.figure(figures.shared_heads(pairs, model, options.heads), "overlap", model)


def _mean_cells(means: pd.DataFrame) -> pd.DataFrame:
    """The means as texts.

    Args:
        means: from `numbers.over_tasks`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(mean["model"]),
            "Vector": TITLES[mean["procedure"]],
            "Accuracy": interval(mean, "accuracy"),
            "Where ICL is right": interval(mean, "given_icl"),
            "Recovered gap": _gap(mean),
            "Below the function vector": interval(mean, "below"),
        }
        for _, mean in means.iterrows()
    )


def _gap(mean: pd.Series) -> str:
    if mean["procedure"] in ("baseline", "icl"):
        return MISSING
    return interval(mean, "recovered_gap")


def _count_cells(counts: pd.DataFrame) -> pd.DataFrame:
    """The numbers of tasks as texts.

    Args:
        counts: from `numbers.counts`.
    """
    return pd.DataFrame(
        {"Model": display_name(row["model"])}
        | {
            heading: f"{row[name]} of {row['tasks']}"
            for name, heading in COUNTED.items()
            if name in row
        }
        for _, row in counts.iterrows()
    )


def _task_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The tasks as texts.

    Args:
        table: from `numbers.by_task`.
    """
    shown = (
        *("baseline", "icl", "task_vector", "function_vector", "third", "random_heads"),
        *("shuffled_baseline", "shuffled_function_vector"),
    )
    return pd.DataFrame(
        {
            "Model": display_name(task["model"]),
            "Category": task["category"],
            "Task": task_title(task["task"]),
            **{TITLES[name]: interval(task, name) for name in shown},
            "Block": str(task["layer"]),
            "Note": "" if task["layer_identified"] else NOT_IDENTIFIED,
        }
        for _, task in table.iterrows()
    )


def _head_cells(heads: pd.DataFrame) -> pd.DataFrame:
    """The heads of largest effect as texts.

    Args:
        heads: from `numbers.universal`.
    """
    largest = heads.groupby("model", sort=False, observed=True).head(SHOWN)
    return pd.DataFrame(
        {
            "Model": display_name(head["model"]),
            "Block": str(head["layer"]),
            "Head": str(head["head"]),
            "Effect": _effect(head),
            "In vectors": f"{head['in_top']} of {head['tasks']} tasks",
        }
        for _, head in largest.iterrows()
    )


def _effect(head: pd.Series) -> str:
    value, low, high = (head[f"effect{end}"] for end in ("", "_low", "_high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
