"""Accuracy against the block after which the vector is applied (Figure 3)."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from tvsight.config import RUNTIME
from tvsight.errors import UsageError
from tvsight.experiments.main_results import Options as MainOptions

NAME = "layer_sweep"


@dataclass(frozen=True)
class Options(MainOptions):
    """Options of a run, and of this figure."""

    least_peak: Annotated[float | None, tyro.conf.arg(metavar="ACCURACY")] = field(
        default=None, metadata=RUNTIME
    )
    """Keep only tasks whose best block is above this accuracy, ours and the paper's. The authors
    draw Figure 3 with 0.75."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_peak is not None and not 0 <= self.least_peak < 1:
            raise UsageError(f"--least-peak {self.least_peak}: an accuracy below 1 was expected.")
        if self.least_peak is not None and self.score != "accuracy":
            raise UsageError(
                f"--least-peak is of accuracies; leave it or --score {self.score} out."
            )
