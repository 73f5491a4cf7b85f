"""Jobs on an NDIF server: submit them, remember them on disk, and wait for their results."""

import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from tvsight.errors import RefusedError, ServerError, TvsightError, option
from tvsight.execution.jobs import Job, JobHistory
from tvsight.execution.ndif.client import Answer, NdifClient, ResultGone, Unanswered
from tvsight.execution.ndif.exchange import brief
from tvsight.execution.ndif.parcel import digest, payload
from tvsight.execution.ndif.patience import pause
from tvsight.execution.ndif.preflight import not_pinned, other_precision, rehearse
from tvsight.execution.ndif.results import WrongResult, unseal
from tvsight.interventions.decoder import Decoder
from tvsight.storage.job_records import JobRecord, Records, result_of

PASSING = "try again later"
"""The end of NDIF's message where a failure is its own and not the block's."""
OVER_LIMIT = "exceeded the execution timeout"
PINNED_ONLY = "hotswapping is not supported for this API key"
MARGIN, EPISODE_MARGIN = 64_000_000, 64_000
"""Bytes that a result may have beside its vectors: of all episodes, and of each. The answers of an
episode take a tenth of it for the deepest models."""
FETCHES, SUBMISSIONS = 2, 2
"""Number of times that a wrong result is fetched, and of jobs that are submitted for it."""

Answered = TypeVar("Answered")


class JobFailed(TvsightError):
    """The server cannot do a job, and could not do it the next time either."""


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
        asked: names of all results that the run is going to measure.
        """
        self.client = client
        self.dtype = dtype
        self.records = Records(results)
        self.capacity = capacity
        self.about = {"kind": "NDIF", "versions": versions or {}}
        self._rehearsed: set[Callable[..., Any]] = set()
        self._asked = set(asked)

    def begin(self, decoder: Decoder, job: Job, name: str) -> "_Submitted":
        """Submit a job, or pick up the one that an earlier process submitted."""
        self._asked.add(result_of(name))
        return _Submitted(self, decoder, job, name)

    def finished(self, names: list[str]) -> None:
        """Forget jobs whose results are stored."""
        for name in names:
            self.records.forget(name)

    def forget(self) -> None:
        """Forget the jobs for the results of this run, whichever process sent them."""
        for record in self.records.all():
            if record.host == self.client.host and result_of(record.name) in self._asked:
                self.records.forget(record.name)

    def wait(self) -> None:
        """Let some time pass before the server is asked again."""
        time.sleep(self.client.patience.poll_s)

    def rehearse(self, decoder: Decoder, job: Job) -> None:
        """Rehearse a job's function here, once."""
        if job.function not in self._rehearsed:
            rehearse(job, decoder, self.dtype)
            self._rehearsed.add(job.function)


