"""The costs of an NDIF server: jobs, bytes, time over the same work here, and time over
the way that tutorials show, with one blocking request for each block and batch of prompts.

    python -m benchmarks.remote --host http://127.0.0.1:8001 --model google/gemma-3-270m

The server must hold the embedded model under that name, in float32, and run on this machine for the
times to compare. `python -m tests.ndif.serve` starts one. Takes half an hour on two cores, most of
it for the tasks whose jobs and bytes are counted; `--counted none` leaves them out.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any
from unittest.mock import patch

import tyro

from tvsight.cli.command import command
from tvsight.config import Rules
from tvsight.models.catalogue import EMBEDDED

if TYPE_CHECKING:
    from tvsight.execution.jobs import Place
    from tvsight.models.loading import Model
    from tvsight.output.console import Display

TUTORIAL_TASK = "antonyms"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Which server, and how much of it."""

    model: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """The embedded model's name on the server."""
    host: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """The server. By default NDIF_HOST, or what nnsight is configured with."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = "antonyms,next_letter,es_en"
    """Tasks that are measured here and there."""
    counted: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = "paper"
    """Tasks that are measured there to count jobs and bytes; `none` leaves it out."""
    tutorial_blocks: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Blocks that are swept in the tutorials' way; 0 leaves it out."""
    beside: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """A second model of the server, to measure both one after the other and side by side."""
    analyses: Annotated[str | None, tyro.conf.arg(metavar="NAMES")] = None
    """Analyses whose jobs and bytes are counted on `--tasks`, in turn into one empty folder."""


def main(options: Options) -> int:
    """Measure and print."""
    from rich.console import Console

    from tvsight.execution.here import Here
    from tvsight.models.loading import load, load_remote
    from tvsight.tasks import select

    say = Console(highlight=False, soft_wrap=True).print
    client = _counting(options.host)
    client.check()
    there = load_remote(options.model, "float32")
    here = load(EMBEDDED, device="cpu", dtype="float32")
    first = options.tasks.split(",")[0]
    _on_server(client, [there], first, episodes_per_split=2)  # deploys the model
    local = _seconds([here], Here(), options.tasks)
    client.reset()
    remote = _on_server(client, [there], options.tasks)
    say(
        f"{options.tasks}: here {local:.1f} s, on the server {remote:.1f} s, "
        f"{remote / local:.2f} x; {client}"
    )
    client.reset()
    _on_server(client, [there], first, vectors=True)
    say(f"with vectors, a task brings {client.received / 1e6:.1f} MB")
    if options.counted != "none":
        client.reset()
        _on_server(client, [there], options.counted)
        say(f"{len(select(options.counted))} tasks ({options.counted}): {client}")
    if options.tutorial_blocks:
        _tutorial(client, there, options.tutorial_blocks, say)
    if options.beside:
        _side_by_side(client, there, load_remote(options.beside, "float32"), options.tasks, say)
    if options.analyses:
        _by_analysis(client, options, say)
    return 0


def _side_by_side(client: Any, one: "Model", other: "Model", tasks: str, say: Say) -> None:
    """Two models alone, and both in one run."""
    first = tasks.split(",")[0]
    _on_server(client, [other], first, episodes_per_split=2)  # deploys it
    alone = [_on_server(client, [model], tasks) for model in (one, other)]
    both = _on_server(client, [one, other], tasks)
    say(
        f"{tasks}: {one.name} {alone[0]:.1f} s, {other.name} {alone[1]:.1f} s; both in one run "
        f"{both:.1f} s, {both / max(alone):.2f} x the slower one"
    )


def _counting(host: str | None) -> Any:
    """A client that counts what it submits."""
    from tvsight.execution.ndif.client import NdifClient

    class Counting(NdifClient):
        jobs, sent, largest = 0, 0, 0

        def submit(self, model_key: str, payload: bytes, job_id: str) -> str:
            self.jobs += 1
            self.sent += len(payload)
            self.largest = max(self.largest, len(payload))
            return super().submit(model_key, payload, job_id)

        def reset(self) -> None:
            """Count from here."""
            self.jobs = self.sent = self.largest = self.received = 0

        def __str__(self) -> str:
            return (
                f"{self.jobs} jobs were submitted, {self.sent / 1e3:.0f} kB went up (at most "
                f"{self.largest / 1e3:.0f} kB a job), {self.received / 1e3:.0f} kB came down"
            )

    return Counting(host)


