"""Measure tasks with loaded models, several at a time where the place has room for them."""

import warnings
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

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
from tvsight.run.measurement import Measurement
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Request
from tvsight.run.provenance import provenance
from tvsight.run.travel import size
from tvsight.storage.manifests import EPISODES_FILE, Key
from tvsight.storage.ownership import put_back
from tvsight.storage.store import DamagedResult, Store
from tvsight.storage.versions import LaterVersion

if TYPE_CHECKING:
    import pandas as pd

    from tvsight.execution.jobs import Job, Place
    from tvsight.models.loading import Model

ENDED_JOBS = 6
"""Number of jobs that stay in the table of jobs after they are done or have failed."""


class Measurements:
    """The measurements of one loaded model.

    Attributes:
        alone: whether no other model is measured meanwhile; else lines name the model too.
    """

    def __init__(self, config: RunConfig, store: Store, model: "Model", display: Display) -> None:
        self.config = config
        self.store = store
        self.model = model
        self.display = display
        self.alone = True
        self._under_way: list[Measurement] = []
        self._ended: deque[JobLine] = deque(maxlen=ENDED_JOBS)

    def rounds(
        self, missing: Sequence[Request], place: "Place", outcome: Outcome
    ) -> Generator[bool]:
        """Measure and store each request, in rounds that say whether any began or ended. The caller
        lets time pass where none did. Failures go into `outcome`; for errors see `measure`.
        """
        waiting = deque(missing)
        try:
            while waiting or self._under_way:
                moved = self._begin_some(waiting, place, outcome)
                yield self._advance_all(place, outcome) or moved
        finally:
            for measurement in self._under_way:
                measurement.lock.release()

    def lines(self) -> list[JobLine]:
        """The jobs on a server, of what ended last and of what is under way."""
        under_way = [
            (self._named(one.request), *line) for one in self._under_way for line in one.lines()
        ]
        return [*self._ended, *under_way]

    def save_episodes(self, asked: Sequence[Request]) -> None:
        """Write the episodes of some requests to the file that the options name."""
        path = Path(str(self.config.save_episodes))
        episodes = [episode for request in asked for episode in request.episodes(self.model)]
        try:
            write_episodes(path, episodes)
        except OSError as error:
            raise UsageError(f"--save-episodes {path}: {error.strerror or error}") from error

    def _begin_some(self, waiting: deque[Request], place: "Place", outcome: Outcome) -> bool:
        """Begin what the place has room for.

        Returns:
            Whether anything left the queue.
        """
        moved = False
        for _ in range(len(waiting)):
            if len(self._under_way) >= place.capacity:
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
                self._under_way.append(begun)
        return moved

    def _announce(self, request: Request, jobs: "list[Job]", place: "Place") -> None:
        """Say how many vectors a server will send back, before anything is sent there."""
        vectors = sum(job.vector_bytes for job in jobs)
        if vectors and place.distant:
            self.display.note(
                f"{self._named(request)}: {counted(len(jobs), 'job')} to be sent, {size(vectors)} "
                "of vectors to come back (--no-vectors keeps rows only)"
            )

    def _begin(self, request: Request, lock: BaseFileLock, place: "Place") -> "Measurement | None":
        """Begin a measurement; None where another process has stored the result meanwhile."""
        put_back(self.store, request.result.path)
        if is_stored(self.store, request, self.display, is_locked=True):
            self._tell(request, self.store.rows(request.result.path))
            return None
        self.display.task(self._named(request))
        return Measurement(request, lock, place, self.model, partial(self._announce, request))

    def _advance_all(self, place: "Place", outcome: Outcome) -> bool:
        """Look after everything under way.

        Returns:
            Whether any of it ended.
        """
        moved = False
        for measurement in list(self._under_way):
            has_ended = True  # where it fails
            with self._noting_failure(measurement.request, outcome):
                has_ended = self._advance(measurement, place)
            if not has_ended:
                continue
            moved = True
            self._under_way.remove(measurement)
            named = self._named(measurement.request)
            self._ended.extend((named, *line) for line in measurement.lines())
            measurement.lock.release()
        return moved

    def _advance(self, measurement: "Measurement", place: "Place") -> bool:
        """Look after one measurement, and store it when it has ended; returns whether it has."""
        with warnings.catch_warnings(record=True) as caught:
            try:
                measured = measurement.advance(place)
            except MeasurementError:  # the same results would come again
                place.finished(measurement.names)
                raise
        for warning in caught:
            self.display.note(f"{self._named(measurement.request)}: {warning.message}")
            if issubclass(warning.category, ShortOfMemory):
                measurement.retries.append(str(warning.message))
        if measured is None:
            return False
        request = measurement.request
        origin = {
            **provenance(self.model, request.identity["weights"], measurement.seconds),
            "retries": measurement.retries,
            **(measured.notes or {}),
            EPISODES_FILE: request.plan.digests or None,
            "place": place.about,
            "jobs": [vars(job.history) for job in measurement.jobs if job.history.job_id],
        }
        vectors = measured.vectors or None
        self.model.check()
        self.store.save(request.result, measured.rows, vectors, origin, measured.episodes)
        self._tell(request, measured.rows)
        place.finished(measurement.names)  # a failed task's finished jobs can still be reused
        return True

    def _tell(self, request: Request, rows: "pd.DataFrame") -> None:
        """Print the line of a request whose result is stored."""
        self.display.measured(self._named(request), request.line(rows))

    def _named(self, request: Request) -> str:
        return request.name if self.alone else str(Key(self.model.name, request.name))

    @contextmanager
    def _noting_failure(self, request: Request, outcome: Outcome) -> Iterator[None]:
        """Note an error of the block as the failure of a request; errors that concern the whole
        run are raised."""
        try:
            yield
        except (ServerError, StorageError, RefusedError, LaterVersion):
            raise
        except Exception as error:
            failure = _explained(error)
        else:
            return
        if self.config.fail_fast:
            raise failure
        outcome.failures[Key(self.model.name, request.name)] = str(failure)
        self.display.failed(self._named(request), str(failure))


