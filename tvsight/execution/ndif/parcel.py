"""A job as the bytes that are sent for it, and what stands for it where it is remembered."""

from collections.abc import Callable
from typing import Any

import nnsight
import torch
import zstandard
from nnsight.ndif import pull_env
from nnsight.schema.request import RequestModel

import tvsight
from tvsight.execution.jobs import Job
from tvsight.execution.ndif.results import fingerprint, seal
from tvsight.interventions.decoder import Decoder

LEVEL = 6
"""Of compression, as in nnsight."""


def payload(decoder: Decoder, job: Job, asked: str = "") -> bytes:
    """What is sent for a job: the source of its function and all that it calls, and its arguments.

    Weights stay where they are; the server knows the model by name.

    Args:
        asked: stands for the job and its model; the result brings it back.
    """
    nnsight.register("tvsight")
    pull_env()
    parcel = _Parcel()
    function, arguments = job.function, job.arguments
    with decoder.nn.session(backend=parcel):
        result = nnsight.save(_sealed(decoder, function, arguments, asked))  # noqa: F841
    return parcel.content


def _sealed(
    decoder: Decoder, function: Callable[..., Any], arguments: tuple[Any, ...], asked: str
) -> dict[str, Any]:
    """On the server: what the function returns and what it ran on, sealed."""
    device = decoder.device.type
    content = {
        "value": function(decoder, *arguments, None),
        "dtype": str(decoder.dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }
    return seal(content, asked)


def digest(job: Job) -> str:
    """Stands for what a job asks: its function and arguments, and the code that answers."""
    return fingerprint([tvsight.__version__, job.function.__qualname__, job.arguments])[:16]


class _Parcel(nnsight.tracing.backend.Backend):
    """Takes a session as the bytes that a server would receive, instead of running it.

    They hold a checksum, which nnsight leaves out: a server refuses what was damaged on its way.
    """

    content = b""

    def __call__(self, tracer: Any) -> None:
        content = RequestModel.serialize(tracer)
        self.content = zstandard.ZstdCompressor(LEVEL, write_checksum=True).compress(content)
