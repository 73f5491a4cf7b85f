"""What measuring on an NDIF server costs: jobs, bytes, time over the same work here, and time over
the way that tutorials show, with one blocking request for each block and batch of prompts.

    python -m benchmarks.remote --host http://127.0.0.1:8001 --model local/gemma-3-270m

The server must hold the embedded model under that name, in float32, and run on this machine for the
times to compare. `python -m tests.ndif.serve` starts one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import tyro

from analyses.command import command
from tvsight.models.catalogue import EMBEDDED

TUTORIAL_TASK = "antonyms"


@dataclass(frozen=True)
class Options:
    """Which server, and how much of it."""

    model: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """The embedded model's name on the server."""
    host: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """The server. By default NDIF_HOST, or what nnsight is configured with."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = "antonyms,next_letter,es_en"
    """Tasks that are measured here and there."""
    tutorial_blocks: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Blocks that are swept in the tutorials' way; 0 leaves it out."""


def main(options: Options) -> int:
    """Measure and print."""
    from rich.console import Console

    from benchmarks.models import task_prompts
    from tvsight.execution.jobs import Job
    from tvsight.execution.ndif import NdifClient
    from tvsight.experiments.main_results import measure
    from tvsight.models import load
    from tvsight.models.loading import load_remote
    from tvsight.tasks import select

    say = Console(highlight=False).print
    there, client = load_remote(options.model, "float32"), NdifClient(options.host)
    client.check()
    _report_payloads(there, say)
    here = load(EMBEDDED, device="cpu", dtype="float32")
    tasks = select(options.tasks)
    jobs = [Job(measure, (*task_prompts(here, task), False)) for task in tasks]
    with_vectors = Job(measure, (*task_prompts(here, tasks[0]), True))
    with TemporaryDirectory() as folder:
        _on_server(client, Path(folder), there.decoder, [_small(jobs[0])])  # deploys the model
        _compare(client, Path(folder), there.decoder, here.decoder, jobs, say)
        _, received = _on_server(client, Path(folder), there.decoder, [with_vectors])
        say(f"with vectors, a task brings {received / 1e6:.1f} MB")
    if options.tutorial_blocks:
        dev = task_prompts(here, select(TUTORIAL_TASK)[0])[0]
        _tutorial(there.decoder, client.host, dev, options.tutorial_blocks, say)
    return 0


def _report_payloads(model: Any, say: Callable[[str], None]) -> None:
    from benchmarks.models import task_prompts
    from tvsight.execution.jobs import Job
    from tvsight.execution.remote import payload
    from tvsight.experiments.main_results import measure
    from tvsight.tasks import select

    sizes = [
        len(payload(model.decoder, Job(measure, (*task_prompts(model, task), False))))
        for task in select("paper")
    ]
    say(
        f"the paper's {len(sizes)} tasks: {len(sizes)} jobs, {sum(sizes) / 1e3:.0f} kB up, "
        f"at most {max(sizes) / 1e3:.0f} kB a job"
    )


def _compare(
    client: Any,
    folder: Path,
    there: Any,
    here: Any,
    jobs: Sequence[Any],
    say: Callable[[str], None],
) -> None:
    from tvsight.execution import run

    started = time.perf_counter()
    for job in jobs:
        run(here, job.function, *job.arguments)
    local = time.perf_counter() - started
    remote, received = _on_server(client, folder, there, jobs)
    say(
        f"{len(jobs)} tasks: here {local:.1f} s, on the server {remote:.1f} s, "
        f"{remote / local:.2f} x; {received / len(jobs) / 1e3:.0f} kB a task down"
    )


def _on_server(client: Any, folder: Path, there: Any, jobs: Sequence[Any]) -> tuple[float, int]:
    """Seconds, and bytes received, for jobs that are submitted together."""
    from tvsight.execution.remote import Remote

    place, before = Remote(client, folder, "float32"), client.received
    started = time.perf_counter()
    names = [str(number) for number in range(len(jobs))]
    pending = [place.begin(there, job, name) for job, name in zip(jobs, names, strict=True)]
    while pending:
        pending = [job for job in pending if job.result() is None]
        if pending:
            place.wait()
    place.finished(names)
    return time.perf_counter() - started, client.received - before


def _small(job: Any) -> Any:
    """The job on two episodes of each split."""
    from tvsight.execution.jobs import Job

    few = [
        {name: values[:2] for name, values in prompts.items()} | {"others": [[0], [1]]}
        for prompts in job.arguments[:2]
    ]
    return Job(job.function, (*few, False))


def _tutorial(decoder: Any, host: str, dev: Any, blocks: int, say: Callable[[str], None]) -> None:
    """θ and its patched answers on dev, one request for each block and batch."""
    import torch
    from nnsight import CONFIG

    from tvsight.batching import padded

    CONFIG.APP.REMOTE_LOGGING = False
    dummies = [
        shared + dummy
        for shared, several in zip(dev["shared"], dev["dummies"], strict=True)
        for dummy in several
    ]
    half = len(dummies) // 2
    batches = [padded(part, "left") for part in (dummies[:half], dummies[half:])]
    queries = padded(dev["zero_shot"], "left")
    chosen = [decoder.depth * number // blocks for number in range(blocks)]
    started = time.perf_counter()
    for block in chosen:
        read = []
        for batch in batches:
            with decoder.nn.trace(decoder.inputs(*batch), remote=host):
                states = decoder.blocks[block].output.save()
            read.append(states[:, -1])
        theta = torch.cat(read).view(len(dev["shared"]), -1, decoder.width).mean(dim=1)
        with decoder.nn.trace(decoder.inputs(*queries), remote=host):
            decoder.blocks[block].output[:, -1] = theta
            logits = decoder.nn.output.logits[:, -1].save()
        logits.argmax(dim=-1)
    taken = time.perf_counter() - started
    say(
        f"the tutorials' way, dev of {TUTORIAL_TASK}, {blocks} of {decoder.depth} blocks: "
        f"{taken:.1f} s; {taken / blocks * decoder.depth:.0f} s for all blocks at that rate"
    )


if __name__ == "__main__":
    command(Options, main, __doc__)
