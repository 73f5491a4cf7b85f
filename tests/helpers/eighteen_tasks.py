"""Tables of one task and of the paper's tasks, with made-up accuracies."""

from functools import cache

import pandas as pd

from tests.helpers.example_rows import PAPER, task_rows
from tvsight.experiments.main_results.numbers import by_task


@cache
def one_task() -> pd.DataFrame:
    """One task of one model."""
    return by_task(task_rows("one", (2, 10, 9, 9)))


@cache
def eighteen_tasks() -> pd.DataFrame:
    """The paper's tasks with made-up answers; every ninth gains less than the rule asks."""
    rows = [
        task_rows(
            task,
            (18 if number % 9 == 8 else number % 7, 20 - number % 3, 10 + number % 6, 9),
            category=category,
            identified=number % 9 not in (2, 8),
        )
        for number, (task, category) in enumerate(PAPER.items())
    ]
    return by_task(pd.concat(rows, ignore_index=True))
