"""The most memory that a process has held, on this machine or on a GPU."""

import re
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

STATUS = Path("/proc/self/status")


def peak_gigabytes() -> float:
    """Peak resident memory of this process in GB.

    Linux counts it from the start of the program there. What `getrusage` says begins with the peak
    of the process that started this one.
    """
    if STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())):
        return int(found[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def peak_of(device: "torch.device") -> str:
    """In words: of the tensors on a GPU since its peak was reset, weights included, or of this
    process."""
    if device.type != "cuda":
        return f"peak resident memory of the process by then {peak_gigabytes():.1f} GB"
    from torch.cuda import max_memory_allocated

    return f"peak memory on the GPU {max_memory_allocated(device) / 1e9:.1f} GB"


def reset_peak(device: "torch.device") -> None:
    """Forget the peak of a GPU."""
    if device.type == "cuda":
        from torch.cuda import reset_peak_memory_stats

        reset_peak_memory_stats(device)
