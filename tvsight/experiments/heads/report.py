"""Tables and figures of heads, their scores, and ICL without them."""

from typing import TYPE_CHECKING

import pandas as pd

from tvsight.experiments.function_vectors import EFFECTS
from tvsight.experiments.heads import (
    CHOOSES,
    DEFINITIONS,
    INDUCTION,
    NAME,
    Options,
    figures,
    numbers,
)
from tvsight.experiments.heads.request import collect
from tvsight.output.drawn import Drawn
from tvsight.output.labels import MISSING, display_name, interval, number, sizes, small, task_title
from tvsight.output.procedures import PROCEDURES
from tvsight.output.tables import Wording

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.run.outcome import Outcome

__all__ = ["collect", "draw"]

NAMES = ["Model", "Category", "Task", "Ablated"]
"""Columns with words from elsewhere."""
SHOWN = 10
"""Heads of each score in the table of heads."""
MEAN_TABLE = Wording(
    "In-context learning with the heads of the largest scores at their mean over the task",
    "A row is a mean over tasks. Ablated: heads that are replaced at the last token by their mean "
    "over few-shot dev prompts of the same task, which removes only what depends on the query. "
    "[ ]: 95 % bootstrap interval over tasks. Lost: ICL minus this. "
    "Below random: as many random heads minus this. Below the other kind: induction heads minus "
    "this for FV heads, and the reverse. Tasks are paired; beside each difference stands the "
    "number of tasks where it is above 0 (permutation of queries, Holm's correction for the tasks, "
    "5 %). Heads are chosen on the other tasks. The second table has the tasks, with the largest "
    "sets of heads.",
)
HEAD_TABLE = Wording(
    "Heads of the largest FV and induction scores",
    f"A row is a head, of the {SHOWN} of largest FV score and the {SHOWN} of largest induction "
    "score in its model. FV score: the mean effect over tasks. [ ]: 95 % interval, of the FV score "
    "a bootstrap over tasks, of the induction score a normal approximation over sequences. The CSV "
    "file has every head.",
)
AGREEMENT_TABLE = Wording(
    "Heads that the two scores agree on",
    "A row is a model. Correlation: Spearman's, of FV and induction score, and of the two "
    "definitions of the induction score. Shared: heads in the top tenth by both; p: random sets "
    "share as many (hypergeometric).",
)


def draw(outcome: "Outcome", options: Options, display: "Display", drawn: Drawn) -> None:
    """Write tables and figures, and show the tables."""
    of_heads, scored, ablated = (outcome.only(name) for name in (EFFECTS, INDUCTION, NAME))
    if ablated.results:
        _draw_ablations(ablated, display, drawn)
    else:
        display.note("No heads were ablated: they are chosen on other tasks, so two are needed.")
    if of_heads.results and scored.results:
        table = numbers.scores(of_heads.table, scored.table)
        _draw_scores(table, numbers.repetitions(scored.table), display, drawn)


def _draw_ablations(ablated: "Outcome", display: "Display", drawn: Drawn) -> None:
    table = numbers.by_task(ablated.table)
    means = numbers.over_tasks(table)
    mean_cells = _mean_cells(means)
    display.table(mean_cells, MEAN_TABLE.title)
    cells = [mean_cells, _task_cells(table), *ablated.note_cells]
    drawn.table(table, cells, names=NAMES, wording=MEAN_TABLE)
    drawn.numbers(means, "means")
    drawn.figure(figures.by_share(means))


def _draw_scores(
    table: pd.DataFrame, repeated: pd.DataFrame, display: "Display", drawn: Drawn
) -> None:
    agreed = numbers.agreement(table)
    agreed_cells = _agreement_cells(agreed)
    display.table(agreed_cells, AGREEMENT_TABLE.title)
    drawn.table(agreed, [agreed_cells], "agreement", names=NAMES, wording=AGREEMENT_TABLE)
    head_cells = _head_cells(table, repeated)
    display.table(head_cells, HEAD_TABLE.title)
    drawn.table(table, [head_cells], "scores", names=NAMES, wording=HEAD_TABLE)
    for model in table["model"].unique():
        drawn.figure(figures.scatter(table, agreed, repeated, model), "scores", model)


def _mean_cells(means: pd.DataFrame) -> pd.DataFrame:
    """The means as texts.

    Args:
        means: from `numbers.over_tasks`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(mean["model"]),
            "Ablated": PROCEDURES[f"ablated_{mean['kind']}"].title,
            "Heads": str(mean["heads"]),
            "Accuracy": interval(mean, "accuracy"),
            "Lost": interval(mean, "loss"),
            "Tasks with a loss": f"{mean['loss_tasks']} of {mean['tasks']}",
            "Below random": interval(mean, "below_random"),
            "Tasks below random": _tasks(mean, "below_random"),
            "Below the other kind": interval(mean, "below_other"),
            "Tasks below the other": _tasks(mean, "below_other"),
        }
        for _, mean in means.iterrows()
    )


def _tasks(mean: pd.Series, name: str) -> str:
    return MISSING if pd.isna(mean[name]) else f"{mean[f'{name}_tasks']} of {mean['tasks']}"


def _task_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The accuracy of each task without the largest sets of heads, as texts.

    Args:
        table: from `numbers.by_task`.
    """
    found = []
    for (model, task), of_task in table.groupby(["model", "task"], sort=False, observed=True):
        most = of_task[of_task["heads"] == of_task["heads"].max()]
        first = most.iloc[0]
        row = {"Model": display_name(str(model)), "Category": first["category"]}
        row |= {"Task": task_title(str(task)), "ICL": interval(first, "icl")}
        for _, run in most.iterrows():
            row[PROCEDURES[f"ablated_{run['kind']}"].title] = interval(run, "accuracy")
        found.append(row)
    return pd.DataFrame(found)


def _agreement_cells(agreed: pd.DataFrame) -> pd.DataFrame:
    """The agreement of the two scores as texts.

    Args:
        agreed: from `numbers.agreement`.
    """
    return pd.DataFrame(
        {
            "Model": display_name(row["model"]),
            "Heads": str(row["heads"]),
            "Correlation": number(row["correlation"]),
            "Of the definitions": number(row["definitions"]),
            "Shared": f"{row['shared']} of {row['top']}",
            "By chance": number(row["expected"]),
            "p": small(row["p"]),
        }
        for _, row in agreed.iterrows()
    )


def _head_cells(table: pd.DataFrame, repeated: pd.DataFrame) -> pd.DataFrame:
    """The heads of the largest scores as texts.

    Args:
        table: from `numbers.scores`.
        repeated: from `numbers.repetitions`.
    """
    shown = table[(table["fv_rank"] <= SHOWN) | (table["induction_rank"] <= SHOWN)]
    other = next(name for name in DEFINITIONS if name != CHOOSES)
    return pd.DataFrame(
        {
            "Model": display_name(head["model"]),
            "Block": str(head["layer"]),
            "Head": str(head["head"]),
            "FV score": _fine(head, "fv"),
            "FV rank": str(head["fv_rank"]),
            _spelt(repeated, CHOOSES): _fine(head, "induction"),
            "Induction rank": str(head["induction_rank"]),
            _spelt(repeated, other): f"{head[f'induction_{other}']:.3f}",
        }
        for _, head in shown.iterrows()
    )


def _spelt(repeated: pd.DataFrame, definition: str) -> str:
    of = repeated[repeated["definition"] == definition]
    return f"Induction, {sizes(of['tokens'])} tokens {sizes(of['copies'])} times"


def _fine(head: pd.Series, name: str) -> str:
    value, low, high = (head[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:.3f}" if pd.isna(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
