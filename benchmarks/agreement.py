"""Half precision against float32: time, and how many answers are the same."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from benchmarks.arithmetic import synchronise
from benchmarks.comparison import PromptPairs, warm
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
    started = time.perf_counter()
    reference = [here.run(decoder, measure, *pair) for pair in prompts]
    synchronise(decoder.device)
    taken = time.perf_counter() - started
    say(f"float32, measured once: {taken:.1f} s; over half precision: {taken / seconds:.2f} x")
    say(str(agreement(prompts, measured, reference)))


def agreement(
    prompts: PromptPairs, measured: Sequence[Comparison], reference: Sequence[Comparison]
) -> Agreement:
    """Compare two measurements of the same prompts.

    Args:
        reference: in float32.
    """
    answers = same = decided = decided_same = moved = 0
    changes: dict[str, list[float]] = {}
    for (_, test), ours, theirs in zip(prompts, measured, reference, strict=True):
        moved += sum(ours["layers"][name] != layer for name, layer in theirs["layers"].items())
        for one, other in zip(ours["test"]["read"], theirs["test"]["read"], strict=True):
            procedure, wanted = other["procedure"], other["answers"]
            token = one["answers"]["token"]
            equal = token == wanted["token"]
            clear = wanted["margin"] > DECIDED
            answers += equal.numel()
            same += int(equal.sum())
            decided += int(clear.sum())
            decided_same += int((equal & clear).sum())
            change = _accuracy(token, test["accepted"])
            change -= _accuracy(wanted["token"], test["accepted"])
            changes.setdefault(procedure, []).append(change)
    return Agreement(
        answers=answers,
        same=same,
        decided=decided,
        decided_same=decided_same,
        largest_change=max(abs(change) for of in changes.values() for change in of),
        largest_mean_change=max(abs(sum(of)) / len(of) for of in changes.values()),
        moved=moved,
    )


def _accuracy(token: Tensor, accepted: Sequence[Sequence[int]]) -> float:
    right = [one in of for one, of in zip(token.tolist(), accepted, strict=True)]
    return sum(right) / len(right)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "none"
