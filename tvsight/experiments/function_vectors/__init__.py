"""Function vectors: a few causal heads, summed and added (Todd et al. 2024)."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from tvsight.config import IDENTITY, RULES, RUNTIME, RunConfig
from tvsight.errors import UsageError

NAME = "function_vectors"
EFFECTS = "head_effects"
"""The folder of the causal effects of heads, which other analyses use too."""
REPLAY_RULES = RULES._replace(
    excludes={
        **RULES.excludes,
        "prompts": (
            (
                *("tasks", "task_file", "shots", "dummy_queries", "episodes_per_split", "seed"),
                *("template", "episodes", "heads", "remote", "remote_simulated", "host", "redraw"),
                *("dry_run", "save_episodes", "vectors", "captions", "svg", "results"),
            ),
            "the file brings its own prompts, which are measured here, and nothing is stored",
        ),
    }
)


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of this analysis."""

    heads: Annotated[int, tyro.conf.arg(metavar="N")] = field(default=10, metadata=IDENTITY)
    """Heads in a function vector. The curve over their number is drawn from 1 to 40 whatever is
    chosen here."""
    prompts: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = field(
        default=None, metadata=RUNTIME
    )
    """Replay a file of prompts that other code measured, and say what differs. Nothing is
    stored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1:
            raise UsageError(f"--heads {self.heads}: at least 1 was expected.")
