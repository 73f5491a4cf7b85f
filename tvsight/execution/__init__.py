"""Where measurements run: here, here as if on a server, or on an NDIF server."""

from tvsight.execution.here import Here, complete, run
from tvsight.execution.jobs import Job, Pending, Place, Steps, Trace

__all__ = ["Here", "Job", "Pending", "Place", "Steps", "Trace", "complete", "run"]
