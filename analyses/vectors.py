"""What analyses of stored task vectors share: one block for all tasks, and the vectors there."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import tyro

from analyses.measured import main_results
from tvsight.config import RULES, RUNTIME, RunConfig
from tvsight.errors import UsageError

if TYPE_CHECKING:
    from tvsight.experiments.main_results.vector_sets import VectorSet
    from tvsight.run.outcome import Outcome
    from tvsight.run.runner import Runner

VECTOR_RULES = RULES._replace(unused={"vectors": "this analysis is about the vectors."})


@dataclass(frozen=True)
class VectorOptions(RunConfig):
    """Options of a run, and of the block whose vectors are looked at."""

    layer: Annotated[int | None, tyro.conf.arg(metavar="N")] = field(default=None, metadata=RUNTIME)
    """Block whose vectors are taken for all tasks, 0-based. By default, for each model, the one
    where the mean dev accuracy over the tasks peaks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer is not None and self.layer < 0:
            raise UsageError(f"--layer {self.layer}: blocks are numbered from 0.")


def measure(runner: "Runner", options: VectorOptions) -> "Outcome":
    """The central comparison with its vectors."""
    return main_results(runner, options, vectors=True)


def vector_sets(outcome: "Outcome", options: VectorOptions) -> "list[VectorSet]":
    """The vectors of each model after the block that the options name.

    Raises:
        UsageError: when a model has no such block, or its vectors are not stored.
    """
    from tvsight.experiments.main_results.vector_sets import at_common_block
    from tvsight.storage.store import Store
    from tvsight.storage.task_vectors import TaskVectors

    stored = TaskVectors(Store(options.results), outcome.paths)
    return at_common_block(outcome.table, stored, options.layer)
