"""The numbers of every run and task, and comparisons of runs, for the page."""

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement
from string import ascii_lowercase, digits
from typing import Any

import pandas as pd

from tvsight.experiments.main_results import numbers
from tvsight.explorer.runs import Folder, Run, labels
from tvsight.output.labels import display_name, task_title
from tvsight.output.procedures import CENTRAL, PROCEDURES
from tvsight.output.theme import CATEGORY_COLOURS
from tvsight.progress import Moved, nobody
from tvsight.statistics.intervals import accuracy, times_drawn
from tvsight.tasks import packaged_tasks
from tvsight.texts import printable

RULES = {
    "exact": "An answer counts when the next token is the whole of it.",
    "prefix": "An answer counts when the next token begins it.",
}
"""The matching rules of tasks, in a sentence."""
PLACES = 4
"""Decimal places of numbers on the page."""
ENDS = ("", "_low", "_high")
DIGITS = digits + ascii_lowercase
"""Of a count up to 35, in base 36."""


def overview(folder: Folder, seen: Moved = nobody) -> dict[str, Any]:
    """What the first view shows: runs with their means, tasks with their accuracies, and what could
    not be read.

    Args:
        seen: called with each run, and the number of its results.
    """
    tables = []
    for run in folder.runs:
        tables.append(_by_task(run))
        seen(run, by=run.size)
    compared = [[*CENTRAL, *run.methods] for run in folder.runs]
    names = dict.fromkeys(task for run in folder.runs for task in run.tasks)
    return {
        "runs": [
            _run(run, label, table, names)
            for run, label, table, names in zip(
                folder.runs, labels(folder.runs), tables, compared, strict=True
            )
        ],
        "tasks": {name: _task(name, folder.runs) for name in names},
        "procedures": {
            key: {"title": one.title, "colour": one.colour} for key, one in PROCEDURES.items()
        },
        "categories": CATEGORY_COLOURS,
        "central": CENTRAL,
        "counts": [
            {"model": display_name(model), "experiment": experiment, "results": count}
            for (model, experiment), count in folder.counts.items()
        ],
        "problems": [
            {"path": str(one.path), "kind": one.kind, "reason": one.reason}
            for one in folder.problems
        ],
    }


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers rounded, none for what is not a number, and texts with what
    must not be shown raw written out."""
    if isinstance(value, dict):
        return {printable(str(name)): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return printable(value)
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool | int):
        return value
    number = float(value)
    return round(number, PLACES) if math.isfinite(number) else None


def share(rows: pd.DataFrame) -> list[float]:
    """Accuracy, and the ends of its interval."""
    found = accuracy(rows["correct"], rows["query"])
    return [found.value, found.low, found.high]


def curve(rows: pd.DataFrame) -> list[float]:
    """Dev accuracy after each block.

    Args:
        rows: of one vector and task.
    """
    dev = rows[rows["split"] == "dev"]
    shares: list[float] = dev.groupby("layer")["correct"].mean().tolist()
    return shares


def draws(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How often each task is in each bootstrap sample, by the number of tasks that procedures of
    two runs have in common: a digit of base 36 for each sample and task. The page makes intervals
    of differences with them, because there are too many pairs to store.

    Args:
        runs: as `overview` and `plain` make them.
    """
    sets = {
        frozenset(
            (task["task"], task["data"])
            for task in run["tasks"]
            if task["accuracy"][name][0] is not None
        )
        for run in runs
        for name in run["procedures"]
    }
    pairs = combinations_with_replacement(sets, 2)
    return {
        str(n): "".join(map(DIGITS.__getitem__, times_drawn(n).astype(int).flat))
        for n in sorted({len(one & other) for one, other in pairs})
        if n
    }


def _by_task(run: Run) -> pd.DataFrame:
    table = numbers.by_task(run.rows(run.central, run.further))
    return table.set_index("task").loc[run.tasks].reset_index()


def _run(run: Run, label: str, table: pd.DataFrame, compared: list[str]) -> dict[str, Any]:
    means, *_ = numbers.over_tasks(table).to_dict("records")
    return {
        "label": label,
        "model": display_name(run.model),
        "options": run.options,
        "procedures": compared,
        "measured": {experiment: len(of) for experiment, of in run.results.items()},
        "means": {
            name: [means[name + end] for end in ENDS] for name in (*CENTRAL, "recovered_gap")
        },
        "counted": {name: means[name] for name in ("tasks", "identified", "icl_gains")},
        "tasks": [_task_row(run, row, compared) for row in table.to_dict("records")],
        "transfer": _transfer(run),
    }


def _task_row(run: Run, row: dict[Any, Any], compared: list[str]) -> dict[str, Any]:
    (central,) = run.of(run.central, row["task"])
    kept = ("task", "category", "n", "queries", "layer", "chance", "chance_answer", "chance_share")
    return {
        **{name: row[name] for name in kept},
        "data": run.data[row["task"]],
        "identified": bool(row["layer_identified"]),
        "accuracy": {name: [row[name + end] for end in ENDS] for name in compared},
        "difference": {
            name: [*(row[name + end] for end in ENDS), row[f"{name}_p"], row[f"{name}_p_holm"]]
            for name in numbers.DIFFERENCES
        },
        "curve": curve(central.rows[central.rows["procedure"] == "task_vector"]),
    }


def _transfer(run: Run) -> dict[str, dict[str, list[float]]]:
    """Accuracy on each task with the mean vector of each task, by asked task and source."""
    found: dict[str, dict[str, list[float]]] = {}
    for one in run.results.get("controls", []):
        rows = one.rows
        if one.method:
            continue
        applied = rows[(rows["procedure"] == "mean_vector") & (rows["split"] == "test")]
        for source, of_source in applied.groupby("source", sort=False):
            found.setdefault(one.key.task, {})[str(source)] = share(of_source)
    return found


def _task(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """A task's own words; of a task of the user the runs know its category alone."""
    known = packaged_tasks().get(name)
    category = next(
        one.rows["category"].iloc[0] for run in runs for one in run.of(run.central, name)
    )
    own = {"title": task_title(name), "category": category}
    if known is None:
        return own
    return own | {
        "about": f"{known.description[0].upper()}{known.description[1:]}.",
        "rule": RULES[known.match],
        "pairs": len(known.pairs),
        "origin": known.origin,
        "words": known.words,
    }
