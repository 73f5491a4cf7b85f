"""Places that run jobs: this process, this process as if a server, and an NDIF server."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tvsight.execution.here import Here, run
    from tvsight.execution.jobs import Job, JobHistory, Pending, Place, Steps

__all__ = ["Here", "Job", "JobHistory", "Pending", "Place", "Steps", "run"]

_HERE = {"Here", "run"}


def __getattr__(name: str) -> Any:
    # Running jobs takes torch and nnsight; reading job records must not wait for them.
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{'here' if name in _HERE else 'jobs'}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
