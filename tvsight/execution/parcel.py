"""A job as the bytes that are sent for it, and what stands for it where it is remembered."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import nnsight
import torch
from nnsight.ndif import pull_env
from nnsight.schema.request import RequestModel

import tvsight
from tvsight.execution.jobs import Job
from tvsight.models.decoder import Decoder


def payload(decoder: Decoder, job: Job) -> bytes:
    """What is sent for a job: the source of its function and all that it calls, and its arguments.

    Weights stay where they are; the server knows the model by name.
    """
    nnsight.register("tvsight")
    pull_env()
    parcel = _Parcel()
    function, arguments = job.function, job.arguments
    with decoder.nn.session(backend=parcel):
        result = nnsight.save(_with_place(decoder, function, arguments))  # noqa: F841
    return parcel.content


def _with_place(
    decoder: Decoder, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> dict[str, Any]:
    """On the server: what the function returns, and what it ran on."""
    device = decoder.device.type
    return {
        "value": function(decoder, *arguments, None),
        "dtype": str(decoder.dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }


def digest(job: Job) -> str:
    """Stands for what a job asks: its function and arguments, and the code that answers."""
    asked = [tvsight.__version__, job.function.__qualname__, job.arguments]
    text = json.dumps(asked, sort_keys=True, default=_content)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _content(tensor: torch.Tensor) -> list[Any]:
    """Stands for a tensor: jobs may bring millions of numbers."""
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return [str(tensor.dtype), list(tensor.shape), hashlib.sha256(content.tobytes()).hexdigest()]


class _Parcel(nnsight.tracing.backend.Backend):
    """Takes a session as the bytes that a server would receive, instead of running it."""

    content = b""

    def __call__(self, tracer: Any) -> None:
        self.content = RequestModel.serialize(tracer, compress=True)
