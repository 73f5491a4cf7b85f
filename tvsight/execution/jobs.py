"""What a measurement asks to be run, and what a place that runs it offers.

An experiment is a generator: it yields the jobs that it needs next and is sent their results. So
it says nothing about where jobs run, or whether it is the only one that waits for them.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tvsight.interventions.decoder import Decoder

Measured = TypeVar("Measured")

Steps = Generator["list[Job]", list[Any], Measured]
"""Yields jobs, receives their results in order, and returns what was measured."""


@dataclass(frozen=True)
class Job:
    """One nnsight session: all of it runs in one place, as one request where that is a server.

    `function(decoder, *arguments, progress)` takes and returns tensors and plain Python. `progress`
    is called with the name of each phase; it is None where nobody listens.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    vector_bytes: int = 0
    """How large the vectors are that come back."""
    later: "tuple[Job, ...]" = ()
    """Jobs of the steps after this one, for a plan: as many, and about as large."""


@dataclass
class Trace:
    """How a job came to its result, for the manifest."""

    job_id: str | None = None
    """The server's name for it; None where no server took part."""
    device: str | None = None
    """The kind of processor or GPU that a server ran it on."""
    faults: list[str] = field(default_factory=list)
    """What went wrong on the way and was tried again."""


class Pending(Protocol):
    """A job that was handed to a place."""

    trace: Trace

    @property
    def state(self) -> str:
        """`queued`, `running`, `done` or `failed`."""

    def result(self) -> Any | None:
        """What the function returned, or None while it is not done.

        Raises:
            TvsightError: when the job cannot be done.
        """


class Place(Protocol):
    """Where jobs run."""

    capacity: int
    """Tasks that may be on their way at once."""
    about: dict[str, Any]
    """What a manifest says of the place."""
    distant: bool
    """Whether results come back over a network."""

    def begin(self, decoder: Decoder, job: Job, name: str) -> Pending:
        """Hand over a job.

        Args:
            name: stands for this job among all of a results folder, and is the same when a run
                is repeated.
        """

    def finished(self, names: list[str]) -> None:
        """The results of these jobs are stored: nothing about them needs to be remembered."""

    def wait(self) -> None:
        """Let some time pass before the next look at pending jobs."""
