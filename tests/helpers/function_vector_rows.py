"""Rows of function vectors and of effects of heads, written by hand, and the comparison beside."""

from functools import cache
from typing import Any, NamedTuple

import pandas as pd

from tests.helpers.example_rows import PAPER, run, stored, task_rows, typed
from tvsight.experiments.function_vectors import BESIDE, NAME, SETTINGS
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.protocol.options import EFFECTS
from tvsight.run.outcome import Outcome
from tvsight.storage.schemas import COLUMN_TYPES

N, LAYER, THIRD, DEPTH, HEADS = 20, 3, 1, 6, 4
SIZE = 2
"""Heads in a vector."""
ZERO_SHOT = {
    "function_vector": 12,
    "raw_vector": 10,
    "bottom_heads": 2,
    "other_function_vector": 4,
    "random_addition": 1,
}
RANDOM_HEADS = (3, 5)
"""Right answers by draw."""
CURVE = {1: 6, 3: 14}
"""Right answers by number of heads, besides `SIZE`."""
SHUFFLED = {
    "baseline": 8,
    "function_vector": 13,
    "task_vector": 16,
    "averaged_vector": 14,
    "mean_state": 11,
}
BLOCKS = {
    "zero_shot": {"function_vector": LAYER, "raw_vector": 2},
    "shuffled": {"function_vector": 4, "task_vector": 5, "averaged_vector": 1, "mean_state": 0},
}
"""The block of each procedure that has its own."""
AT_THIRD = {"zero_shot": 7, "shuffled": 9}
EFFECT = {
    "one": [[0.5, 0.1, 0.0, 0.0], [0.0, 0.4, -0.2, 0.0]],
    "two": [[0.3, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.6]],
    "three": [[0.1, 0.0, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0]],
}
"""The mean effect of each head, `[depth][heads]`. The best two: 0.0 and 1.1; 1.3 and 0.0; 0.3 and
0.0."""


class Tables(NamedTuple):
    """Rows of all three experiments."""

    central: pd.DataFrame
    """With the mean state."""
    effects: pd.DataFrame
    vectors: pd.DataFrame


def method_rows(
    task: str, right: int, procedure: str = "mean_state", layer: int = 2, category: str = "custom"
) -> pd.DataFrame:
    """The rows of one further method: on dev two of six episodes are right, all after `layer`."""
    labels: dict[str, Any] = {"model": "a-model", "task": task, "category": category}
    labels |= {"procedure": procedure, "layer_identified": True}
    labels |= {"read_position": "last", "write_position": "last"}
    rows = []
    for block in range(DEPTH):
        rows += run("dev", 6, 6 if block == layer else 2, layer=block)
    rows += run("test", N, right, layer=layer)
    return pd.DataFrame(rows).assign(**labels)[list(COLUMN_TYPES)].astype(COLUMN_TYPES)


COSINES = [0.1 * block for block in range(DEPTH)]
"""Of function and task vector after each block; half of it without the mean over tasks."""


def vector_rows(task: str, category: str = "custom", less: int = 0) -> pd.DataFrame:
    """The function vectors of one task.

    Args:
        less: how many answers fewer are right than the constants say, with every procedure.
    """
    rows: list[dict[str, Any]] = []

    def add(split: str, count: int, **condition: Any) -> None:
        rows.extend(run(split, N if split == "test" else 6, count, **condition))

    for context, blocks in BLOCKS.items():
        plain: dict[str, Any] = {"context": context}
        best = plain | {"layer": blocks["function_vector"], "heads": SIZE, "layer_rule": "dev"}
        add("dev", 0, **plain, procedure="baseline")
        for name, chosen in blocks.items():
            heads = None if name in BESIDE else SIZE
            for block in range(DEPTH):
                right = 6 if block == chosen else 0
                near = {"cosine": COSINES[block], "cosine_centred": COSINES[block] / 2}
                similar = near if name == "function_vector" else {}
                add("dev", right, **plain, procedure=name, heads=heads, layer=block, **similar)
        right_of = dict(ZERO_SHOT) if context == "zero_shot" else dict(SHUFFLED)
        add("test", right_of.pop("baseline", 2) - less, **plain, procedure="baseline")
        for name, right in right_of.items():
            own = {"heads": None} if name in BESIDE else {}
            own |= {"layer": blocks[name]} if name in blocks else {}
            add("test", right - less, **best | own, procedure=name)
        third = best | {"layer": THIRD, "layer_rule": "third"}
        add("test", AT_THIRD[context] - less, **third, procedure="function_vector")
    best = {"context": "zero_shot", "layer": LAYER, "layer_rule": "dev"}
    for size, right in CURVE.items():
        add("test", right - less, **best, heads=size, procedure="function_vector")
    for draw, right in enumerate(RANDOM_HEADS):
        add("test", right - less, **best, heads=SIZE, draw=draw, procedure="random_heads")
    return typed(rows, NAME, model="a-model", task=task, category=category)


