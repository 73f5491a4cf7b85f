"""A client of models whose weights are elsewhere, and how much memory it takes.

    python -m tests.execution.client_memory CHECKPOINT ...

For each checkpoint directory, which needs no weights: the model as a remote run has it, a job of
the usual size, its rehearsal and payload. Prints one JSON object, with `peak_mb` of this process
up to then.
"""

import json
import sys
from pathlib import Path
from typing import Any

import tvsight
from benchmarks.memory import peak_gigabytes
from tvsight.execution.jobs import Job
from tvsight.execution.ndif.parcel import payload
from tvsight.execution.ndif.preflight import rehearse
from tvsight.models import loading
from tvsight.models.sources import ModelSource
from tvsight.prompts import template, tokenise
from tvsight.protocol.measure import measure


def use(directory: Path) -> dict[str, Any]:
    loading.resolve = lambda name, revision: ModelSource("hub", "some/model", name)
    loading.weights_identity = lambda source: "commit:0"  # no hub is asked
    model = tvsight.load(str(directory), dtype="bfloat16", remote=True)
    task = tvsight.task("to_upper")
    episodes = tvsight.episodes(model, task, count=100, shots=5)
    splits = [[e for e in episodes if e.split == split] for split in ("dev", "test")]
    prompts = [tokenise(model, of_split, task.match, template("example")) for of_split in splits]
    job = Job(measure, (*prompts, True), prompts=2)
    rehearse(job, model.decoder, model.dtype)
    payload(model.decoder, job)
    parameters = list(model.decoder.nn._module.parameters())
    return {
        "peak_mb": 1000 * peak_gigabytes(),
        "parameters": sum(parameter.numel() for parameter in parameters),
        "devices": sorted({parameter.device.type for parameter in parameters}),
    }


if __name__ == "__main__":
    print(json.dumps({Path(given).name: use(Path(given)) for given in sys.argv[1:]}))
