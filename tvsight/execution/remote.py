"""Jobs on an NDIF server: remembered on disk, picked up again, waited for."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from tvsight.errors import RefusedError, ServerError, TvsightError
from tvsight.execution.jobs import Job, Trace
from tvsight.execution.ndif import Answer, NdifClient, ResultGone, Unanswered
from tvsight.execution.parcel import digest, payload
from tvsight.execution.patience import pause
from tvsight.execution.preflight import other_precision, rehearse
from tvsight.execution.records import JobRecord, Records, result_of
from tvsight.models.decoder import Decoder

PASSING = "try again later"
"""What NDIF ends its message with when a failure is its own and not the block's."""
OVER_LIMIT = "exceeded the execution timeout"

Answered = TypeVar("Answered")


class JobFailed(TvsightError):
    """A job that the server could not do, and would not do the next time either."""


class Remote:
    """An NDIF server as a place for jobs."""

    distant = True

    def __init__(
        self,
        client: NdifClient,
        results: Path,
        dtype: str,
        capacity: int = 2,
        versions: dict[str, str] | None = None,
        asked: Iterable[str] = (),
    ) -> None:
        """Args:
        dtype: the precision that results are stored under: the server must hold it.
        versions: of packages on the server, for manifests.
        asked: names of the results that the run lacks, beside those that jobs begin for.
        """
        self.client = client
        self.dtype = dtype
        self.records = Records(results)
        self.capacity = capacity
        self.about = {"kind": "NDIF", "versions": versions or {}}
        self._rehearsed: set[Callable[..., Any]] = set()
        self._asked = set(asked)

    def begin(self, decoder: Decoder, job: Job, name: str) -> "_Submitted":
        """Submit a job, or take up the one that an earlier process submitted."""
        self._asked.add(result_of(name))
        return _Submitted(self, decoder, job, name)

    def finished(self, names: list[str]) -> None:
        """Forget jobs whose results are stored."""
        for name in names:
            self.records.forget(name)

    def refused(self, held: str) -> RefusedError:
        """The server holds the model in another precision: no job of this run is of use."""
        self.forget()
        return other_precision(self.client.host, held, self.dtype)

    def forget(self) -> None:
        """Forget the server's jobs for the results of this run, whichever process sent them."""
        for record in self.records.all():
            if record.host == self.client.host and result_of(record.name) in self._asked:
                self.records.forget(record.name)

    def wait(self) -> None:
        """Until the server is asked again."""
        time.sleep(self.client.patience.poll_s)

    def rehearse(self, decoder: Decoder, job: Job) -> None:
        """Try a job's function here, once."""
        if job.function not in self._rehearsed:
            rehearse(job, decoder, self.dtype)
            self._rehearsed.add(job.function)


@dataclass(frozen=True)
class _Seen:
    """What a job was last seen to do, and since when (`time.monotonic`)."""

    answer: Answer | None
    since: float


