"""The central comparison: baseline, in-context learning and task vector (section 3)."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from tvsight.config import RUNTIME, RunConfig
from tvsight.errors import UsageError

NAME = "main_results"
Options = RunConfig


@dataclass(frozen=True)
class VectorOptions(RunConfig):
    """Options of a run, and of the block whose vectors are compared."""

    layer: Annotated[int | None, tyro.conf.arg(metavar="N")] = field(default=None, metadata=RUNTIME)
    """Block whose vectors are taken for all tasks, 0-based. By default, for each model, the one
    where the mean dev accuracy over the tasks peaks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer is not None and self.layer < 0:
            raise UsageError(f"--layer {self.layer}: blocks are numbered from 0.")