class _Submitted:
    """One job on the server. It is submitted again when the server loses it."""

    def __init__(self, place: Remote, decoder: Decoder, job: Job, name: str) -> None:
        self._place = place
        self._client = place.client
        self._sent = (decoder, job)
        self._began = time.monotonic()
        self._told = len(self._client.faults)
        """Number of the client's faults that are older than this job, or in its history."""
        self._failures = 0
        self._wrong_results = 0
        self._answer: Answer | None = None
        self._since = self._began
        """Time since the answer is the same (`time.monotonic`)."""
        self._again_at: float | None = None
        """Time of the next submission; None while the job is on the server."""
        self.history = JobHistory()
        fresh = JobRecord(name, "", self._client.host, decoder.nn.to_model_key(), digest(job), "")
        known = place.records.read(name)
        if known is not None and known.is_for_same(fresh):
            self.history.faults.extend(known.faults)
            self._take(known)
        else:
            self._submit(fresh)

    @property
    def state(self) -> str:
        """The state of the job, as far as it is known."""
        if self._again_at is not None:
            return "failed"
        return self._answer.state if self._answer else "queued"

    def result(self) -> Any | None:
        """See `Pending.result`."""
        if self._again_at is not None:
            if time.monotonic() >= self._again_at:
                self._submit(self._record)
            return None
        answer = self._ask(self._client.job, self._record.job_id)
        if answer is not None and not self._record.accepted:
            self._write(replace(self._record, accepted=True))
        if answer != self._answer:
            self._answer, self._since = answer, time.monotonic()
        if answer is not None and answer.state == "done":
            try:
                return self._fetched(answer.link)
            except ResultGone as gone:
                self._again(str(gone))
            except WrongResult as wrong:
                self._refused(str(wrong))
        elif answer is not None and answer.state == "failed":
            self._failed(answer.text)
        elif self._is_lost():
            accepted = self._record.accepted
            self._again("the server has lost it" if accepted else "the server has not accepted it")
        else:
            self._check_time()
        return None

    def _submit(self, record: JobRecord) -> None:
        """Submit the job under a new name.

        The name is written down first, so that the job is found again whatever ends this process,
        and whether or not the server's answer arrives.
        """
        decoder, job = self._sent
        self._place.rehearse(decoder, job)
        content = payload(decoder, job, record.asked)
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
        self.history.job_id = record.job_id
        self._answer, self._since = None, time.monotonic()

    def _ask(self, ask: Callable[[str], Answered], what: str) -> Answered:
        """Ask the client, and remember its faults with the job."""
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
        """Add the new faults of the client to the history, and return whether there are any."""
        new = self._client.faults[self._told :]
        self._told += len(new)
        self.history.faults.extend(text for _, text in new)
        return bool(new)

    def _write(self, record: JobRecord) -> None:
        self._record = replace(record, faults=tuple(self.history.faults))
        self._place.records.write(self._record)

    def _fetched(self, link: str | None) -> Any:
        """The return value of the function.

        Raises:
            ResultGone: when the result is no longer there.
            WrongResult: when the result is not the one that the server computed for this job.
            RefusedError: when the server holds the model in another precision. The jobs of this run
                are forgotten then.
        """
        if link is None:
            raise WrongResult("the server does not say where it is")
        job = self._sent[1]
        most = MARGIN + job.vector_bytes + EPISODE_MARGIN * job.episodes
        saved = self._ask(lambda where: self._client.result(where, most), link)
        content = unseal(saved, self._record.asked)
        self.history.device = content["device"]
        if content["dtype"] != self._place.dtype:
            self._place.forget()
            raise other_precision(self._client.host, content["dtype"], self._place.dtype)
        return content["value"]

    def _failed(self, text: str) -> None:
        if PASSING in text:
            self._again(brief(text))
            return
        advice = ""
        if OVER_LIMIT in text:
            smaller = f"{option('max_job_episodes')}, or {option('episodes_per_split')}"
            advice = f" Cut it with a smaller {smaller}."
        self._place.records.forget(self._record.name)
        if PINNED_ONLY in text:
            raise not_pinned(self._client, self._record.model)
        what = f"job {self._record.job_id} on {self._record.host}"
        raise JobFailed(f"{what}: {brief(text)}{advice}")

    def _again(self, fault: str) -> None:
        """Submit once more after a pause, a bounded number of times."""
        self._failures += 1
        self.history.faults.append(f"job {self._record.job_id}: {fault}")
        why = fault if fault.endswith(".") else f"{fault}."
        if self._failures > self._client.patience.retries:
            raise ServerError(
                f"Job {self._record.job_id} on {self._record.host} failed {self._failures} times, "
                f"the last time because: {why} Repeat the command to try again."
            )
        seconds = pause(self._failures)
        self._again_at = time.monotonic() + seconds
        self._client.tell(
            f"Job {self._record.job_id}: {why} It is submitted again in {seconds:.0f} s"
        )

    def _refused(self, why: str) -> None:
        """Fetch a wrong result once more, then submit its job again, then give up."""
        self._wrong_results += 1
        job_id, host = self._record.job_id, self._record.host
        if self._wrong_results % FETCHES:
            self.history.faults.append(f"the result of job {job_id} was fetched again: {why}")
            self._write(self._record)
            self._client.tell(f"The result of job {job_id} is fetched again: {why}")
        elif (
            self._wrong_results < FETCHES * SUBMISSIONS
            and self._failures < self._client.patience.retries
        ):
            self._again(f"its result is wrong: {why}")
        else:
            raise ServerError(
                f"The result of job {job_id} on {host} is wrong each time that it is fetched: "
                f"{why}. Nothing of it is stored. Repeat the command to fetch it again, or "
                f"{self._forgetting} and repeat the command to submit the job anew."
            )

    @property
    def _forgetting(self) -> str:
        """The command that forgets this job."""
        folder = shlex.quote(str(self._place.records.folder.parent))
        return f"`python -m analyses.ndif_status --results {folder} --forget {self._record.job_id}`"

    def _is_lost(self) -> bool:
        """Whether the job stands still since the server had a fault, or was never heard of.

        A restarted server forgets what was queued, though it still shows its last status. What
        was running ends by itself, unless its end could not be written down.
        """
        patience = self._client.patience
        still = time.monotonic() - self._since
        if self._answer is None:
            return still > (patience.lost_s if self._record.accepted else patience.unconfirmed_s)
        fault_since = any(when >= self._since for when, _ in self._client.faults)
        periods = 1 if self.state == "queued" else 5
        return fault_since and still > periods * patience.lost_s

    def _check_time(self) -> None:
        limit = self._client.patience.job_s
        if time.monotonic() - self._began > limit:
            raise ServerError(
                f"Job {self._record.job_id} on {self._record.host} is still {self.state} after "
                f"{limit / 60:.0f} minutes of waiting. It is not given up: repeat the command to "
                f"wait for it, or {self._forgetting} and repeat it to submit the job anew."
            )
