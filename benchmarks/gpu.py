"""The speed on a GPU: random models of known shapes in bfloat16, then a real model's answers.

For each shape it prints seconds a task of the central comparison and of the effects of all heads,
the fraction of this device's own rate of matrix products, and peak memory. Last come the answers of
a real model on this device, compared with those in float32 on the CPU.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --device cpu --shapes tiny --tasks none    without a GPU, in a minute
"""

import gc
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tvsight.cli.command import command
from tvsight.models.catalogue import EMBEDDED

if TYPE_CHECKING:
    import torch

RANDOM_TASKS = 6
"""Tasks of random tokens on which the central comparison is measured."""
SHOTS = 10
"""Demonstrations in the prompts for the effects of heads."""
COMPARISON_BAR, HEADS_BAR = 0.4, 2.0
"""Seconds a task that the large shapes should not exceed."""

Shape = Literal["llama-2-7b", "llama-3.1-8b", "tiny"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What to measure, and where."""

    shapes: tuple[Shape, ...] = ("llama-2-7b", "llama-3.1-8b")
    """Shapes of random models."""
    device: Literal["cuda", "cpu"] = "cuda"
    """Where to run."""
    repeats: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Times that each measurement is made; medians are printed."""
    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = EMBEDDED
    """Model whose answers are compared with those in float32 on the CPU."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = "antonyms,en_fr,to_upper"
    """Its tasks, as `analyses.main_results` takes them; `none` leaves it out."""


def main(options: Options) -> int:
    """Measure and print."""
    import torch
    from rich.console import Console

    from benchmarks.models import place
    from tvsight.models.precision import resolve_device

    say = Console(highlight=False, soft_wrap=True).print
    device = torch.device(resolve_device(options.device))
    say(f"{place(device)}, torch {torch.__version__}")
    for shape in options.shapes:
        say(f"\nrandom weights of the shape {shape}, bfloat16, {RANDOM_TASKS} tasks:")
        _telling_of_memory(partial(measure_shape, shape, device, options.repeats, say), say)
        gc.collect()  # a traced model is in circles of references
        if device.type == "cuda":
            torch.cuda.empty_cache()
    if options.tasks != "none":
        _telling_of_memory(partial(compare_answers, options, say), say)
    return 0


def measure_shape(shape: str, device: "torch.device", repeats: int, say: Say) -> None:
    """Measure a random model: the central comparison, then the effects of all heads."""
    import torch

    from benchmarks.arithmetic import best_rates, work_of_heads
    from benchmarks.comparison import compare
    from benchmarks.heads import timed
    from benchmarks.memory import peak_of, reset_peak
    from benchmarks.models import SHAPES, random_method_prompts, random_prompts
    from tvsight.execution import here
    from tvsight.methods.function_vector import EFFECT_PROMPTS
    from tvsight.models.random import random_llama
    from tvsight.protocol.causal_effects import measure_effects

    decoder = random_llama(SHAPES[shape], str(device), torch.bfloat16)
    reset_peak(device)
    pairs = list(random_prompts(decoder.vocabulary, RANDOM_TASKS))
    _, seconds = compare(decoder, pairs, repeats, 0, say)
    of_task = seconds / RANDOM_TASKS
    say(f"central comparison: {of_task:.3f} s a task (bar {COMPARISON_BAR})")

    reset_peak(device)
    prompts = random_method_prompts(decoder.vocabulary, SHOTS)
    effects = partial(here.run, decoder, measure_effects, prompts)
    effects()  # first calls are slower
    of_task = statistics.median(timed(effects)[1] for _ in range(repeats))
    peak = peak_of(device)
    floor = work_of_heads(decoder, prompts, EFFECT_PROMPTS).seconds(*best_rates(decoder))
    say(
        f"effects of all heads: {of_task:.3f} s a task (bar {HEADS_BAR}), {floor / of_task:.0%} of "
        f"the rate of matrix products; {peak}"
    )


def compare_answers(options: Options, say: Say) -> None:
    """Measure a real model in bfloat16, and compare its answers with float32 on the CPU."""
    from benchmarks import agreement
    from benchmarks.comparison import compare
    from benchmarks.models import task_prompts
    from tvsight.models.loading import load
    from tvsight.tasks import select

    tasks = select(options.tasks)
    model = load(options.model, device=options.device, dtype="bfloat16")
    say(f"\n{model.name}, bfloat16, {len(tasks)} tasks, and float32 on the CPU:")
    prompts = [task_prompts(model, task) for task in tasks]
    measured, seconds = compare(model.decoder, prompts, options.repeats, 0, say)
    del model
    in_float32 = partial(load, options.model, device="cpu", dtype="float32")
    agreement.report(lambda: in_float32().decoder, prompts, measured, seconds, say)


def _telling_of_memory(run: Callable[[], None], say: Say) -> None:
    """Run, and say which forwards did not fit the memory at first, and of what else was warned."""
    from tvsight.errors import ShortOfMemory

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ShortOfMemory)
        run()
    halved = sum(issubclass(warning.category, ShortOfMemory) for warning in caught)
    say(f"forwards that did not fit the memory and were halved: {halved}")
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        say(f"  {message}")


if __name__ == "__main__":
    command(Options, main, __doc__)
