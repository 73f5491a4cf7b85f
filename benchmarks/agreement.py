"""Half precision against float32: time, and how many answers are the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from benchmarks.comparison import PromptPairs, warm
from benchmarks.heads import timed
from tvsight.execution import here
from tvsight.interventions.decoder import Decoder
from tvsight.models.precision import TIE
from tvsight.protocol.measure import Comparison, measure

DECIDED = TIE["bfloat16"]
"""The margin in float32 above which half precision should not change an answer."""


@dataclass(frozen=True)
class Agreement:
    """The test answers of all tasks: baseline, ICL and vectors, these after the block that each
    measurement chose."""

    answers: int
    same: int
    decided: int
    """Those with a margin over `DECIDED` in float32."""
    decided_same: int
    largest_change: float
    """Of the accuracy of one procedure on one task."""
    largest_mean_change: float
    """Of the mean accuracy of one procedure over all tasks."""
    moved: int
    """Vectors, of all tasks together, that another block was chosen for."""

    def __str__(self) -> str:
        return (
            f"test answers as in float32: {_share(self.same, self.answers)}; of those with a "
            f"margin over {DECIDED}: {_share(self.decided_same, self.decided)}; largest change of "
            f"a test accuracy {self.largest_change:.2f}, of a mean over tasks "
            f"{self.largest_mean_change:.3f}; vectors with another block: {self.moved}"
        )


def report(
    load: Callable[[], Decoder],
    prompts: PromptPairs,
    measured: Sequence[Comparison],
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Measure the prompts once in float32, and print its time and the agreement.

    Args:
        load: loads the model in float32.
        measured: in half precision.
        seconds: the time that took.
    """
    decoder = load()
    warm(decoder, prompts)
    reference, taken = timed(lambda: [here.run(decoder, measure, *pair) for pair in prompts])
    say(f"float32, measured once: {taken:.1f} s; over half precision: {taken / seconds:.2f} x")
    say(str(agreement(prompts, measured, reference)))


def agreement(
    prompts: PromptPairs, measured: Sequence[Comparison], reference: Sequence[Comparison]
) -> Agreement:
    """Compare two measurements of the same prompts.

    Args:
        reference: in float32.
    """
    parts, moved = [], 0
    tasks = enumerate(zip(prompts, measured, reference, strict=True))
    for task, ((_, test), ours, theirs) in tasks:
        moved += sum(ours["layers"][name] != layer for name, layer in theirs["layers"].items())
        for one, other in zip(ours["test"]["read"], theirs["test"]["read"], strict=True):
            token, wanted = one["answers"]["token"].flatten(), other["answers"]["token"].flatten()
            right, was_right = (_is_right(tokens, test["accepted"]) for tokens in (token, wanted))
            part = {
                "procedure": other["procedure"],
                "task": task,
                "same": token == wanted,
                "decided": other["answers"]["margin"].flatten() > DECIDED,
                "change": right.float() - was_right.float(),
            }
            parts.append(pd.DataFrame(part))
    rows = pd.concat(parts)
    changes = rows.groupby(["procedure", "task"])["change"].mean()
    return Agreement(
        answers=len(rows),
        same=int(rows["same"].sum()),
        decided=int(rows["decided"].sum()),
        decided_same=int(rows["same"][rows["decided"]].sum()),
        largest_change=changes.abs().max(),
        largest_mean_change=changes.groupby("procedure").mean().abs().max(),
        moved=moved,
    )


def _is_right(tokens: Tensor, accepted: Sequence[Sequence[int]]) -> Tensor:
    return torch.tensor([one in of for one, of in zip(tokens.tolist(), accepted, strict=True)])


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "none"