def effect_rows(task: str, effect: list[list[float]], category: str = "custom") -> pd.DataFrame:
    """The effects of every head on two prompts, by 0.01 below and above the mean."""
    rows: list[dict[str, object]] = [
        {"episode": episode, "query": f"dev query {episode}", "expected": " yes"}
        | {"layer": layer, "head": head, "effect": value + 0.01 * (2 * episode - 1)}
        | {"log_effect": 2 * value, "probability": 0.2, "log_probability": -1.6}
        for episode in range(2)
        for layer, of_layer in enumerate(effect)
        for head, value in enumerate(of_layer)
    ]
    labels = {"model": "a-model", "task": task, "category": category, "measured_on": "cpu"}
    return typed(rows, EFFECTS, **labels)


def of_task(
    task: str, effect: list[list[float]], category: str = "custom", less: int = 0
) -> Tables:
    """One task: baseline 2 of 20, ICL 18, task vector 15, mean state 9."""
    central = task_rows(task, (2, 18, 15, 14), category=category)
    central = pd.concat([central, method_rows(task, 9, category=category)], ignore_index=True)
    return Tables(central, effect_rows(task, effect, category), vector_rows(task, category, less))


def joined(*tables: Tables) -> Tables:
    return Tables(*(pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True)))


SETTINGS_RIGHT = {
    ("function_vector", "own", "add"): (8, 14),
    ("function_vector", "own", "overwrite"): (3, 4),
    ("function_vector", "others", "add"): (6, 11),
    ("function_vector", "others", "overwrite"): (2, 3),
    ("own_mean", None, "add"): (5, 10),
    ("own_mean", None, "overwrite"): (15, 16),
    ("mean_state", None, "add"): (4, 9),
    ("mean_state", None, "overwrite"): (12, 16),
}
"""Right answers of `N` with the fixed and the tuned setting, by vector and operation."""


def setting_rows(task: str, category: str = "custom", less: int = 0) -> pd.DataFrame:
    """The vectors of one task at equal freedom."""
    rows = run("test", N, 2, procedure="baseline")
    for (procedure, heads_of, operation), counts in SETTINGS_RIGHT.items():
        for setting, right, size, factor in zip(
            ("fixed", "tuned"), counts, (10, 20), (1.0, 2.0), strict=True
        ):
            labels = {"operation": operation, "heads_of": heads_of, "setting": setting}
            labels |= {"heads": size if heads_of else None, "factor": factor, "layer": LAYER}
            rows += run("test", N, right - less, procedure=procedure, **labels)
    return typed(rows, SETTINGS, model="a-model", task=task, category=category)


@cache
def three_tasks() -> Tables:
    return joined(*(of_task(task, effect) for task, effect in EFFECT.items()))


@cache
def one_task() -> Tables:
    return of_task("one", EFFECT["one"])


@cache
def eighteen_tasks() -> Tables:
    """The paper's tasks, with 18 blocks of four heads."""
    found = []
    for number, (task, category) in enumerate(PAPER.items()):
        effect = [
            [((7 * number + 5 * layer + head) % 13) / 40 - 0.05 for head in range(4)]
            for layer in range(18)
        ]
        found.append(of_task(task, effect, category, number % 2))
    return joined(*found)


def outcome(tables: Tables) -> Outcome:
    """All rows as stored results, with the vectors at equal freedom."""
    known = stored(*zip((MAIN_RESULTS, EFFECTS, NAME), tables, strict=True))
    categories = tables.vectors.groupby("task", sort=False)["category"].first()
    first = len(known.results)
    settings = [
        setting_rows(str(task), str(category), (first + number) % 2)
        for number, (task, category) in enumerate(categories.items())
    ]
    known.add(stored(*((SETTINGS, rows) for rows in settings)))
    return known
