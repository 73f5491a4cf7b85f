"""The logit lens: the tokens that a task's mean vector makes probable (section 4.3)."""

from dataclasses import dataclass, field

from tvsight.config import RUNTIME, VECTOR_RULES
from tvsight.protocol.options import OneVectorOptions

NAME = "token_projections"
RULES = VECTOR_RULES


@dataclass(frozen=True)
class Options(OneVectorOptions):
    """Options of a run, and of these tables and figures."""

    all_tokens: bool = field(default=False, metadata=RUNTIME)
    """Show the tokens that the paper leaves out: those that are not letters alone, and all but the
    most probable of those that differ in white space or case only."""