class _Submitted:
    """One job on the server, submitted again when the server loses it."""

    def __init__(self, place: Remote, decoder: Decoder, job: Job, name: str) -> None:
        self._place = place
        self._client = place.client
        self._sent = (decoder, job)
        self._began = time.monotonic()
        self._told = len(self._client.faults)
        """How many of the client's faults are older than this job, or in its trace."""
        self._failures = 0
        self._seen = _Seen(None, self._began)
        self._again_at: float | None = None
        """When it is submitted again; None while it is on the server."""
        self.trace = Trace()
        fresh = JobRecord(name, "", self._client.host, decoder.nn.to_model_key(), digest(job), "")
        known = place.records.read(name)
        if known is not None and known.is_for_same(fresh):
            self.trace.faults.extend(known.faults)
            self._take(known)
        else:
            self._submit(fresh)

    @property
    def state(self) -> str:
        """What the job does, as far as is known."""
        if self._again_at is not None:
            return "failed"
        return self._seen.answer.state if self._seen.answer else "queued"

    def result(self) -> Any | None:
        """See `Pending.result`."""
        if self._again_at is not None:
            if time.monotonic() >= self._again_at:
                self._submit(self._record)
            return None
        answer = self._ask(self._client.job, self._record.job_id)
        if answer is not None and not self._record.accepted:
            self._write(replace(self._record, accepted=True))
        if answer != self._seen.answer:
            self._seen = _Seen(answer, time.monotonic())
        if answer is not None and answer.state == "done" and answer.link:
            try:
                return self._checked(self._ask(self._client.result, answer.link))
            except ResultGone as gone:
                self._again(str(gone))
        elif answer is not None and answer.state == "failed":
            self._failed(answer.text)
        elif self._is_lost():
            accepted = self._record.accepted
            self._again("the server has lost it" if accepted else "the server has not accepted it")
        else:
            self._check_time()
        return None

    def _submit(self, record: JobRecord) -> None:
        """Hand the job over, under a new name.

        The name is written down first, so that the job is found again whatever ends this process
        and whether or not the server's answer arrives.
        """
        decoder, job = self._sent
        self._place.rehearse(decoder, job)
        content = payload(decoder, job)
        self._note_faults()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = replace(record, job_id=uuid4().hex, submitted=now, accepted=False)
        self._write(record)
        try:
            job_id = self._client.submit(record.model, content, record.job_id)
        except Unanswered:
            pass  # it is looked for
        except TvsightError:
            self._place.records.forget(record.name)
            raise
        else:
            self._write(replace(record, job_id=job_id, accepted=True))
        self._take(self._record)

    def _take(self, record: JobRecord) -> None:
        self._record = record
        self._again_at = None
        self.trace.job_id = record.job_id
        self._seen = _Seen(None, time.monotonic())

    def _ask(self, ask: Callable[[str], Answered], what: str) -> Answered:
        """Ask the client; what went wrong meanwhile is remembered with the job."""
        try:
            return ask(what)
        except (ServerError, RefusedError) as error:
            raise type(error)(
                f"{error} Job {self._record.job_id} is remembered: repeat the command to wait for "
                "it."
            ) from error
        finally:
            if self._note_faults():
                self._write(self._record)

    def _note_faults(self) -> bool:
        """Whether the client met faults since it was last looked at; the trace has them then."""
        new = self._client.faults[self._told :]
        self._told += len(new)
        self.trace.faults.extend(text for _, text in new)
        return bool(new)

    def _write(self, record: JobRecord) -> None:
        self._record = replace(record, faults=tuple(self.trace.faults))
        self._place.records.write(self._record)

    def _checked(self, saved: Any) -> Any:
        job = f"job {self._record.job_id} on {self._record.host}"
        try:
            value, dtype, device = (saved["result"][name] for name in ("value", "dtype", "device"))
        except (KeyError, TypeError) as error:
            raise ServerError(f"The result of {job} is not what was asked for.") from error
        self.trace.device = device
        if dtype != self._place.dtype:
            raise self._place.refused(dtype)
        return value

    def _failed(self, text: str) -> None:
        if PASSING in text:
            self._again(text)
            return
        advice = ""
        if OVER_LIMIT in text:
            advice = " Cut it with a smaller --max-job-episodes, or --episodes-per-split."
        self._place.records.forget(self._record.name)
        raise JobFailed(f"job {self._record.job_id} on {self._record.host}: {text}{advice}")

    def _again(self, fault: str) -> None:
        """Submit once more after a while, a bounded number of times."""
        self._failures += 1
        self.trace.faults.append(f"job {self._record.job_id}: {fault}")
        if self._failures > self._client.patience.retries:
            raise ServerError(
                f"Job {self._record.job_id} on {self._record.host} failed {self._failures} times, "
                f"the last time because: {fault} Repeat the command to try again."
            )
        self._again_at = time.monotonic() + pause(self._failures)

    def _is_lost(self) -> bool:
        """Whether the job stands still since the server had a fault, or was never heard of.

        A restarted server forgets what was queued, though it still shows its last status. What
        was running ends by itself, unless its end could not be written down.
        """
        patience, since = self._client.patience, self._seen.since
        still = time.monotonic() - since
        if self._seen.answer is None:
            return still > (patience.lost_s if self._record.accepted else patience.unconfirmed_s)
        fault_since = any(when >= since for when, _ in self._client.faults)
        periods = 1 if self.state == "queued" else 5
        return fault_since and still > periods * patience.lost_s

    def _check_time(self) -> None:
        limit = self._client.patience.job_s
        if time.monotonic() - self._began > limit:
            raise ServerError(
                f"Job {self._record.job_id} on {self._record.host} is still {self.state} after "
                f"{limit / 60:.0f} minutes of waiting. It is not given up: repeat the command to "
                "wait for it, or `python -m analyses.ndif_status --forget "
                f"{self._record.job_id}` to submit it anew."
            )
