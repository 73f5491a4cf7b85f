"""How fast the main experiment is, as ratios within one run.

Against the scheme of the paper's authors on the same episodes, and against the floor: the
operations that cannot be left out over this device's own rate of matrix products.

    python -m benchmarks.speed                              the embedded model, all 18 tasks
    python -m benchmarks.speed --tasks antonyms,es_en --repeats 3
    python -m benchmarks.speed --growth --overheads         more of it
    python -m benchmarks.speed --random-7b --device cuda    a random model of Llama 2 7B's shape
"""

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from analyses.command import command
from tvsight.models.catalogue import EMBEDDED

PromptPairs = Sequence[tuple[Any, Any]]


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
    repeats: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Times that each side is measured, in turn; medians are printed."""
    alone: bool = False
    """Leave out the authors' scheme, which takes several times as long."""
    growth: bool = False
    """Also print how time and memory grow with episodes, demonstrations and depth."""
    overheads: bool = False
    """Also print what a run costs besides arithmetic, by name."""


def main(options: Options) -> int:
    """Measure and print."""
    from rich.console import Console

    console = Console(highlight=False)
    started = time.perf_counter()
    decoder, prompts, names = _subject(options)
    console.print(_machine(decoder, len(prompts), names))
    console.print(f"import, load and tokenise: {time.perf_counter() - started:.1f} s")
    _compare(decoder, prompts, options, console.print)
    if options.overheads:
        from benchmarks import overheads
        from tvsight.models import load
        from tvsight.tasks import select

        model = load(options.model, device=options.device, dtype=options.dtype)
        overheads.report(model, select(options.tasks)[0], console.print)
    if options.growth:
        from benchmarks import growth

        growth.report(str(decoder.device), console.print)
    return 0


def _subject(options: Options) -> tuple[Any, PromptPairs, str]:
    import torch

    from benchmarks.models import random_prompts, task_prompts
    from tvsight.models import load
    from tvsight.models.loading import resolve_device
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


def _compare(
    decoder: Any, prompts: PromptPairs, options: Options, say: Callable[[str], None]
) -> None:
    import torch

    from benchmarks import arithmetic, authors_scheme
    from tvsight import execution
    from tvsight.experiments.main_results import measure

    def tvsight() -> list[Any]:
        return [execution.run(decoder, measure, *pair) for pair in prompts]

    def theirs() -> list[Any]:
        with torch.no_grad():
            return [authors_scheme.measure(decoder, *pair) for pair in prompts]

    sides: dict[str, Callable[[], list[Any]]] = {"tvsight": tvsight}
    if not options.alone:
        sides["authors' scheme"] = theirs
    _warm(decoder, prompts, execution.run, measure)
    rates = arithmetic.block_rate(decoder), arithmetic.answer_rate(decoder)
    work = [arithmetic.necessary_work(decoder, *pair) for pair in prompts]
    blocks, answers = sum(w.blocks for w in work), sum(w.answers for w in work)
    floor = blocks / rates[0] + answers / rates[1]
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    results: dict[str, list[Any]] = {}
    peaks: dict[str, float] = {}
    for _ in range(options.repeats):
        for name, run in sides.items():
            started = time.perf_counter()
            results[name] = run()
            arithmetic.synchronise(decoder.device)
            seconds[name].append(time.perf_counter() - started)
            if name not in peaks:
                peaks[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, median in medians.items():
        peak = f"peak resident memory of the process by then {peaks[name]:.1f} GB"
        say(f"{name}: {median:.1f} s, {median / len(prompts):.2f} s a task; {peak}")
    say(
        f"necessary work: {blocks / 1e12:.2f} TFLOP in blocks, {answers / 1e12:.2f} in answers; "
        f"rates {rates[0] / 1e9:.0f} and {rates[1] / 1e9:.0f} GFLOP/s; floor {floor:.1f} s"
    )
    say(f"tvsight over the floor: {medians['tvsight'] / floor:.2f} x")
    if not options.alone:
        ratio = medians["authors' scheme"] / medians["tvsight"]
        same, total = _agreement(results["tvsight"], results["authors' scheme"])
        say(f"authors' scheme over tvsight: {ratio:.2f} x; same answers {same} of {total}")


def _warm(decoder: Any, prompts: PromptPairs, run: Any, measure: Any) -> None:
    """One small measurement first, so that no side pays for first calls."""
    dev, test = ({key: value[:4] for key, value in side.items()} for side in prompts[0])
    for side in (dev, test):
        side["others"] = [[o for o in others if o < 4] or [0] for others in side["others"]]
    run(decoder, measure, dev, test)


def _agreement(ours: list[Any], theirs: list[Any]) -> tuple[int, int]:
    same = total = 0
    for mine, other in zip(ours, theirs, strict=True):
        dev, test = mine["dev"], mine["test"]
        pairs = [
            (test[name]["token"], other[name]) for name in ("baseline", "icl", *mine["layers"])
        ]
        for procedure, swept in dev["sweep"].items():
            pairs.append((swept["token"].T, other[f"sweep_{procedure}"]))
        for first, second in pairs:
            same += int((first == second.cpu()).sum())
            total += first.numel()
    return same, total


if __name__ == "__main__":
    command(Options, main, __doc__)
