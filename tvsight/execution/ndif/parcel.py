"""Serialise a job for NDIF, and fingerprint it."""

from collections.abc import Callable
from typing import Any

import nnsight
import torch
import zstandard
from nnsight.ndif import pull_env
from nnsight.schema.request import RequestModel

from tvsight.execution.here import ship_source
from tvsight.execution.jobs import Job
from tvsight.execution.ndif.results import fingerprint, seal
from tvsight.interventions.decoder import Decoder
from tvsight.methods.method import Method
from tvsight.writing import VERSION

LEVEL = 6
"""Level of compression, as in nnsight."""


def payload(decoder: Decoder, job: Job, asked: str = "") -> bytes:
    """Serialise a job: the source of its function and of all that it calls, and its arguments.

    Weights are not sent. The server knows the model by name.

    Args:
        asked: a hash of the job and its model, which the result brings back.
    """
    ship_source(job.arguments)
    pull_env()
    parcel = _Parcel()
    function, arguments = job.function, job.arguments
    with decoder.nn.session(backend=parcel):
        # nnsight brings saved locals back by their names: `results.opened` reads this one.
        result = _sealed(decoder, function, arguments, asked)
        nnsight.save(result)
    return parcel.content


def _sealed(
    decoder: Decoder, function: Callable[..., Any], arguments: tuple[Any, ...], asked: str
) -> dict[str, Any]:
    """Run on the server: the return value of the function and the device, sealed."""
    device = decoder.device.type
    content = {
        "value": function(decoder, *arguments, progress=None),
        "dtype": str(decoder.dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }
    return seal(content, asked)


def digest(job: Job) -> str:
    """A hash of a job: its function and arguments, and the version of the code."""
    known = [_described(argument) for argument in job.arguments]
    return fingerprint([VERSION, job.function.__qualname__, known])[:16]


def _described(argument: Any) -> Any:
    """An argument as tensors and plain Python. The module of a user's method has the checksum of
    its file in its name."""
    if not isinstance(argument, Method):
        return argument
    return [argument.learn.__module__, argument.learn.__qualname__, argument.of, argument.use]


class _Parcel(nnsight.tracing.backend.Backend):
    """Keeps a session as the bytes that a server would receive, instead of running it.

    They hold a checksum, which nnsight leaves out, so that a server refuses damaged ones.
    """

    content = b""

    def __call__(self, tracer: Any) -> None:
        content = RequestModel.serialize(tracer)
        self.content = zstandard.ZstdCompressor(LEVEL, write_checksum=True).compress(content)
