"""Dummy queries that are no inputs of the task: words of a task of another category."""

import random
from collections.abc import Sequence

from tvsight.prompts.episodes import Episode
from tvsight.tasks import Task, packaged_tasks

FOREIGN_TASKS = ("country_capital", "antonyms")
"""Packaged tasks whose inputs are borrowed: the first that is of another category."""


def foreign_task(task: Task) -> Task:
    """The packaged task whose inputs serve as foreign dummy queries of `task`."""
    known = [packaged_tasks()[name] for name in FOREIGN_TASKS]
    return next(other for other in known if other.category != task.category)


def foreign_queries(
    task: Task, other: Task, episodes: Sequence[Episode], count: int, seed: int
) -> list[tuple[str, ...]]:
    """`count` different inputs of `other` for each episode, none of them an input of `task`.

    The draw depends on both tasks' names and pairs and on the seed, and on nothing else.
    """
    own = {pair.input for pair in task.pairs}
    inputs = [pair.input for pair in other.pairs if pair.input not in own]
    return [
        tuple(random.Random(f"{seed}/{task.name}/{other.name}/{number}").sample(inputs, count))
        for number in range(len(episodes))
    ]
