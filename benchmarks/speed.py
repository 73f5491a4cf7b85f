"""The speed of the main experiment, as ratios within one run.

Against the scheme of the paper's authors on the same episodes, and against the floor: the
operations that cannot be left out over this device's own rate of matrix products.

    python -m benchmarks.speed                              the embedded model, all 18 tasks
    python -m benchmarks.speed --tasks antonyms,es_en --authors-repeats 3
    python -m benchmarks.speed --all --tasks es_en          every analysis, in an empty folder
    python -m benchmarks.speed --dtype bfloat16             and beside float32: time and answers

`python -m benchmarks.gpu` measures a GPU.
"""

import time
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from tvsight.cli.command import command
from tvsight.models.catalogue import EMBEDDED


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = EMBEDDED
    """Model whose tasks are measured."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = "paper"
    """Tasks, as `analyses.main_results` takes them."""
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
    from benchmarks.models import place, task_prompts
    from tvsight.models.loading import load
    from tvsight.models.precision import DTYPES
    from tvsight.tasks import select

    model = load(options.model, device=options.device, dtype=options.dtype)
    prompts = [task_prompts(model, task) for task in select(options.tasks)]
    decoder = model.decoder
    console.print(f"{model.name}, {len(prompts)} tasks, on {place(decoder.device)}")
    console.print(f"import, load and tokenise: {time.perf_counter() - started:.1f} s")
    authors_repeats = 0 if options.alone else options.authors_repeats
    measured, seconds = compare(decoder, prompts, options.repeats, authors_repeats, console.print)
    is_half = decoder.dtype != DTYPES["float32"]
    del decoder, model
    if is_half:
        agreement.report(
            lambda: load(options.model, device=options.device, dtype="float32").decoder,
            prompts,
            measured,
            seconds,
            console.print,
        )
    return 0


if __name__ == "__main__":
    command(Options, main, __doc__)
