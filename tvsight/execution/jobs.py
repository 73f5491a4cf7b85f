"""Jobs, and the places that run them.

An experiment is a generator: it yields the jobs that it needs next and is sent their results. So
it is independent of where jobs run, and of what else waits for them.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from tvsight.interventions.decoder import Decoder

Measured = TypeVar("Measured")

NOT_RUN = {"accepted", "expected", "others", "answers", "seeds", "norms", "deviations"}
"""Names of what episodes have beside the tokens of their prompts."""
Steps = Generator["list[Job]", list[Any], Measured]
"""Yields jobs, receives their results in order, and returns what was measured."""


@dataclass(frozen=True)
class Job:
    """One nnsight session. On a server it is one request.

    `function(decoder, *arguments, progress=...)` takes and returns tensors and plain Python.
    `progress` is None, or is called with the name of each phase.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    vector_bytes: int = 0
    """Size of the vectors that come back."""
    prompts: int = 0
    """Number of the arguments, from the first on, that are prompts: dictionaries with one entry per
    episode under every name. A rehearsal shortens them."""
    small: tuple[Any, ...] | None = None
    """The other arguments in a rehearsal, where they depend on attention heads: its model has one
    head of two numbers in each block. None where they are the same."""
    later: "tuple[Job, ...]" = ()
    """Stand-ins for the jobs of later steps, for a preview: as many, and about as large."""

    @property
    def episodes(self) -> int:
        """The number of episodes in the prompts; 1 where there are none."""
        counts = [len(next(iter(of.values()))) for of in self.arguments[: self.prompts]]
        return sum(counts) or 1

    def positions(self, depth: int) -> int:
        """About how many positions run through all blocks: those of prompts, and for each episode
        those of two vectors after every block, which the blocks above it run."""
        prompts = [of for of in self.arguments[: self.prompts] if isinstance(of, dict)]
        run = (values for of in prompts for name, values in of.items() if name not in NOT_RUN)
        return sum(map(_length, run)) + depth * self.episodes


def _length(values: Any) -> int:
    return sum(map(_length, values)) if isinstance(values, list) else 1


@dataclass
class JobHistory:
    """A job's id, device and faults, as stored in the manifest."""

    job_id: str | None = None
    """The server's name for it; None where no server took part."""
    device: str | None = None
    """The kind of processor or GPU that a server ran it on."""
    faults: list[str] = field(default_factory=list)
    """Failures on the way, each of which was followed by another try."""


class Pending(Protocol):
    """A job that a place has taken."""

    history: JobHistory

    @property
    def state(self) -> str:
        """`queued`, `running`, `done` or `failed`."""

    def result(self) -> Any | None:
        """The return value of the function; None while the job is not done.

        Raises:
            TvsightError: when the job cannot be done.
        """


class Place(Protocol):
    """A place where jobs run."""

    capacity: int
    """Number of tasks that may be under way at once."""
    about: dict[str, Any]
    """Description of the place for manifests."""
    distant: bool
    """Whether results come back over a network."""

    def begin(self, decoder: "Decoder", job: Job, name: str) -> Pending:
        """Hand over a job.

        Args:
            name: unique among the jobs of a results folder, and the same when a run is
                repeated.
        """

    def finished(self, names: list[str]) -> None:
        """Forget these jobs: their results are stored."""

    def wait(self) -> None:
        """Let some time pass before pending jobs are looked at again."""
