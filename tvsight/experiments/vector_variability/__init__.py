"""Distances between task vectors, within tasks and between them (Figure 6): a view of the central
comparison."""

from dataclasses import dataclass, field
from typing import Literal

from tvsight.config import RUNTIME, VECTOR_RULES
from tvsight.protocol.options import VectorOptions

NAME = "vector_variability"
RULES = VECTOR_RULES


@dataclass(frozen=True)
class Options(VectorOptions):
    """Options of a run, and of this figure."""

    distance: Literal["cosine", "euclidean"] = field(default="cosine", metadata=RUNTIME)
    """Distance between two vectors. The paper's is cosine."""
