"""Measure tasks with one loaded model, several at a time where the place has room for them."""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import BaseFileLock

from tvsight.config import RunConfig
from tvsight.errors import (
    MeasurementError,
    RefusedError,
    ServerError,
    ShortOfMemory,
    StorageError,
    TvsightError,
    UsageError,
)
from tvsight.output.console import Display, JobLine
from tvsight.output.labels import counted
from tvsight.prompts.episode_files import write_episodes
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Request
from tvsight.run.provenance import provenance
from tvsight.run.travel import size
from tvsight.storage.manifests import Key
from tvsight.storage.store import DamagedResult, Store
from tvsight.storage.versions import LaterVersion

if TYPE_CHECKING:
    from tvsight.execution import Job, Pending, Place
    from tvsight.models.loading import Model

ENDED_JOBS = 6
"""Number of jobs that stay in the table of jobs after they are done or have failed."""


class State(Enum):
    """The state of a measurement."""

    UNDER_WAY = auto()
    STORED = auto()
    FAILED = auto()


class Measurements:
    """The measurements of one loaded model."""

    def __init__(self, config: RunConfig, store: Store, model: "Model", display: Display) -> None:
        self.config = config
        self.store = store
        self.model = model
        self.display = display
        self._ended: deque[JobLine] = deque(maxlen=ENDED_JOBS)

    def measure_all(self, missing: Sequence[Request], place: "Place", outcome: Outcome) -> None:
        """Measure and store each request; failures go into `outcome`.

        Raises:
            ServerError: when a server does not do its work. Jobs that it has are remembered.
            StorageError: when a result cannot be written. Earlier ones are untouched.
            LaterVersion: when a later tvsight wrote one of the results, or the record of a job.
            TvsightError: any failure, with `fail_fast`.
        """
        waiting = deque(missing)
        under_way: list[_Measurement] = []
        with self.display.tasks(self.model.name, len(missing)):
            try:
                while waiting or under_way:
                    moved = self._begin_some(waiting, under_way, place, outcome)
                    moved |= self._advance_all(under_way, place, outcome)
                    lines = [line for measurement in under_way for line in measurement.lines()]
                    self.display.jobs([*self._ended, *lines])
                    if not moved:
                        place.wait()
            finally:
                for measurement in under_way:
                    measurement.lock.release()

    def save_episodes(self, asked: Sequence[Request]) -> None:
        """Write the episodes of some requests to the file that the options name."""
        path = Path(str(self.config.save_episodes))
        episodes = [episode for request in asked for episode in request.episodes(self.model)]
        try:
            write_episodes(path, episodes)
        except OSError as error:
            raise UsageError(f"--save-episodes {path}: {error.strerror or error}") from error

    def _begin_some(
        self,
        waiting: deque[Request],
        under_way: "list[_Measurement]",
        place: "Place",
        outcome: Outcome,
    ) -> bool:
        """Begin what the place has room for.

        Returns:
            Whether anything left the queue.
        """
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
                with self._noting_failure(request, outcome):
                    begun = self._begin(request, lock, place)
            finally:
                if begun is None:
                    lock.release()
            if begun is not None:
                under_way.append(begun)
        return moved

    def _announce(self, request: Request, jobs: "list[Job]", place: "Place") -> None:
        """Say how many vectors a server will send back, before anything is sent there."""
        vectors = sum(job.vector_bytes for job in jobs)
        if vectors and place.distant:
            self.display.note(
                f"{request.name}: {counted(len(jobs), 'job')} to be sent, {size(vectors)} of "
                "vectors to come back (--no-vectors keeps rows only)"
            )

    def _begin(self, request: Request, lock: BaseFileLock, place: "Place") -> "_Measurement | None":
        """Begin a measurement; None where another process has stored the result meanwhile."""
        if _is_whole(self.store, request, self.display):
            self._tell(request)
            return None
        self.store.clear_leftovers(request.result)
        self.display.task(request.name)
        return _Measurement(request, lock, place, self.model, partial(self._announce, request))

    def _advance_all(
        self, under_way: "list[_Measurement]", place: "Place", outcome: Outcome
    ) -> bool:
        """Look after everything under way.

        Returns:
            Whether any of it ended.
        """
        moved = False
        for measurement in list(under_way):
            state = State.FAILED
            with self._noting_failure(measurement.request, outcome):
                state = self._advance(measurement, place)
            if state is State.UNDER_WAY:
                continue
            moved = True
            under_way.remove(measurement)
            self._ended.extend(measurement.lines())
            if state is State.STORED:  # a task that failed may have jobs that are of use yet
                place.finished(measurement.names)
            measurement.lock.release()
        return moved

    def _advance(self, measurement: "_Measurement", place: "Place") -> State:
        with warnings.catch_warnings(record=True) as caught:
            try:
                measured = measurement.advance(place)
            except MeasurementError:  # the same results would come again
                place.finished(measurement.names)
                raise
        for warning in caught:
            self.display.note(f"{measurement.request.name}: {warning.message}")
            if issubclass(warning.category, ShortOfMemory):
                measurement.retries.append(str(warning.message))
        if measured is None:
            return State.UNDER_WAY
        request = measurement.request
        origin = {
            **provenance(self.model, request.identity["weights"], measurement.seconds),
            "retries": measurement.retries,
            **(measured.notes or {}),
            "place": place.about,
            "jobs": [vars(job.history) for job in measurement.jobs if job.history.job_id],
        }
        vectors = measured.vectors or None
        self.store.save(request.result, measured.rows, vectors, origin, measured.episodes)
        self._tell(request)
        return State.STORED

    def _tell(self, request: Request) -> None:
        """Print the line of a request whose result is stored."""
        line = request.line(self.store.rows(request.result.path))
        self.display.measured(request.name, line)

    @contextmanager
    def _noting_failure(self, request: Request, outcome: Outcome) -> Iterator[None]:
        """Note an error of the block as the failure of a request; errors that concern the whole
        run are raised."""
        try:
            yield
        except (ServerError, StorageError, RefusedError, LaterVersion):
            raise
        except Exception as error:
            failure = _named(error)
        else:
            return
        if self.config.fail_fast:
            raise failure
        outcome.failures[Key(self.model.name, request.name)] = str(failure)
        self.display.failed(request.name, str(failure))


