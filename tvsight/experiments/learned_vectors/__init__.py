"""Learned vectors beside extracted ones: how much of a task fits one vector."""

from dataclasses import dataclass, field

from tvsight.config import IDENTITY, VECTOR_RULES, Count, RunConfig
from tvsight.errors import UsageError, option

NAME = "learned_vectors"
RULES = VECTOR_RULES
OPERATIONS = {"overwrite": "written over", "add": "added"}
LOSSES = {"answer": "answers", "icl": "KL to ICL", "permuted": "permuted answers"}
"""What a vector is trained for."""


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of training."""

    learned_blocks: Count = field(default=6, metadata=IDENTITY)
    """Blocks after which vectors are learned: half evenly spaced, the same for every task, and of
    the others those with the best dev accuracy of the extracted vector."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learned_blocks < 1:
            given = option("learned_blocks", self.learned_blocks)
            raise UsageError(f"{given}: at least 1 was expected.")
