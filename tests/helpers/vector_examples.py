"""Task vectors made by hand, for tests of what is computed and drawn from them."""

from collections.abc import Mapping

import numpy as np

from tvsight.protocol.vector_sets import VectorSet
from tvsight.tasks import PAPER_TASKS, packaged_tasks

WIDTH = 12


def vector_set(
    categories: Mapping[str, str],
    n: int = 8,
    spread: float = 0.3,
    queries: int | None = None,
    model: str = "a-model",
) -> VectorSet:
    """`n` vectors per task around a point of its own; those of a category are neighbours.

    Args:
        categories: category of each task.
        spread: standard deviation around the point, in each direction.
        queries: different ones per task; all different unless given.
    """
    rng = np.random.default_rng(0)
    places = {
        category: 4 * rng.normal(size=WIDTH) for category in dict.fromkeys(categories.values())
    }
    vectors = [
        places[category] + rng.normal(size=WIDTH) + spread * rng.normal(size=(n, WIDTH))
        for category in categories.values()
    ]
    return VectorSet(
        model=model,
        layer=3,
        depth=6,
        peak=0.75,
        vectors=np.concatenate(vectors),
        tasks=np.repeat(list(categories), n),
        categories=np.repeat(list(categories.values()), n),
        clusters=np.array(
            [f"{task}\n{number % (queries or n)}" for task in categories for number in range(n)]
        ),
    )


def eighteen(n: int = 8) -> VectorSet:
    """The paper's tasks."""
    known = packaged_tasks()
    return vector_set({task: known[task].category for task in PAPER_TASKS}, n)


FOUR = {"one": "algorithmic", "two": "algorithmic", "three": "knowledge", "four": "knowledge"}
ONE = {"one": "custom"}