def _quiet() -> "Display":
    """A display that shows nothing."""
    import io

    from rich.console import Console

    from tvsight.output.console import Display

    return Display(Console(file=io.StringIO()))


def _by_analysis(client: Any, options: Options, say: Say) -> None:
    """The jobs and bytes of analyses. Each counts what those before it have not measured."""
    from tvsight.run.places import Places
    from tvsight.run.runner import Runner

    runner = Runner(_quiet())
    with TemporaryDirectory() as folder, patch.object(Places, "_checked_client", lambda _: client):
        for name in (options.analyses or "").split(","):
            package = f"tvsight.experiments.{name}"
            asked = import_module(package).Options(
                model=(options.model,),
                tasks=options.tasks,
                results=folder,
                remote=True,
                dtype="float32",
                fail_fast=True,
            )
            client.reset()
            import_module(f"{package}.report").collect(runner, asked)
            say(f"{name}: {client}")


def _on_server(client: Any, models: Sequence["Model"], tasks: str, **options: Any) -> float:
    from tvsight.execution.ndif.remote import Remote

    with TemporaryDirectory() as folder:
        place = Remote(client, Path(folder), "float32")
        return _seconds(models, place, tasks, **options)


def _seconds(
    models: Sequence["Model"], place: "Place", tasks: str, vectors: bool = False, **options: Any
) -> float:
    """Seconds to measure and store the central comparison on some tasks."""
    from tvsight.config import RunConfig
    from tvsight.protocol.central import requests
    from tvsight.run.measurements import Measurements, Part, measure
    from tvsight.run.outcome import Outcome
    from tvsight.run.planning import complete, read_plan
    from tvsight.storage.store import Store

    with TemporaryDirectory() as folder:
        config = RunConfig(tasks=tasks, results=folder, vectors=vectors, fail_fast=True, **options)
        store, quiet = Store(folder), _quiet()
        store.prepare()
        parts: list[Part] = []
        for model in models:
            asked = complete(requests(read_plan(config), model.source), model.weights, "float32")
            parts.append((Measurements(config, store, model, quiet), asked, place))
        started = time.perf_counter()
        measure(parts, quiet, Outcome())
        taken = time.perf_counter() - started
        count = sum(len(asked) for _, asked, _ in parts)
        assert len(list(store.paths())) == count, "a task is missing"
    return taken


def _tutorial(client: Any, there: "Model", blocks: int, say: Say) -> None:
    """θ and its patched answers on dev: all blocks in one job, and some in the tutorials' way."""
    from benchmarks.models import task_prompts
    from tvsight.tasks import select

    dev = task_prompts(there, select(TUTORIAL_TASK)[0])[0]
    ours = _one_job(client, there, dev)
    theirs = _by_request(there.decoder, client.host, dev, blocks)
    depth = there.decoder.depth
    estimate = theirs / blocks * depth
    say(
        f"dev of {TUTORIAL_TASK}, all {depth} blocks: one job {ours:.1f} s; the tutorials' way, a "
        f"request for each block and batch, {theirs:.1f} s for {blocks} blocks, so "
        f"{estimate:.0f} s for all, {estimate / ours:.1f} x"
    )


def _one_job(client: Any, there: "Model", dev: Any) -> float:
    from tvsight.execution.jobs import Job
    from tvsight.execution.ndif.remote import Remote
    from tvsight.protocol.measure import measure_dev

    with TemporaryDirectory() as folder:
        place = Remote(client, Path(folder), "float32")
        job = Job(measure_dev, (dev, False), prompts=1)
        place.rehearse(there.decoder, job)  # once for a model, however many tasks
        started = time.perf_counter()
        pending = place.begin(there.decoder, job, TUTORIAL_TASK)
        while pending.result() is None:
            place.wait()
        return time.perf_counter() - started


def _by_request(decoder: Any, host: str, dev: Any, blocks: int) -> float:
    import torch
    from nnsight import CONFIG

    from benchmarks.authors_scheme import dummy_prompts
    from tvsight.interventions.batching import padded

    CONFIG.APP.REMOTE_LOGGING = False
    dummies = dummy_prompts(dev)
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
    return time.perf_counter() - started


if __name__ == "__main__":
    command(Options, main, __doc__, Rules())
