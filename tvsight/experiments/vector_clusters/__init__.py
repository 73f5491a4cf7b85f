"""Task vectors in two dimensions, and how far they cluster (Figure 5): a view of the central
comparison."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from tvsight.config import RUNTIME, VECTOR_RULES
from tvsight.errors import UsageError
from tvsight.protocol.options import OneVectorOptions, VectorOptions

NAME = "vector_clusters"
RULES = VECTOR_RULES


@dataclass(frozen=True)
class Options(VectorOptions, OneVectorOptions):
    """Options of a run, and of this figure."""

    perplexity: Annotated[float, tyro.conf.arg(metavar="NUMBER")] = field(
        default=30.0, metadata=RUNTIME
    )
    """Perplexity of t-SNE: about how many neighbours each vector has. Few vectors lower it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.perplexity > 0:
            raise UsageError(f"--perplexity {self.perplexity}: more than 0 was expected.")