Part = tuple[Measurements, Sequence[Request], "Place"]
"""The measurements of a model, what is missing of it, and where it is measured."""


def measure(parts: Sequence[Part], display: Display, outcome: Outcome) -> None:
    """Measure several models side by side; failures go into `outcome`.

    Raises:
        ServerError: when a server does not do its work. Jobs that it has are remembered.
        StorageError: when a result cannot be written. Earlier ones are untouched.
        LaterVersion: when a later tvsight wrote one of the results, or the record of a job.
        TvsightError: any failure, with `fail_fast`.
    """
    names = ", ".join(measurements.model.name for measurements, _, _ in parts)
    with display.tasks(names, sum(len(missing) for _, missing, _ in parts)), ExitStack() as ending:
        going = []
        for measurements, missing, place in parts:
            measurements.alone = len(parts) == 1
            rounds = ending.enter_context(closing(measurements.rounds(missing, place, outcome)))
            going.append((rounds, place))
        while going:
            moved = [(one, next(one[0], None)) for one in going]
            display.jobs([line for measurements, _, _ in parts for line in measurements.lines()])
            going = [one for one, state in moved if state is not None]
            if going and not any(state for _, state in moved):
                going[0][1].wait()


def is_stored(
    store: Store, request: Request, display: Display | None = None, is_locked: bool = False
) -> bool:
    """Whether the store holds a request.

    Args:
        display: where a damaged result is named. It is then moved aside; without, it stays.
        is_locked: whether the caller holds the lock of the result.

    Raises:
        StorageError: when it cannot be moved.
        LaterVersion: when a later tvsight wrote it. It is not moved then.
    """
    try:
        return request.is_in(store)
    except DamagedResult as damage:
        if display is None:
            return False
        if is_locked:
            place = store.set_aside(request.result.path)
            display.note(f"Damaged: {damage}. Moved to {place}; it is measured again.")
            return False
    lock = store.acquire(request.result)
    if lock is None:  # another process has found the damage too, and measures it
        return False
    try:
        return is_stored(store, request, display, is_locked=True)
    finally:
        lock.release()


def _explained(error: Exception) -> TvsightError:
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
