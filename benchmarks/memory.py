"""The most memory that a process has held, on this machine or on a GPU."""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import torch

STATUS = Path("/proc/self/status")
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which `getrusage` counts memory."""
STARTER = """
import os, subprocess, sys
started = subprocess.Popen(sys.argv[1:], stderr=subprocess.STDOUT)
_, status, used = os.wait4(started.pid, 0)
started.returncode = os.waitstatus_to_exitcode(status)
print(started.returncode, used.ru_maxrss, file=sys.stderr)
"""
"""A small process that starts a command and waits for it. What the system says of the memory of a
command begins with the peak of the process that started it."""


def peak_gigabytes() -> float:
    """Peak resident memory of this process in GB.

    Linux counts it from the start of the program there. What `getrusage` says begins with the peak
    of the process that started this one.
    """
    if STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())):
        return int(found[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e9


def waited(command: Sequence[str], folder: Path, output: IO[bytes]) -> tuple[int, float]:
    """Run a command that imports from where this process does, and wait for its end; its exit code,
    and its peak resident memory in GB.

    Args:
        output: receives all that it prints.
    """
    started = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STARTER, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path[1:]])},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        check=True,
    )
    code, peak = map(int, started.stderr.split())
    return code, peak * UNIT / 1e9


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
