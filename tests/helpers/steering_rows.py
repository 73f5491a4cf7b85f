"""Rows of steering written by hand."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from tests.helpers.example_rows import run, stored, task_rows, typed
from tvsight.experiments.main_results import NAME as CENTRAL
from tvsight.experiments.steering import CONTEXTS, CONTROLS, METHODS, NAME, VECTOR
from tvsight.run.outcome import Outcome

N = 20
BASELINE, ICL = 2, 16
"""Right answers of `N` to the first task; the second has one less."""
OVER = 13
ADDED = {0.25: 4, 0.5: 12, 1.0: 14, 2.0: 13, 4.0: 2}
"""Right answers with the first method; each further one has two less where it has them."""
CONTROL = 3
SHOWN = ("zero_shot", "natural")
"""Contexts of the rows. In the second no vector is right more often than none."""
TEXTS = 4
"""Episodes after whose prompts text is generated. Three of its answers are right with a vector that
is applied once, one with a vector at every token."""
SENTENCES = 12
"""Neutral sentences. Those after the first `TEXTS` are moved twice as far."""
LAYER = 3


def steering_rows(
    task: str, less: int = 0, model: str = "a-model", contexts: Sequence[str] = SHOWN
) -> pd.DataFrame:
    """`N` test episodes per condition, the first of them right.

    Args:
        less: right answers that every condition has less, down to none.
    """
    rows: list[dict[str, Any]] = []

    def add(count: int, alpha: float | None, **labels: Any) -> None:
        scores = {"rank": 1, "answer_gap": count / 2, "icl_divergence": 3 - (alpha or 0) / 2}
        layer = LAYER if "method" in labels else None
        found: list[dict[str, Any]] = run(
            "test", N, count - less, layer=layer, alpha=alpha, **labels
        )
        for number, row in enumerate(found):
            row |= scores
            if labels["context"] != "zero_shot" or labels["procedure"] not in ("baseline", VECTOR):
                continue
            if number < TEXTS:
                row |= {"repeated_once": 0.1 * number, "repeated_every": (alpha or 0.4) / 8}
                row |= {"exact_once": number < 3, "exact_every": number < 1}
            if number < SENTENCES and layer:
                row["divergence"] = alpha if number < TEXTS else 2 * (alpha or 0)
        rows.extend(found)

    for context in contexts:
        add(BASELINE, None, context=context, procedure="baseline")
        best = ADDED if context != "natural" else dict.fromkeys(ADDED, BASELINE)
        for place, method in enumerate(METHODS):
            of: Mapping[str, str] = {"context": context, "method": method}
            add(OVER - 2 * place, None, procedure=VECTOR, mode="overwrite", **of)
            for alpha, count in best.items():
                add(count - 2 * place, alpha, procedure=VECTOR, mode="add", **of)
                for control in CONTROLS if context == "zero_shot" else ():
                    add(CONTROL, alpha, procedure=control, mode="add", **of)
    return typed(rows, NAME, model=model, task=task, category="knowledge")


def central_rows(task: str, less: int = 0, model: str = "a-model") -> pd.DataFrame:
    """The central comparison of the same task."""
    right = (BASELINE - less, ICL - less, OVER, OVER)
    return task_rows(task, right, model=model, category="knowledge", n=N)


def outcome(*models: str, contexts: Sequence[str] = CONTEXTS) -> Outcome:
    """Everything that the analysis draws of two tasks of some models."""
    found = []
    for model, (less, task) in product(models, enumerate(("one", "two"))):
        found.append((CENTRAL, central_rows(task, less, model)))
        found.append((NAME, steering_rows(task, less, model, contexts)))
    return stored(*found)