def is_stored(store: Store, request: Request, display: Display) -> bool:
    """Whether the store holds a request. A damaged result is named and moved aside.

    Raises:
        StorageError: when it cannot be moved.
        LaterVersion: when a later tvsight wrote it. It is not moved then.
    """
    try:
        return store.holds(request.result, request.needs_vectors, request.needs_scores)
    except DamagedResult:
        lock = store.acquire(request.result)
        if lock is None:  # another process has found the damage too, and measures it
            return False
        try:
            return _is_whole(store, request, display)
        finally:
            lock.release()


def _is_whole(store: Store, request: Request, display: Display) -> bool:
    """See `is_stored`. The caller holds the lock of the result."""
    try:
        return store.holds(request.result, request.needs_vectors, request.needs_scores)
    except DamagedResult as damage:
        place = store.set_aside(request.result.path)
        display.note(f"Damaged: {damage}. Moved to {place}; it is measured again.")
        return False


class _Measurement:
    """One measurement under way: its jobs, and the steps that make rows of their results."""

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

    def lines(self) -> list[JobLine]:
        """The jobs of this measurement on a server, for the table of jobs."""
        name = self.request.name
        return [(name, job.state, job.history.job_id) for job in self.jobs if job.history.job_id]

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


def _named(error: Exception) -> TvsightError:
    """An error as one that the command line explains.

    A task may fail in unforeseen ways: a device out of memory, a fault in a library or in tvsight.
    The type of the error then says what its text often leaves out.
    """
    if isinstance(error, TvsightError):
        return error
    text = str(error).strip()
    named = MeasurementError(f"{type(error).__name__}: {text}" if text else type(error).__name__)
    named.__cause__ = error
    return named
