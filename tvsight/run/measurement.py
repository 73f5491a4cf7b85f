"""One measurement under way: its jobs, and the steps that make rows of their results."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from filelock import BaseFileLock

from tvsight.run.outcome import Measured
from tvsight.run.planning import Request

if TYPE_CHECKING:
    from tvsight.execution.jobs import Job, Pending, Place
    from tvsight.models.loading import Model


class Measurement:
    """A request that is measured. Its lock is held until the caller releases it."""

    def __init__(
        self,
        request: Request,
        lock: BaseFileLock,
        place: "Place",
        model: "Model",
        announce: "Callable[[list[Job], Place], None]",
    ) -> None:
        self.request = request
        self.lock = lock
        self.jobs: list[Pending] = []
        """Every job so far, those of earlier steps first."""
        self.names: list[str] = []
        self.retries: list[str] = []
        """Warnings of batches that did not fit the memory and were run again in parts."""
        self._steps = request.steps(model)
        self._model = model
        self._announce = announce
        self._began = time.perf_counter()
        self._results: list[Any] = []
        self._hand_over(next(self._steps), place)

    @property
    def seconds(self) -> float:
        """Time since it began."""
        return time.perf_counter() - self._began

    def lines(self) -> list[tuple[str, str]]:
        """State and name of each job of this measurement on a server."""
        return [(job.state, job.history.job_id) for job in self.jobs if job.history.job_id]

    def advance(self, place: "Place") -> Measured | None:
        """Look after the jobs of this step, and go on to the next when they are done.

        Returns:
            What was measured, after the last step; None before.
        """
        step = self.jobs[-len(self._results) :]
        for number, job in enumerate(step):
            if self._results[number] is None:
                self._results[number] = job.result()
        if any(result is None for result in self._results):
            return None
        try:
            self._hand_over(self._steps.send(self._results), place)
        except StopIteration as end:
            measured: Measured = end.value
            return measured
        return None

    def _hand_over(self, jobs: "list[Job]", place: "Place") -> None:
        self._announce(jobs, place)
        self._results = [None] * len(jobs)
        for job in jobs:
            name = f"{self.request.result.path.name}-{len(self.names)}"
            self.names.append(name)
            self.jobs.append(place.begin(self._model.decoder, job, name))
