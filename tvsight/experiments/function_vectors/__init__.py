"""Function vectors: a few causal heads, summed and added (Todd et al. 2024)."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tvsight.config import IDENTITY, RUNTIME, VECTOR_RULES, Count, RunConfig
from tvsight.errors import UsageError

NAME = "function_vectors"
SETTINGS = "vector_settings"
"""The folder of the vectors at equal freedom."""
BESIDE = ("task_vector", "averaged_vector", "mean_state")
"""The other methods that stand beside function vectors, which have no heads."""
TRIED = (1, 2, 5, 10, 20, 40)
"""Numbers of heads among which the tuned setting is chosen."""
FACTORS = (0.5, 1.0, 2.0)
"""Factors α of the vector, likewise."""
TODD: dict[str, Any] = {
    "template": "question",
    "shots": 10,
    "division": "todd",
    "episodes_per_split": 100,
}
"""The protocol of Todd et al., as options."""
RULES = VECTOR_RULES._replace(
    excludes={
        **VECTOR_RULES.excludes,
        "protocol": ((*TODD, "episodes"), "a protocol sets the prompts and their number"),
    }
)


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of this analysis."""

    heads: Count = field(default=10, metadata=IDENTITY)
    """Heads in a function vector. The curve over their number goes from 1 to 40 whatever is
    chosen here."""
    protocol: Literal["paper", "todd"] = field(default="paper", metadata=RUNTIME)
    """`todd`: the prompts of Todd et al. (2024), as --template question --shots 10 --division todd
    --episodes-per-split 100 have them, and their filter: means and effects are of the dev queries
    that ICL answers right. On test it is the column *Where ICL is right*."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1:
            raise UsageError(f"--heads {self.heads}: at least 1 was expected.")

    @property
    def with_protocol(self) -> "Options":
        """These options with those that the protocol sets."""
        return replace(self, **TODD) if self.protocol == "todd" else self
