"""Run jobs in this process: as they are, or serialised as for a server."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    """This process, one job at a time.

    Args:
        progress: called with the name of each phase of a job.
        simulated: serialise jobs as for a server.
        moved: called with the share of a task's positions that blocks have run.
    """

    capacity = 1
    distant = False

    def __init__(
        self,
        progress: Callable[[str], None] | None = None,
        simulated: bool = False,
        moved: Callable[[float], None] | None = None,
    ) -> None:
        self._moved = None if simulated else moved
        self._done, self._later, self._total = 0.0, 0, 0
        self.progress = None if simulated else progress
        self.remote: Remote = "local" if simulated else False
        self.about = {"kind": "simulated server" if simulated else "local"}

    def begin(self, decoder: Decoder, job: Job, name: str) -> "_Waiting":
        """Keep the job until its result is asked for."""
        if name.endswith("-0"):  # the first of a task
            self._done, self._later, self._total = 0.0, 0, 0
        own = job.positions(decoder.depth)
        later = sum(one.positions(decoder.depth) for one in job.later)
        known = min(own, self._later) if self._done else 0  # by the jobs before it
        self._total += own + later - known
        self._later += later - known

        def measure() -> Any:
            with self._counting(decoder):
                progress, remote = self.progress, self.remote
                return run(decoder, job.function, *job.arguments, progress=progress, remote=remote)

        return _Waiting(measure)

    def finished(self, names: list[str]) -> None:
        """Forget nothing: no job is remembered."""

    def wait(self) -> None:
        """Wait for another process. A job here is done as soon as its result is asked for."""
        time.sleep(0.2)

    @contextmanager
    def _counting(self, decoder: Decoder) -> Iterator[None]:
        """Count the positions that blocks run, where somebody looks at a bar."""
        moved = self._moved
        if moved is None:
            yield
            return

        def count(_: object, given: object, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            self._done += states.shape[:-1].numel() / decoder.depth
            moved(self._done / self._total)

        hooks = [block._module.register_forward_hook(count) for block in decoder.blocks]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


class _Waiting:
    state = "running"

    def __init__(self, measure: Callable[[], Any]) -> None:
        self._measure = measure
        self.history = JobHistory()

    def result(self) -> Any:
        return self._measure()
