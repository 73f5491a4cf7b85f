"""tvsight against the scheme of the paper's authors and against the floor, in one process."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks import arithmetic, authors_scheme
from benchmarks.memory import peak_of
from tvsight.execution import here
from tvsight.interventions.decoder import Decoder
from tvsight.protocol.conditions import Read
from tvsight.protocol.measure import Comparison, measure

PromptPairs = Sequence[tuple[Any, Any]]
"""Dev and test prompts of each task."""


def compare(
    decoder: Decoder,
    prompts: PromptPairs,
    repeats: int,
    authors_repeats: int,
    say: Callable[[str], None],
) -> tuple[list[Comparison], float]:
    """Print the time of both and of the floor, and their ratios.

    Args:
        repeats: times that tvsight and the rates are measured.
        authors_repeats: the same for the authors' scheme, at most `repeats`; 0 leaves it out.

    Returns:
        What tvsight measured of each task, and its median seconds.
    """

    def tvsight() -> list[Any]:
        return [here.run(decoder, measure, *pair) for pair in prompts]

    def theirs() -> list[Any]:
        with torch.no_grad():
            return [authors_scheme.measure(decoder, *pair) for pair in prompts]

    # In this order: what the rates and the authors' scheme hold must not be in tvsight's peak.
    sides: dict[str, Callable[[], list[Any]]] = {"tvsight": tvsight, "authors' scheme": theirs}
    times = {"tvsight": repeats, "authors' scheme": authors_repeats}
    sides = {name: run for name, run in sides.items() if times[name]}
    warm(decoder, prompts)
    block_rates, answer_rates = [], []
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    results: dict[str, list[Any]] = {}
    peaks: dict[str, str] = {}
    for turn in range(repeats):
        for name, run in sides.items():
            if turn >= times[name]:
                continue
            started = time.perf_counter()
            results[name] = run()
            arithmetic.synchronise(decoder.device)
            seconds[name].append(time.perf_counter() - started)
            peaks.setdefault(name, peak_of(decoder.device))
        block_rates.append(arithmetic.block_rates(decoder))
        answer_rates.append(arithmetic.answer_rates(decoder))
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, taken in seconds.items():
        each = ", ".join(f"{second:.1f}" for second in taken)
        say(
            f"{name}, measured {len(taken)} x ({each}): {medians[name]:.1f} s, "
            f"{medians[name] / len(prompts):.2f} s a task; {peaks[name]}"
        )
    floor = _floor(decoder, prompts, block_rates, answer_rates, say)
    ratio = medians["tvsight"] / floor
    say(f"tvsight over the floor: {ratio:.2f} x, so {1 / ratio:.0%} of the rate of matrix products")
    if "authors' scheme" in medians:
        ratio = medians["authors' scheme"] / medians["tvsight"]
        same, total = _agreement(results["tvsight"], results["authors' scheme"])
        say(f"authors' scheme over tvsight: {ratio:.2f} x; same answers {same} of {total}")
    return results["tvsight"], medians["tvsight"]


def _floor(
    decoder: Decoder,
    prompts: PromptPairs,
    block_rates: Sequence[dict[str, float]],
    answer_rates: Sequence[dict[str, float]],
    say: Callable[[str], None],
) -> float:
    """Seconds of the necessary work at the best rates of matrix products."""
    work = [arithmetic.necessary_work(decoder, *pair) for pair in prompts]
    parts = {
        "blocks": (sum(w.blocks for w in work), block_rates),
        "answers": (sum(w.answers for w in work), answer_rates),
    }
    floor = 0.0
    for name, (operations, measured) in parts.items():
        by_size = {size: statistics.median(r[size] for r in measured) for size in measured[0]}
        best = max(by_size, key=by_size.__getitem__)
        seconds = operations / by_size[best]
        floor += seconds
        each = ", ".join(f"{size} {rate / 1e9:.0f}" for size, rate in by_size.items())
        say(
            f"necessary work in {name}: {operations / 1e12:.2f} TFLOP, {seconds:.1f} s at the best "
            f"rate, {by_size[best] / 1e9:.0f} GFLOP/s with {best}; rates: {each}"
        )
    say(f"floor: {floor:.1f} s")
    return floor


def warm(decoder: Decoder, prompts: PromptPairs) -> None:
    """One small measurement first, so that no side pays for first calls."""
    dev, test = ({key: value[:4] for key, value in side.items()} for side in prompts[0])
    for side in (dev, test):
        side["others"] = [[o for o in others if o < 4] or [0] for others in side["others"]]
    here.run(decoder, measure, dev, test)


def tokens_of(split: str, read: Read, theirs: dict[str, Any]) -> tuple[Any, Any]:
    """The tokens of one condition, and those of the authors' scheme."""
    name, tokens = read["procedure"], read["answers"]["token"].T
    if split == "dev":
        return tokens, theirs[f"sweep_{name}"]
    return tokens.flatten(), theirs[name]


def _agreement(ours: list[Any], theirs: list[Any]) -> tuple[int, int]:
    same = total = 0
    for mine, other in zip(ours, theirs, strict=True):
        read = [(split, one) for split in ("dev", "test") for one in mine[split]["read"]]
        for split, one in read:
            if split == "dev" and one["procedure"] not in mine["layers"]:
                continue  # the authors' scheme answers no dev prompt without a vector
            first, second = tokens_of(split, one, other)
            same += int((first == second.cpu()).sum())
            total += first.numel()
    return same, total
