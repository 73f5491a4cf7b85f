"""Mean dev accuracy by block and its peaks, ours and the paper's."""

from typing import Any

import numpy as np
import pandas as pd

from tvsight.experiments.main_results.method_numbers import REFERENCE, further
from tvsight.output.procedures import COMPARED
from tvsight.protocol.layers import by_layer, over_tasks, paper_by_layer, peaks
from tvsight.statistics.intervals import times_drawn
from tvsight.statistics.summaries import by_group, identified

METHOD_KEYS = ["model", "task", "procedure"]
"""The columns of a table of methods without rows."""


def with_peak_above(table: pd.DataFrame, least: float | None) -> pd.DataFrame:
    """The tasks whose best block is above an accuracy, of each model; all where it is None.

    Args:
        table: from `layers.by_layer`.
    """
    best = table.groupby(["model", "task"], observed=True)["accuracy"].transform("max")
    return table if least is None else table[best > least]


def curves(table: pd.DataFrame, least: float | None = None) -> pd.DataFrame:
    """Means over tasks after each block: ours, then the paper's models.

    Args:
        table: from `layers.by_layer`.
        least: see `with_peak_above`; for both.

    Returns:
        The columns of `layers.over_tasks`, and `source`: `tvsight` or `paper`.
    """
    ours = over_tasks(with_peak_above(table, least)).assign(source="tvsight")
    theirs = over_tasks(with_peak_above(paper_by_layer(), least)).assign(source="paper")
    return pd.concat([ours, theirs], ignore_index=True)


def by_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Dev accuracy after each block of the methods beside the central comparison.

    Returns:
        The columns of `layers.by_layer`, and `procedure`; no rows without such methods.
    """
    found = [by_layer(rows, name).assign(procedure=name) for name in further(rows)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=METHOD_KEYS)


def method_means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks after each block, of each method.

    Args:
        table: from `by_method`.

    Returns:
        The columns of `layers.over_tasks`, and `procedure`; no rows without methods.
    """
    by_name = table.groupby("procedure", sort=False)
    parts = [over_tasks(procedure_rows).assign(procedure=name) for name, procedure_rows in by_name]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=METHOD_KEYS)


def highest(means: pd.DataFrame, methods: pd.DataFrame) -> pd.DataFrame:
    """The peak of each curve: ours, then those of methods, then the paper's.

    Args:
        means: from `curves`.
        methods: from `method_means`.

    Returns:
        The columns of `layers.peaks`, and `source` (of a method's curve `method`), `procedure` and
        `tasks` (their number).
    """
    lines = [(str(source), REFERENCE, line) for source, line in means.groupby("source", sort=False)]
    by_name = methods.groupby("procedure", sort=False)
    lines[1:1] = [("method", str(name), line) for name, line in by_name]
    rows = []
    for source, procedure, line in lines:
        tasks = peaks(line)["model"].map(line.groupby("model")["tasks"].first())
        rows.append(peaks(line).assign(tasks=tasks, source=source, procedure=procedure))
    return pd.concat(rows, ignore_index=True)


def with_intervals(peaks: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The block of each of our peaks with its 95 % bootstrap interval over tasks.

    Args:
        peaks: from `highest`.
        table: from `layers.by_layer`, of the tasks that the curves are over.

    Returns:
        The columns of `peaks`, and `layer_low` and `layer_high`: none of one task, and of curves of
        methods and of the paper.
    """
    intervals = {}
    for model, rows in table.groupby("model", sort=False, observed=True):
        grid = rows.pivot(index="task", columns="layer", values="accuracy").to_numpy()
        if len(grid) > 1:
            drawn = (times_drawn(len(grid)) @ grid).argmax(axis=1)
            ends = np.quantile(drawn, [0.025, 0.975], method="nearest")
            intervals["tvsight", str(model)] = ends.astype(int)
    keys = list(zip(peaks["source"], peaks["model"].astype(str), strict=True))
    for end, name in enumerate(("layer_low", "layer_high")):
        known = [intervals[key][end] if key in intervals else None for key in keys]
        peaks = peaks.assign(**{name: pd.array(known, dtype="Int64")})
    return peaks


def on_test(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each of `COMPARED`: one row per model and task.

    Returns:
        `model`, `task`, `COMPARED` (none where it is not measured) and `layer_identified`, whether
        `layers.layer_p` is below `SIGNIFICANCE` (none where no baseline is measured).
    """

    def summary(task_rows: pd.DataFrame) -> dict[str, Any]:
        dev, test = (task_rows[task_rows["split"] == split] for split in ("dev", "test"))
        swept, unpatched = (dev[dev["procedure"] == name] for name in (REFERENCE, "baseline"))
        known = None if unpatched.empty else identified(swept, unpatched)["layer_identified"]
        right = test.groupby("procedure", observed=True)["correct"].mean()
        return {**right.reindex(COMPARED).astype(float), "layer_identified": known}

    return by_group(rows, ["model", "task"], summary).astype({"layer_identified": "boolean"})
