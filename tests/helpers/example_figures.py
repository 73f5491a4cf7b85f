"""Figures of made-up results: small ones that have a golden, and those of many tasks, long names or
several models."""

from collections.abc import Callable, Sequence
from functools import cache

import pandas as pd

from tests.helpers import control_rows, eighteen_tasks, function_vector_rows
from tests.helpers.example_rows import rows_by_shots, scored_rows, swept_rows, task_rows
from tests.helpers.vector_examples import eighteen, vector_set
from tests.helpers.vector_figures import PROJECTIONS, VECTORS, Plots, clusters, variability
from tvsight.experiments.controls import distance_figures, distance_numbers, transfer_figures
from tvsight.experiments.controls import figures as control_figures
from tvsight.experiments.controls import numbers as control_numbers
from tvsight.experiments.failures import figures as failure_figures
from tvsight.experiments.failures.numbers import KINDS
from tvsight.experiments.layer_sweep import figures as sweep_figures
from tvsight.experiments.layer_sweep import numbers as sweep_numbers
from tvsight.experiments.layer_sweep import score_figures as sweep_score_figures
from tvsight.experiments.main_results import (
    figures,
    method_figures,
    method_numbers,
    numbers,
    score_figures,
    score_numbers,
    task_figures,
)
from tvsight.experiments.shots import figures as shot_figures
from tvsight.experiments.shots import numbers as shot_numbers
from tvsight.output.plots import Plot
from tvsight.paper import paper_by_task
from tvsight.protocol.layers import by_layer
from tvsight.protocol.vector_sets import VectorSet
from tvsight.statistics.summaries import apart
from tvsight.tasks import packaged_tasks

ControlTables = Callable[[], control_rows.Tables]
LONG = "a_task_with_a_name_that_is_rather_long"
LONG_MODELS = ("Qwen2.5-Coder-1.5B-Instruct", "gemma-3-1b-it-finetuned-on-a-thing")
ALL = {name: task.category for name, task in packaged_tasks().items()}
ONE_MODEL = ("a-model",)
MODELS = ("model-0", "model-1", "model-2")


