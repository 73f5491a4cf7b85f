"""One loaded model and the tasks that are measured with it, several at a time where that helps."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import BaseFileLock

from tvsight.config import RunConfig
from tvsight.console import Display
from tvsight.errors import ServerError, StorageError, TvsightError, UsageError
from tvsight.outcome import Measured, Outcome
from tvsight.planning import Request
from tvsight.prompts.episode_files import write_episodes
from tvsight.provenance import provenance
from tvsight.store import DamagedResult, Store

if TYPE_CHECKING:
    from tvsight.execution import Job, Pending, Place
    from tvsight.models.loading import Model

Result = TypeVar("Result")


class Session:
    """One loaded model and what is measured with it."""

    def __init__(
        self,
        config: RunConfig,
        store: Store,
        model: "Model",
        display: Display,
    ) -> None:
        self.config = config
        self.store = store
        self.model = model
        self.display = display

    def measure_all(self, missing: Sequence[Request], place: "Place", outcome: Outcome) -> None:
        """Measure and store each request; failures go into `outcome`.

        Raises:
            ServerError: when a server does not do its work; what was handed to it is remembered.
            StorageError: when a result cannot be written; earlier ones are untouched.
            TvsightError: any failure, with `fail_fast`.
        """
        waiting, under_way = deque(missing), list[_Measurement]()
        with self.display.tasks(self.model.name, len(missing)):
            try:
                while waiting or under_way:
                    moved = self._begin_some(waiting, under_way, place, outcome)
                    moved |= self._advance_all(under_way, place, outcome)
                    self.display.jobs([m.line() for m in under_way if place.capacity > 1])
                    if not moved:
                        place.wait()
            finally:
                for measurement in under_way:
                    measurement.lock.release()

    def preview(self, missing: Sequence[Request]) -> None:
        """Say which jobs would be sent to a server first, and what would travel."""
        import pandas as pd

        from tvsight.execution.remote import payload

        planned: list[tuple[str, int, int, int]] = []
        for request in missing:
            first = next(request.measure(self.model))
            sent = sum(len(payload(self.model.decoder, job)) for job in first)
            vectors = sum(job.vector_bytes for job in first)
            planned.append((request.name, len(first), sent, vectors))
        shown = pd.DataFrame(planned, columns=["Task", "Jobs", "Up", "Vectors down"])
        shown.loc[len(shown)] = ["all", *shown.drop(columns="Task").sum()]
        for column in ("Up", "Vectors down"):
            shown[column] = shown[column].map(_size)
        title = "To be sent; a split that is cut asks for a second round of jobs"
        self.display.table(shown.astype(str), title)

    def save_episodes(self, asked: Sequence[Request]) -> None:
        """Write the episodes of some requests to the file that the options name."""
        path = Path(str(self.config.save_episodes))
        found = [e for one in asked if one.episodes for e in one.episodes(self.model)]
        try:
            write_episodes(path, found)
        except OSError as error:
            raise UsageError(f"--save-episodes {path}: {error.strerror or error}") from error

    def _begin_some(
        self,
        waiting: deque[Request],
        under_way: "list[_Measurement]",
        place: "Place",
        outcome: Outcome,
    ) -> bool:
        """Begin what the place has room for; whether anything left the queue."""
        moved = False
        for _ in range(len(waiting)):
            if len(under_way) >= place.capacity:
                break
            request = waiting.popleft()
            lock = self.store.acquire(request.result)
            if lock is None:  # another process measures it: see later what came of it
                waiting.append(request)
                continue
            moved = True
            begun = None
            try:
                begun = self._guarded(request, outcome, self._begin, request, lock, place)
            finally:
                if begun is None:
                    lock.release()
            if begun is not None:
                under_way.append(begun)
        return moved

    def _begin(self, request: Request, lock: BaseFileLock, place: "Place") -> "_Measurement | None":
        if _is_whole(self.store, request, self.display):  # another process measured it meanwhile
            self._tell(request)
            return None
        self.store.clear_leftovers(request.result)
        self.display.task(request.name)
        return _Measurement(request, lock, place, self.model)

    def _advance_all(
        self, under_way: "list[_Measurement]", place: "Place", outcome: Outcome
    ) -> bool:
        """Look after everything under way; whether any of it ended."""
        moved = False
        for measurement in list(under_way):
            if self._guarded(measurement.request, outcome, self._advance, measurement, place):
                continue
            moved = True
            under_way.remove(measurement)
            place.finished(measurement.names)
            measurement.lock.release()
        return moved

    def _advance(self, measurement: "_Measurement", place: "Place") -> bool:
        """Whether the measurement goes on."""
        measured = measurement.advance(place)
        if measured is None:
            return True
        made = {
            **provenance(self.model, measurement.seconds),
            **(measured.notes or {}),
            "place": place.about,
            "jobs": [vars(job.trace) for job in measurement.jobs if job.trace.job_id],
        }
        request = measurement.request
        self.store.save(request.result, measured.rows, measured.vectors or None, made)
        self._tell(request)
        return False

    def _tell(self, request: Request) -> None:
        """The line of a request whose result is stored."""
        line = request.line(self.store.rows(request.result.path))
        self.display.measured(request.name, line)

    def _guarded(
        self, request: Request, outcome: Outcome, do: Callable[..., Result], *arguments: Any
    ) -> Result | None:
        """`do(*arguments)`; None when it failed, which is then noted."""
        try:
            return do(*arguments)
        except (ServerError, StorageError):
            raise
        except TvsightError as error:
            if self.config.fail_fast:
                raise
            outcome.failures[f"{self.model.name} / {request.name}"] = str(error)
            self.display.failed(request.name, str(error))
            return None


def is_stored(store: Store, request: Request, display: Display) -> bool:
    """Whether the store holds a request; what is damaged is named and moved aside.

    Raises:
        StorageError: when it cannot be moved.
    """
    try:
        return store.holds(request.result, request.needs_vectors)
    except DamagedResult:
        lock = store.acquire(request.result)
        if lock is None:  # another process has found it too, and measures it
            return False
        try:
            return _is_whole(store, request, display)
        finally:
            lock.release()


def _is_whole(store: Store, request: Request, display: Display) -> bool:
    """The same, under the lock of the result."""
    try:
        return store.holds(request.result, request.needs_vectors)
    except DamagedResult as damage:
        place = store.set_aside(request.result.path)
        display.note(f"Damaged: {damage}. Moved to {place}; it is measured again.")
        return False


class _Measurement:
    """One task on its way: its jobs, until rows come of them."""

    def __init__(
        self,
        request: Request,
        lock: BaseFileLock,
        place: "Place",
        model: "Model",
    ) -> None:
        self.request = request
        self.lock = lock
        self.jobs: list[Pending] = []
        """Every job so far, those of earlier steps first."""
        self.names: list[str] = []
        self._steps = request.measure(model)
        self._model = model
        self._began = time.perf_counter()
        self._results: list[Any] = []
        self._hand_over(next(self._steps), place)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._began

    def line(self) -> tuple[str, str, str]:
        """Task, what its jobs do, and the server's name for the last of them."""
        states = [job.state for job in self.jobs]
        state = next((s for s in ("failed", "queued", "running") if s in states), "done")
        return self.request.name, state, self.jobs[-1].trace.job_id or ""

    def advance(self, place: "Place") -> Measured | None:
        """Look after the jobs of this step and go on when they are done; what was measured when
        that was the last step."""
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
        self._results = [None] * len(jobs)
        for job in jobs:
            name = f"{self.request.result.path.name}-{len(self.names)}"
            self.names.append(name)
            self.jobs.append(place.begin(self._model.decoder, job, name))


def _size(count: int) -> str:
    """Bytes, for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
