"""Accuracy against the block after which the vector is applied (Figure 3)."""

from dataclasses import dataclass, field

from tvsight.config import RUNTIME, RunConfig

NAME = "layer_sweep"


@dataclass(frozen=True)
class Options(RunConfig):
    """Options of a run, and of this figure."""

    paper_curves: bool = field(default=False, metadata=RUNTIME)
    """Draw the paper's own curves (LLaMA 7B, GPT-J 6B, Pythia 6.9B) beside ours."""