def several(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    return pd.concat([rows.assign(model=model) for model in MODELS[:count]], ignore_index=True)


def central(
    *right: tuple[int, int, int, int], models: Sequence[str] = ("a-model",)
) -> pd.DataFrame:
    names = ("antonyms", "two", "three")
    rows = [
        task_rows(names[number], of, model=model, identified=number != 1)
        for model in models
        for number, of in enumerate(right)
    ]
    return pd.concat(rows, ignore_index=True)


TWO = central((2, 18, 15, 14), (2, 10, 9, 9))
SEEDS = pd.concat([TWO.assign(seed=0), central((2, 14, 9, 9), (2, 11, 9, 9)).assign(seed=1)])
LONG_NAMED = central((2, 12, 9, 9), models=LONG_MODELS)
NO_GAIN = central((9, 9, 8, 9), models=["hopeless"])


@cache
def two() -> pd.DataFrame:
    return numbers.by_task(TWO)


@cache
def seeds() -> pd.DataFrame:
    return numbers.by_seed(SEEDS)


def by_model(table: pd.DataFrame) -> Plot:
    depths = pd.Series(6, index=table["model"].unique())
    bars = numbers.bars(numbers.means(table, paper_by_task()))
    return figures.by_model(numbers.by_size(bars, table, depths), table)


def by_task(table: pd.DataFrame) -> Plot:
    return task_figures.task_by_task(table, "a-model", seeds().query("seed == 1"))


def methods(tables: function_vector_rows.Tables) -> Plot:
    table = method_numbers.by_task(tables.central)
    return method_figures.methods(table, method_numbers.over_tasks(table), "a-model")


def scores(name: str) -> Plot:
    table = score_numbers.by_task(scored_rows())
    how = (score_numbers.over_tasks(table), score_numbers.SCORES[name], "a-model")
    return score_figures.by_task(table, *how, score_numbers.earlier(scored_rows()))


@cache
def long_tasks() -> pd.DataFrame:
    rows = [task_rows(f"{LONG}_{n}", (2 + n % 8, 12, 9, 9)) for n in range(12)]
    return numbers.by_task(pd.concat(rows, ignore_index=True))


CENTRAL: dict[str, Plots] = {
    "main_results": lambda: by_model(two()),
    "main_results_no_gain": lambda: by_model(numbers.by_task(NO_GAIN)),
    "main_results_by_task": lambda: by_task(two()),
    "main_results_methods": lambda: methods(function_vector_rows.three_tasks()),
    **{f"main_results_{name}": lambda name=name: scores(name) for name in score_numbers.SCORES},
}


def swept(*models: str) -> pd.DataFrame:
    right = {"one": [0, 2, 4, 1], "two": [0, 4, 4, 3]}
    return pd.concat([swept_rows(task, r, model) for model in models for task, r in right.items()])


def sweep(rows: pd.DataFrame, paper: bool = True, least: float | None = None) -> Plot:
    table = by_layer(rows)
    means, kept = sweep_numbers.curves(table, least), sweep_numbers.with_peak_above(table, least)
    method_means = sweep_numbers.method_means(sweep_numbers.by_method(rows))
    peaks = sweep_numbers.with_intervals(sweep_numbers.highest(means, method_means), kept)
    tested = sweep_numbers.on_test(rows)
    return sweep_figures.curves(means, peaks, kept, tested, method_means, paper, least)


def sweep_by_task(rows: pd.DataFrame) -> Plot:
    return sweep_figures.by_task(by_layer(rows), sweep_numbers.on_test(rows), "a-model")


def sweep_scores(models: int = 1) -> Plot:
    rows = several(scored_rows(), models)
    table = score_numbers.by_layer(rows)
    means = score_numbers.layers_over_tasks(table)
    return sweep_score_figures.curves(table, means, score_numbers.earlier(rows))


WITH_METHOD = pd.concat([TWO, function_vector_rows.method_rows("antonyms", 9)])


@cache
def shot_means(models: int) -> pd.DataFrame:
    rows = pd.concat([rows_by_shots(model) for model in MODELS[:models]])
    return shot_numbers.over_tasks(shot_numbers.by_shots(rows))


def by_shots(models: int, kept: str = "shots > 0", more: int = 0) -> Plot:
    """Numbers of demonstrations of some models, the second with `more`."""
    means = shot_means(models)
    shots = means["shots"] + more * (means["model"] == "model-1")
    return shot_figures.curves(means.assign(shots=shots).query(kept), 20)


BLOCKS: dict[str, Plots] = {
    "layer_sweep": lambda: sweep(WITH_METHOD),
    "layer_sweep_least": lambda: sweep(swept("a-model", "b-model"), False, 0.75),
    "layer_sweep_by_task": lambda: sweep_by_task(TWO),
    "layer_sweep_scores": sweep_scores,
    "shots": lambda: by_shots(1),
    "shots_two_models": lambda: by_shots(2, more=1),
    "shots_one_alone": lambda: by_shots(2, "model == 'model-0' or shots == 1"),
    "shots_one_number": lambda: by_shots(2, "shots == 1"),
}


@cache
def control_table(tables: ControlTables) -> pd.DataFrame:
    return control_numbers.by_task(*tables())


@cache
def control_summary(tables: ControlTables, models: int) -> pd.DataFrame:
    return apart(control_numbers.over_tasks(several(control_table(tables), models)), ["procedure"])


@cache
def transferred(tables: ControlTables) -> pd.DataFrame:
    return control_numbers.transfer(*tables())


def against_controls(tables: ControlTables) -> Plot:
    table = control_table(tables)
    summary = apart(control_numbers.over_tasks(table), ["procedure"])
    return control_figures.against_controls(table, summary, "a-model")


def control_curves(tables: ControlTables, models: int = 1) -> Plot:
    blocks = several(control_numbers.by_block(*tables()), models)
    return control_figures.curves(blocks, control_summary(tables, models))


def matrix(tables: ControlTables) -> Plot:
    pairs = transferred(tables)
    return transfer_figures.matrix(pairs, control_numbers.transfer_by_task(pairs), "a-model")


def distances(tables: ControlTables, given: VectorSet) -> Plot:
    pairs = distance_numbers.pairs(transferred(tables), [given])
    return distance_figures.scatter(pairs, {"a-model": 6})


THREE = control_rows.three_tasks
CONTROLS: dict[str, Plots] = {
    "controls": lambda: against_controls(THREE),
    "controls_of_one_task": lambda: against_controls(control_rows.one_task),
    "controls_by_block": lambda: control_curves(THREE),
    "controls_by_block_two_models": lambda: control_curves(THREE, 2),
    "controls_transfer": lambda: matrix(THREE),
    "controls_distances": lambda: distances(THREE, vector_set(control_rows.CATEGORIES)),
}


def kinds(*tasks: str, wrong: Sequence[int] = (3, 1, 1, 5, 1)) -> Plot:
    rows = [
        {
            **{"model": "a-model", "category": "linguistic", "task": task, "n": 20},
            **{"procedure": procedure, "wrong": sum(wrong)},
            **dict(zip(KINDS, wrong, strict=True)),
        }
        for task in tasks
        for procedure in ("icl", "task_vector")
    ]
    return failure_figures.by_kind(pd.DataFrame(rows), "a-model")


FAILURES: dict[str, Plots] = {
    "failures": lambda: kinds("antonyms", "plural_singular"),
    "failures_none": lambda: kinds("antonyms", wrong=(0, 0, 0, 0, 0)),
}

GOLDENS = CENTRAL | BLOCKS | CONTROLS | FAILURES | VECTORS | PROJECTIONS
EIGHTEEN = eighteen_tasks.eighteen_tasks
LARGE: dict[str, Plots] = {
    "18 tasks": lambda: by_model(EIGHTEEN()),
    "long models": lambda: by_model(numbers.by_task(LONG_NAMED)),
    "18 tasks by task": lambda: by_task(EIGHTEEN()),
    "long tasks": lambda: by_task(long_tasks()),
    "methods": lambda: methods(function_vector_rows.eighteen_tasks()),
    "scores of two models": lambda: sweep_scores(2),
    "sweep of three models": lambda: sweep(swept("a-model", "b-model", "c-model")),
    "controls": lambda: against_controls(control_rows.eighteen_tasks),
    "controls by block": lambda: control_curves(control_rows.eighteen_tasks, 3),
    "controls of one task": lambda: control_curves(control_rows.one_task, 2),
    "matrix": lambda: matrix(control_rows.eighteen_tasks),
    "distances": lambda: distances(control_rows.eighteen_tasks, eighteen()),
    "clusters": lambda: clusters(eighteen(4)),
    "clusters of all tasks": lambda: clusters(vector_set(ALL, n=2), many=True),
    "variability": lambda: variability(vector_set(ALL, n=3)),
    "variability of two": lambda: variability(vector_set({LONG: "custom", "b": "custom"}, n=2)),
}
