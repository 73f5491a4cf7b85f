"""The operations that take a device's time, in kinds and by name."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.rates import synchronise

KINDS = {
    "matrix products": "mm addmm bmm baddbmm mv linear matmul",
    "attention": "attention",
    "norms": "mean pow rsqrt native_layer_norm _fused_rms_norm native_group_norm",
    "copies and selections": (
        "copy_ _to_copy clone cat stack index index_select index_put_ _index_put_impl_ gather "
        "scatter_ constant_pad_nd fill_ zero_ embedding where masked_fill_ nonzero arange"
    ),
    "soft-max statistics": (
        "exp exp_ log log_softmax _log_softmax _softmax amax maximum minimum argmax sum gt sub_ "
        "topk sort"
    ),
    "other arithmetic": "mul mul_ add add_ sub div div_ neg silu gelu tanh relu sin cos",
}
"""The operations of each kind, without their name space. A norm that is written as arithmetic
leaves its products and casts to other kinds."""
OTHER = "other operations"
NAMED = 3
"""Operations of a kind that are named, those of the most time."""

Seconds = dict[str, dict[str, float]]
"""By kind and operation."""


def profiled(run: Callable[[], object], device: torch.device) -> Seconds:
    """The seconds of each operation of `run` on a device, without those of what it calls."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        run()
        synchronise(device)
    return by_kind(profiler.key_averages(), device)


def by_kind(events: Iterable[Any], device: torch.device) -> Seconds:
    """Group the events of a profile.

    On a GPU, the time of a kernel counts for the operation that launched it, and the kernel, which
    is an event too, is left out.
    """
    found: Seconds = {}
    for event in events:
        _, is_operation, name = event.key.partition("::")
        if not is_operation or event.device_type != DeviceType.CPU:
            continue
        on_gpu = device.type == "cuda"
        taken = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if taken > 0:
            of_kind = found.setdefault(_kind(name), {})
            of_kind[name] = of_kind.get(name, 0.0) + taken / 1e6
    return found


def report(seconds: Seconds, whole: float, say: Callable[[str], None]) -> None:
    """Print each kind with its largest operations.

    Args:
        whole: what was profiled takes this long without the profiler.
    """
    totals = {kind: sum(of_kind.values()) for kind, of_kind in seconds.items()}
    busy = sum(totals.values())
    say(f"  operations: {busy:.3f} s, {busy / whole:.0%} of the time without the profiler")
    for kind in sorted(totals, key=totals.__getitem__, reverse=True):
        of_kind = seconds[kind]
        largest = sorted(of_kind, key=of_kind.__getitem__, reverse=True)[:NAMED]
        names = ", ".join(f"{name} {of_kind[name]:.3f}" for name in largest)
        say(f"  {kind}: {totals[kind]:.3f} s, {totals[kind] / busy:.0%} ({names})")


def _kind(name: str) -> str:
    if "attention" in name:
        return "attention"
    return next((kind for kind, names in KINDS.items() if name in names.split()), OTHER)
