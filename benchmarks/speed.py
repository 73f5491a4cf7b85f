"""The speed of the main experiment, as ratios within one run.

Against the scheme of the paper's authors on the same episodes, and against the floor: the
operations that cannot be left out over this device's own rate of matrix products.

    python -m benchmarks.speed                              the embedded model, all 18 tasks
    python -m benchmarks.speed --tasks antonyms,es_en --authors-repeats 3
    python -m benchmarks.speed --growth --overheads         more of it
    python -m benchmarks.speed --all --tasks es_en          every analysis, in an empty folder
    python -m benchmarks.speed --dtype bfloat16             and beside float32: time and answers
    python -m benchmarks.speed --random-7b --device cuda    a random model of Llama 2 7B's shape
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from analyses.command import command
from tvsight.models.catalogue import EMBEDDED

if TYPE_CHECKING:
    from benchmarks.comparison import PromptPairs


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = EMBEDDED
    """Model whose tasks are measured."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = "paper"
    """Tasks, as `analyses.main_results` takes them."""
    random_7b: bool = False
    """Measure a random model of Llama 2 7B's shape in bfloat16 instead, on as many tasks."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to run."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision."""
    repeats: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Times that tvsight and the rates of matrix products are measured; medians are printed."""
    authors_repeats: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """The same for the authors' scheme, which takes several times as long; at most --repeats."""
    alone: bool = False
    """Leave out the authors' scheme."""
    growth: bool = False
    """Also print how time and memory grow with episodes, demonstrations and depth."""
    overheads: bool = False
    """Also print what a run costs besides arithmetic, by name."""
    all: bool = False
    """Instead run every analysis into an empty folder, and print seconds and memory of each."""


def main(options: Options) -> int:
    """Measure and print."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if options.all:
        from benchmarks import everything

        asked = ["--model", options.model, "--tasks", options.tasks]
        where = ["--device", options.device, "--dtype", options.dtype]
        everything.report([*asked, *where], console.print)
        return 0
    started = time.perf_counter()
    from benchmarks import agreement
    from benchmarks.comparison import compare
    from tvsight.models import load
    from tvsight.models.precision import DTYPES
    from tvsight.tasks import select

    decoder, prompts, names = _subject(options)
    console.print(_machine(decoder, len(prompts), names))
    console.print(f"import, load and tokenise: {time.perf_counter() - started:.1f} s")
    authors_repeats = 0 if options.alone else options.authors_repeats
    measured, seconds = compare(decoder, prompts, options.repeats, authors_repeats, console.print)
    device = str(decoder.device)
    is_half = decoder.dtype != DTYPES["float32"]
    del decoder
    if is_half and not options.random_7b:
        agreement.report(
            lambda: load(options.model, device=options.device, dtype="float32").decoder,
            prompts,
            measured,
            seconds,
            console.print,
        )
    if options.overheads:
        from benchmarks import overheads

        overheads.report(
            lambda: load(options.model, device=options.device, dtype=options.dtype),
            select(options.tasks)[0],
            console.print,
        )
    if options.growth:
        from benchmarks import growth

        growth.report(device, console.print)
    return 0


def _subject(options: Options) -> "tuple[Any, PromptPairs, str]":
    import torch

    from benchmarks.models import random_prompts, task_prompts
    from tvsight.models import load
    from tvsight.models.precision import resolve_device
    from tvsight.models.random import LLAMA_2_7B, random_llama
    from tvsight.tasks import select

    tasks = select(options.tasks)
    if options.random_7b:
        decoder = random_llama(LLAMA_2_7B, resolve_device(options.device), torch.bfloat16)
        pairs = list(random_prompts(LLAMA_2_7B["vocab_size"], len(tasks)))
        return decoder, pairs, "a random model of Llama 2 7B's shape, bfloat16"
    model = load(options.model, device=options.device, dtype=options.dtype)
    return model.decoder, [task_prompts(model, task) for task in tasks], model.name


def _machine(decoder: Any, tasks: int, name: str) -> str:
    import os

    import torch

    place = (
        torch.cuda.get_device_name()
        if decoder.device.type == "cuda"
        else f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"
    )
    return f"{name}, {tasks} tasks, on {place}"


if __name__ == "__main__":
    command(Options, main, __doc__)
