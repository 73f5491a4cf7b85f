"""Run jobs in this process: as they are, or serialised as for a server."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import nnsight

from tvsight.execution.jobs import Job, JobHistory
from tvsight.interventions.decoder import Decoder, one_at_a_time
from tvsight.methods.method import Method

Result = TypeVar("Result")
Remote = Literal[False, "local"]


@one_at_a_time
def run(
    decoder: Decoder,
    function: Callable[..., Result],
    *arguments: Any,
    remote: Remote = False,
    **named: Any,
) -> Result:
    """Call `function(decoder, *arguments, **named)` in one nnsight session.

    Args:
        function: takes the decoder and plain Python, returns tensors and plain Python.
        remote: `local` sends it through nnsight's serialisation and hides the modules that a
            server lacks.
    """
    if remote:
        ship_source(arguments)
    with decoder.nn.session(remote=remote):
        result = nnsight.save(function(decoder, *arguments, **named))
    return result


def ship_source(arguments: Sequence[Any]) -> None:
    """Let the source of tvsight travel with jobs, and that of a user's method among arguments."""
    nnsight.register("tvsight")
    for argument in arguments:
        if isinstance(argument, Method):
            nnsight.register(argument.learn.__module__)


class Here:
    """This process, one job at a time."""

    capacity = 1
    distant = False

    def __init__(
        self, progress: Callable[[str], None] | None = None, simulated: bool = False
    ) -> None:
        self.progress = None if simulated else progress
        self.remote: Remote = "local" if simulated else False
        self.about = {"kind": "simulated server" if simulated else "local"}

    def begin(self, decoder: Decoder, job: Job, name: str) -> "_Waiting":
        """Keep the job until its result is asked for."""
        return _Waiting(
            lambda: run(
                decoder, job.function, *job.arguments, progress=self.progress, remote=self.remote
            )
        )

    def finished(self, names: list[str]) -> None:
        """Forget nothing: no job is remembered."""

    def wait(self) -> None:
        """Wait for another process. A job here is done as soon as its result is asked for."""
        time.sleep(0.2)


class _Waiting:
    state = "running"

    def __init__(self, measure: Callable[[], Any]) -> None:
        self._measure = measure
        self.history = JobHistory()

    def result(self) -> Any:
        return self._measure()
