"""Rows of results written by hand, for tests of numbers, tables and figures."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tvsight.run.outcome import Outcome, Stored
from tvsight.storage.manifests import Key
from tvsight.storage.schemas import COLUMN_TYPES, SCORE_TYPES, schema
from tvsight.tasks import PAPER_TASKS, packaged_tasks

PAPER = {name: packaged_tasks()[name].category for name in PAPER_TASKS}
"""The categories of the paper's tasks."""
PROCEDURES = ("baseline", "icl", "task_vector", "averaged_vector")


def task_rows(
    task: str,
    right: tuple[int, int, int, int],
    *,
    model: str = "a-model",
    category: str = "custom",
    n: int = 20,
    queries: Sequence[str] | None = None,
    layers: tuple[int, int] = (3, 4),
    identified: bool = True,
) -> pd.DataFrame:
    """`n` test episodes per procedure, the first `right[procedure]` of them right.

    Six dev episodes per procedure and layer are all right, so that whoever counts them is found;
    those of the baseline are wrong where the layer is to be identified.

    Args:
        right: correct answers of each of `PROCEDURES`.
        queries: of each test episode; all different unless given.
        layers: chosen for the task vector and the averaged vector.
    """
    labels = {"model": model, "task": task, "category": category}
    rows: list[dict[str, object]] = []
    for procedure, count in zip(PROCEDURES, right, strict=True):
        vector = procedure.endswith("vector")
        last = "last" if vector else None
        labels |= {"procedure": procedure, "layer_identified": identified if vector else None}
        labels |= {"read_position": last, "write_position": last}
        layer = layers[PROCEDURES.index(procedure) - 2] if vector else None
        rows += run("test", n, count, queries, layer=layer, **labels)
        for block in range(6) if vector else [None]:
            rows += run("dev", 6, 6 if vector or not identified else 0, layer=block, **labels)
    return pd.DataFrame(rows)[list(COLUMN_TYPES)].astype(COLUMN_TYPES)


def whole_rows() -> pd.DataFrame:
    """Whole answers of two tasks. Wrong ones have half of the words, the first of them."""
    rows = _two_tasks()
    return rows.assign(
        f1=rows["correct"].map({True: 1.0, False: 0.5}),
        first_word=True,
        answer_log_probability=-1.5,
        rank=1,
        answer_gap=0.5,
        icl_divergence=0.25,
    ).astype(schema("answers").columns | SCORE_TYPES)


GAPS = {"baseline": -1.0, "icl": 4.0, "task_vector": 3.0, "averaged_vector": 3.5}
DIVERGENCES = {"baseline": 2.0, "icl": 0.0, "task_vector": 0.5, "averaged_vector": 0.25}


def scored_rows() -> pd.DataFrame:
    """Two tasks with scores. A right answer has rank 1, a wrong one 100. After blocks other than
    the chosen one, the vector's gap is 1 less and its divergence 1 more."""
    rows = _two_tasks()
    off = (rows["procedure"] == "task_vector") & (rows["layer"] != 3)
    return rows.assign(
        rank=rows["correct"].map({True: 1, False: 100}),
        answer_gap=rows["procedure"].map(GAPS) - off,
        icl_divergence=rows["procedure"].map(DIVERGENCES) + off,
    ).astype(COLUMN_TYPES | SCORE_TYPES)


def _two_tasks() -> pd.DataFrame:
    rows = [task_rows("one", (2, 15, 10, 9)), task_rows("two", (4, 20, 18, 14))]
    return pd.concat(rows, ignore_index=True)


def answer(split: str, episode: int, query: str, correct: bool) -> dict[str, object]:
    """The columns of one scored prediction."""
    return {
        "split": split,
        "episode": episode,
        "query": query,
        "expected": " yes",
        "predicted": " yes" if correct else " no",
        "correct": correct,
        "log_probability": -0.5,
        "margin": 1.0,
        "measured_on": "cpu",
    }


def swept_rows(task: str, right: list[int], model: str = "a-model", n: int = 4) -> pd.DataFrame:
    """`n` dev episodes of a task after each block, `right[block]` of them right.

    As many test episodes are patched after the best block, all wrong.
    """
    rows = [
        {"split": "dev", "layer": layer, "correct": episode < count, "episode": episode}
        for layer, count in enumerate(right)
        for episode in range(n)
    ]
    best = right.index(max(right))
    rows += [{"split": "test", "layer": best, "correct": False, "episode": e} for e in range(n)]
    data = pd.DataFrame(rows).assign(
        model=model, task=task, category="custom", procedure="task_vector"
    )
    return data.reindex(columns=list(COLUMN_TYPES))


RIGHT_BY_SHOTS = {1: (2, 8, 4, 6), 4: (2, 16, 10, 12)}
"""Correct answers of 20 to the first task of `rows_by_shots`, by number of demonstrations."""


def rows_by_shots(model: str = "a-model") -> pd.DataFrame:
    """Two tasks with one and with four demonstrations; the second has four right answers less."""
    tasks = (("one", 0, 2), ("two", 4, 4))
    rows = [
        task_rows(
            task,
            (0, *(max(0, count - less) for count in right[1:])),
            model=model,
            layers=(layer, 5),
        ).assign(shots=shots)
        for shots, right in RIGHT_BY_SHOTS.items()
        for task, less, layer in tasks
    ]
    return pd.concat(rows, ignore_index=True)


def outcome_of(*results: pd.DataFrame, experiment: str = "main_results") -> Outcome:
    """Stored results, each of one model and task, with these rows."""
    stored = []
    for number, rows in enumerate(results):
        key = Key(rows["model"].iloc[0], rows["task"].iloc[0])
        stored.append(Stored(key, Path(experiment, key.model, f"{key.task}-{number}"), rows))
    return Outcome(stored)


def stored(*tables: tuple[str, pd.DataFrame]) -> Outcome:
    """The rows of experiments as results of each model and task."""
    found = []
    for experiment, table in tables:
        for (model, task), rows in table.groupby(["model", "task"], sort=False):
            path = Path(experiment, str(model), str(task))
            found.append(Stored(Key(str(model), str(task)), path, rows.reset_index(drop=True)))
    return Outcome(found)


def run(
    split: str, count: int, right: int, queries: Sequence[str] | None = None, **columns: object
) -> list[dict[str, object]]:
    """The rows of one run: `count` episodes of a split, the first `right` of them right.

    Args:
        queries: of each episode; all different unless given.
    """
    name = "query" if split == "test" else f"{split} query"
    asked = queries or [f"{name} {number}" for number in range(count)]
    return [answer(split, n, query, n < right) | columns for n, query in enumerate(asked)]


def typed(rows: Sequence[dict[str, object]], experiment: str, **columns: object) -> pd.DataFrame:
    """Rows of an experiment in the columns of its schema.

    Args:
        columns: the same in all rows.
    """
    types = schema(experiment).columns_with({name for row in rows for name in row})
    data = pd.DataFrame(rows).assign(**columns)
    return data.reindex(columns=list(types)).astype(types)
