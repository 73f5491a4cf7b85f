"""Choose the device and the precision of a model."""

from typing import Literal, get_args

import torch

from tvsight.errors import UsageError, nearest, option, unexpected

Device = Literal["auto", "cpu", "cuda"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(device: Device | torch.device) -> str:
    """`auto` becomes CUDA where there is one, else the CPU.

    Raises:
        UsageError: for `cuda` where torch sees none, and for any other device.
    """
    available = torch.cuda.is_available()
    name = str(device)
    if name not in get_args(Device):
        known = "auto, cpu or cuda (CUDA_VISIBLE_DEVICES chooses among GPUs)"
        raise unexpected("device", known, device)
    if name == "cuda" and not available:
        raise UsageError(
            f"{option('device', name)}: torch sees no CUDA device here; leave it out or use cpu."
        )
    return ("cuda" if available else "cpu") if name == "auto" else name


def resolve_dtype(dtype: str | torch.dtype, device: str) -> str:
    """`auto` becomes float32 on a CPU and bfloat16 on a GPU.

    Raises:
        UsageError: for a precision that no model is held in.
    """
    if dtype == "auto":
        return "float32" if device == "cpu" else "bfloat16"
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        known = f"one of auto, {', '.join(DTYPES)}"
        raise UsageError(f"dtype {dtype}: expected {known}.{nearest(name, DTYPES)}")
    return name


TIE = {"float32": 1e-3, "float16": 0.05, "bfloat16": 0.25}
"""Margins below which the order of two logits may change with the order of sums, by precision."""
