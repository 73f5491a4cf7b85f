"""The task vectors of a model after one block that all its tasks share."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tvsight.output.labels import block, display_name
from tvsight.protocol.layers import by_layer, over_tasks, peaks
from tvsight.protocol.options import VectorOptions
from tvsight.run.outcome import Outcome
from tvsight.statistics.geometry import Floats, Labels
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors

AS_THEY_ARE, CENTRED = "as they are", "mean subtracted"
"""The two ways in which vectors are compared."""


@dataclass(frozen=True)
class VectorSet:
    """θ of every test episode of a model's tasks after one block, or the vector of another method:
    that of each test episode, or of each task."""

    model: str
    layer: int
    """The block, 0-based."""
    depth: int
    """Number of the model's blocks."""
    peak: float | None
    """Mean dev accuracy after the block that was chosen for it; None where the user named one."""
    vectors: Floats
    """`[n, width]`, task after task in the order of the run."""
    tasks: Labels
    """The task of each vector, `[n]`."""
    categories: Labels
    """Its category, `[n]`."""
    clusters: Labels
    """Task and query of its episode, `[n]`. Vectors of one cluster are not independent."""

    @property
    def names(self) -> list[str]:
        """The tasks, each once, in order."""
        return list(dict.fromkeys(map(str, self.tasks)))

    @property
    def category(self) -> dict[str, str]:
        """The category of each task."""
        return dict(zip(map(str, self.tasks), map(str, self.categories), strict=True))

    @property
    def means(self) -> Floats:
        """The mean vector of each task, `[tasks, width]`."""
        return np.stack([self.vectors[self.tasks == task].mean(axis=0) for task in self.names])

    @property
    def is_of_tasks(self) -> bool:
        """Whether every task has one vector."""
        return len(self.vectors) == len(self.names)

    @property
    def centred(self) -> "VectorSet":
        """The same without the mean over tasks, which every task has in common."""
        return replace(self, vectors=self.vectors - self.means.mean(axis=0))

    @property
    def sizes(self) -> str:
        """Number of vectors per task, `50` or `40 to 50`."""
        counts = sorted(set(np.unique(self.tasks, return_counts=True)[1]))
        return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"

    @property
    def sizes_note(self) -> str:
        """The model, its block and the number of vectors, for a line below a figure."""
        at = f"{display_name(self.model)}, after {block(self.layer, self.depth)}"
        return f"{at}; n = {self.sizes} test episodes per task."

    @property
    def where(self) -> str:
        """The model and the block, with the reason for this block."""
        why = "as asked for"
        if self.peak is not None:
            why = f"where mean dev accuracy peaks, {self.peak:.2f}"
        return f"{display_name(self.model)}, after {block(self.layer, self.depth)} ({why})"


def vector_sets(
    outcome: Outcome, options: VectorOptions, vector: str = "task_vector"
) -> list[VectorSet]:
    """The vectors of each model after the block that the options name.

    Args:
        outcome: of the central comparison, or of another method, with vectors.
        vector: the procedure of the vectors.

    Raises:
        UsageError: when a model has no such block, or its vectors are not stored.
    """
    stored = TaskVectors(Store(options.results), outcome.paths)
    return at_common_block(outcome.table, stored, options.layer, vector)


def at_common_block(
    table: pd.DataFrame, stored: TaskVectors, layer: int | None = None, vector: str = "task_vector"
) -> list[VectorSet]:
    """The vectors of each model after one block.

    Args:
        table: rows of the central comparison, or of another method.
        stored: the vectors of the same results.
        layer: the block, 0-based. By default the mean dev accuracy over a model's tasks is highest
            there (the lowest such block).
        vector: the procedure of the vectors.

    Raises:
        UsageError: when a model has no such block, or its vectors are not stored.
    """
    means = over_tasks(by_layer(table, vector))
    patched = table[table["procedure"] == vector]
    return [
        _of_model(patched[patched["model"] == peak["model"]], stored, peak, layer)
        for _, peak in peaks(means).iterrows()
    ]


def _of_model(
    rows: pd.DataFrame, stored: TaskVectors, peak: pd.Series, layer: int | None
) -> VectorSet:
    model = str(peak["model"])
    block = int(peak["layer"]) if layer is None else layer
    tested = rows[rows["split"] == "test"]
    vectors = []
    labels = []
    for task, episodes in tested.groupby("task", sort=False, observed=True):
        task_vectors = stored.after(block, model, str(task)).astype(np.float64)
        vectors.append(task_vectors)
        labels.append(episodes.sort_values("episode").head(len(task_vectors)))
    together = pd.concat(labels)
    tasks = together["task"].astype(str)
    return VectorSet(
        model=model,
        layer=block,
        depth=int(peak["depth"]),
        peak=float(peak["accuracy"]) if layer is None else None,
        vectors=np.concatenate(vectors),
        tasks=tasks.to_numpy(dtype=np.str_),
        categories=together["category"].to_numpy(dtype=np.str_),
        clusters=(tasks + "\n" + together["query"].astype(str)).to_numpy(dtype=np.str_),
    )
