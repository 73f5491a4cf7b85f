"""Tables and figures of steering."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.steering import CONTROLS, METHODS, NAME, VECTOR, Options, figures, numbers
from tvsight.experiments.steering.figures import CONTEXT_TITLES
from tvsight.experiments.steering.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, display_name, interval, task_title
from tvsight.output.procedures import title
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Vector", "Context"]
"""Columns with words from elsewhere."""
RANGE_TABLE = Wording(
    "Vectors that are added with a factor α, or written over",
    "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Helps most with: the "
    "factors that have a gain over no vector whose interval is above 0, and at least 80 % of the "
    "accuracy of this vector's best one in this context. The best factor is the best of five on "
    "test, so its accuracy is a little flattered. Recovered gap: (best α − no vector) / (ICL − "
    "no vector). The block is chosen on zero-shot dev prompts with α = 1. The second table has "
    "the controls, zero-shot: a random direction of the same length, the negated vector and "
    "another task's in place of the own one. The third has the tasks, zero-shot, written over "
    "and added with α = 1, each after its block.",
)
TEXT_TABLE = Wording(
    "Whole answers, and signs of collapse",
    "A row is a mean over tasks. [ ]: 95 % bootstrap interval over tasks. Text is generated after "
    "zero-shot prompts, with the vector at their last token (once), or at every generated token "
    "too. Right: exact match of the whole answer, up to where the template ends it. Change: every "
    "token minus once. Repeated: 1 − different / all bigrams. Divergence: KL divergence in nats of "
    "the next token of neutral sentences with a vector at the last token from that without.",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    steered = outcome.only(NAME)
    if not steered.results:
        display.note("No vector was applied: nothing to draw.")
        return
    if len({result.key.task for result in steered.results}) == 1:
        display.note(
            "Only one task: there is no other task's vector, and no interval over tasks that could "
            "show that a factor helps."
        )
    rows = steered.table
    table = numbers.by_task(outcome.only(CENTRAL).table, rows)
    means = numbers.over_tasks(table)
    ranges, of_text = numbers.ranges(means), numbers.in_text(rows)
    range_cells, control_cells = _range_cells(ranges), _control_cells(means)
    text_cells = _text_cells(of_text)
    display.table(range_cells, RANGE_TABLE.title)
    display.table(control_cells, "Controls, in zero-shot prompts")
    display.table(text_cells, TEXT_TABLE.title)

    cells = [range_cells, control_cells, _task_cells(table), *steered.note_cells]
    drawn.table(table, cells, names=NAMES, wording=RANGE_TABLE)
    drawn.numbers(means, "means")
    drawn.numbers(ranges, "ranges")
    drawn.table(of_text, [text_cells], "collapse", names=NAMES, wording=TEXT_TABLE)
    for model in means["model"].unique():
        drawn.figure(figures.by_alpha(means, ranges, model), model)
        drawn.figure(figures.in_text(of_text, model), "collapse", model)


def _range_cells(ranges: pd.DataFrame) -> pd.DataFrame:
    """The factors that help most, as texts.

    Args:
        ranges: from `numbers.ranges`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Context": CONTEXT_TITLES[row["context"]],
            "Vector": title(row["method"]),
            "No vector": interval(row, "baseline"),
            "Written over": interval(row, "overwrite"),
            "Best α": f"{row['best_alpha']:g}",
            "Added with it": interval(row, "best"),
            "Recovered gap": interval(row, "recovered_gap"),
            "Helps most with": figures.spelt(row) if row["helping"] else MISSING,
        }
        for _, row in ranges.iterrows()
    )


def _control_cells(means: pd.DataFrame) -> pd.DataFrame:
    """The accuracies of the controls, as texts.

    Args:
        means: from `numbers.over_tasks`.
    """
    added = means[(means["context"] == "zero_shot") & (means["mode"] == "add")]
    found = []
    for (model, method, alpha), of in added.groupby(["model", "method", "alpha"], sort=False):
        runs = {run["procedure"]: interval(run, "accuracy") for _, run in of.iterrows()}
        row = {"Model": display_name(str(model)), "Vector": title(str(method))}
        row |= {"α": f"{alpha:g}", "Own": runs[VECTOR]}
        row |= {title(control): runs.get(control, MISSING) for control in CONTROLS}
        found.append(row)
    return pd.DataFrame(found)


def _task_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The zero-shot accuracy of each task, as texts.

    Args:
        table: from `numbers.by_task`.
    """
    zero_shot = table[table["context"] == "zero_shot"]
    found = []
    for (model, task), of in zero_shot.groupby(["model", "task"], sort=False):
        plain = of[of["procedure"] == "baseline"].iloc[0]
        row = {"Model": display_name(str(model)), "Category": plain["category"]}
        row |= {"Task": task_title(str(task)), "No vector": interval(plain, "accuracy")}
        vectors = of[of["procedure"] == VECTOR]
        for method in METHODS:
            run = vectors[vectors["method"] == method]
            over = run[run["mode"] == "overwrite"].iloc[0]
            added = run[run["alpha"] == 1].iloc[0]
            row[title(method)] = f"{interval(over, 'accuracy')} after {over['layer']}"
            row[f"{title(method)}, added"] = f"{interval(added, 'accuracy')} after {added['layer']}"
        found.append(row)
    return pd.DataFrame(found)


def _text_cells(means: pd.DataFrame) -> pd.DataFrame:
    """What generated text says, as texts.

    Args:
        means: from `numbers.in_text`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Vector": MISSING if pd.isna(row["method"]) else title(row["method"]),
            "Mode": _mode(row),
            "Right, once": interval(row, "exact_once"),
            "Right, every token": interval(row, "exact_every"),
            "Change": interval(row, "exact_gain"),
            "Repeated, once": interval(row, "repeated_once"),
            "Repeated, every token": interval(row, "repeated_every"),
            "Divergence": interval(row, "divergence"),
        }
        for _, row in means.iterrows()
    )


def _mode(row: pd.Series) -> str:
    if pd.isna(row["mode"]):
        return "no vector"
    return "written over" if row["mode"] == "overwrite" else f"added, α = {row['alpha']:g}"
