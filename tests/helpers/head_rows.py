"""Rows of head effects, induction scores and ablations written by hand."""

from collections.abc import Mapping, Sequence
from itertools import product

import pandas as pd

from tests.helpers.example_rows import run, stored, typed
from tvsight.experiments.heads import DEFINITIONS, INDUCTION, KINDS, NAME, REPLACEMENTS
from tvsight.protocol.options import EFFECTS
from tvsight.run.outcome import Outcome

N = 20
DEPTH, HEADS = 3, 4
DRAWS = 2
SIZES = {0.05: 1, 0.2: 3}
RIGHT = {"fv": 4, "induction": 12, "random": 14, "fv_excluding": 6, "induction_excluding": 14}
"""Right answers of `N` without the largest sets, of the first task."""
ICL = 16
EVERY = [(layer, head) for layer in range(DEPTH) for head in range(HEADS)]
Head = tuple[int, int]


def effect_rows(
    task: str, effects: Mapping[Head, Sequence[float]], model: str = "a-model"
) -> pd.DataFrame:
    """The effects of some heads on the same prompts; those of the others are zero."""
    prompts = len(next(iter(effects.values())))
    rows: list[dict[str, object]] = [
        {
            **{"episode": prompt, "query": f"query {prompt}", "layer": head[0], "head": head[1]},
            "effect": effects.get(head, [0.0] * prompts)[prompt],
            **{"expected": " yes", "log_effect": 0.0, "probability": 0.5, "log_probability": -0.7},
        }
        for prompt in range(prompts)
        for head in EVERY
    ]
    labels = {"model": model, "task": task, "category": "knowledge", "measured_on": "cpu"}
    return typed(rows, EFFECTS, **labels)


def induction_rows(
    scores: Mapping[Head, float], model: str = "a-model", tokens: int = 100
) -> pd.DataFrame:
    """The induction scores of heads; others have 0.01, and by the second definition half.

    Args:
        tokens: as many as the context window has room for.
    """
    rows: list[dict[str, object]] = [
        {
            **{"definition": name, **of._asdict(), "tokens": min(of.tokens, tokens)},
            **{"layer": layer, "head": head, "deviation": 0.1},
            "score": scores.get((layer, head), 0.01) / (1 + number),
        }
        for number, (name, of) in enumerate(DEFINITIONS.items())
        for layer, head in EVERY
    ]
    labels = {"model": model, "task": "random_tokens", "category": "custom", "measured_on": "cpu"}
    return typed(rows, INDUCTION, **labels)


def ablation_rows(
    task: str, right: Mapping[str, int], icl: int = ICL, model: str = "a-model"
) -> pd.DataFrame:
    """`N` episodes per set of heads, the first `right[kind]` of them right without the largest set,
    and one less than with ICL without the smaller. Each further draw of random heads has one less.
    With other replacements than the first, one more is right without the largest set.
    """
    conditions: list[tuple[dict[str, object], int]] = [({"procedure": "icl"}, icl)]
    for replaced_by, (share, heads) in product(REPLACEMENTS, SIZES.items()):
        largest = share == max(SIZES)
        more = replaced_by != "other_tasks"
        for kind in KINDS:
            for draw in range(DRAWS) if kind == "random" else [None]:
                labels = {"kind": kind, "share": share, "heads": heads, "draw": draw}
                labels["replaced_by"] = replaced_by
                count = (right[kind] + more if largest else icl - 1) - (draw or 0)
                conditions.append(({"procedure": f"ablated_{kind}"} | labels, count))
    rows = [row for labels, count in conditions for row in run("test", N, count, **labels)]
    return typed(rows, NAME, model=model, task=task, category="knowledge")


def effects_of_two(model: str = "a-model") -> list[pd.DataFrame]:
    """Heads 1.2 and 2.0 matter, to two tasks in another order."""
    return [
        effect_rows("one", {(1, 2): [0.4, 0.6], (2, 0): [0.3, 0.3]}, model),
        effect_rows("two", {(1, 2): [0.1, 0.1], (2, 0): [0.2, 0.2]}, model),
    ]


def ablations_of_two(model: str = "a-model") -> list[pd.DataFrame]:
    """Of the second task ICL and all sets have four right answers less."""
    less = {kind: max(0, count - 4) for kind, count in RIGHT.items()}
    first, second = (("one", RIGHT, ICL), ("two", less, ICL - 4))
    return [ablation_rows(*first, model=model), ablation_rows(*second, model=model)]


SCORES = {(1, 2): 0.2, (0, 1): 0.9, (2, 3): 0.7}


def outcome(*models: str, ablated: bool = True) -> Outcome:
    """Everything that the analysis draws, for some models."""
    found = []
    for model in models:
        found += [(EFFECTS, rows) for rows in effects_of_two(model)]
        found.append((INDUCTION, induction_rows(SCORES, model)))
        found += [(NAME, rows) for rows in ablations_of_two(model) if ablated]
    return stored(*found)


def outcome_for(tasks: Sequence[str], model: str, depth: int, heads: int) -> Outcome:
    """Effects of every head of a model, of each task largest in the head of block 0 that has its
    number, and induction scores that grow with the block and the head."""
    every = list(product(range(depth), range(heads)))
    found = pd.DataFrame(every, columns=["layer", "head"]).assign(model=model)
    tables = []
    for number, task in enumerate(tasks):
        effect = [1.0 if head == (0, number) else 0.0 for head in every]
        rows = found.assign(task=task, episode=0, effect=effect, log_effect=0.0)
        tables.append((EFFECTS, rows.assign(category="knowledge")))
    scores = [place / len(every) for place in range(len(every))]
    rows = found.assign(task="random_tokens", definition="twice", score=scores)
    return stored(*tables, (INDUCTION, rows.assign(deviation=0.1, sequences=10)))
