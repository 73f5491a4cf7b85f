"""Jobs on an NDIF server: shipped by source, remembered on disk, picked up again, waited for."""

import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nnsight
import torch
from nnsight.ndif import pull_env
from nnsight.schema.request import RequestModel

import tvsight
from tvsight.errors import ServerError, TvsightError, UsageError
from tvsight.execution.jobs import Job, Trace
from tvsight.execution.ndif import Answer, NdifClient, ResultGone
from tvsight.execution.preflight import rehearse
from tvsight.execution.records import JobRecord, Records
from tvsight.models.decoder import Decoder

PASSING = "try again later"
"""What NDIF ends its message with when a failure is its own and not the block's."""
OVER_LIMIT = "exceeded the execution timeout"


class JobFailed(TvsightError):
    """A job that the server could not do, and would not do the next time either."""


def payload(decoder: Decoder, job: Job) -> bytes:
    """What is sent for a job: the source of its function and all that it calls, and its arguments.

    Weights stay where they are; the server knows the model by name.
    """
    nnsight.register("tvsight")
    pull_env()
    parcel = _Parcel()
    function, arguments = job.function, job.arguments
    with decoder.nn.session(backend=parcel):
        result = nnsight.save(_with_place(decoder, function, arguments))  # noqa: F841
    return parcel.content


def _with_place(
    decoder: Decoder, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> dict[str, Any]:
    """On the server: what the function returns, and what it ran on."""
    device = decoder.device.type
    return {
        "value": function(decoder, *arguments, None),
        "dtype": str(decoder.dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }


class Remote:
    """An NDIF server as a place for jobs."""

    def __init__(
        self,
        client: NdifClient,
        results: Path,
        dtype: str,
        capacity: int = 2,
        versions: dict[str, str] | None = None,
    ) -> None:
        """Args:
        dtype: the precision that results are stored under: the server must hold it.
        versions: of packages on the server, for manifests.
        """
        self.client = client
        self.dtype = dtype
        self.records = Records(results)
        self.capacity = capacity
        self.about = {"kind": "NDIF", "versions": versions or {}}
        self._rehearsed = False

    def begin(self, decoder: Decoder, job: Job, name: str) -> "_Submitted":
        """Submit a job, or take up the one that an earlier process submitted."""
        model = decoder.nn.to_model_key()
        digest = _digest(job)

        def submit() -> JobRecord:
            if not self._rehearsed:
                rehearse(job, decoder)
                self._rehearsed = True
            job_id = self.client.submit(model, payload(decoder, job))
            now = datetime.now(UTC).isoformat(timespec="seconds")
            record = JobRecord(name, job_id, self.client.host, model, digest, now)
            self.records.write(record)
            return record

        known = self.records.read(name)
        same = known and (known.host, known.model, known.digest) == (
            self.client.host,
            model,
            digest,
        )
        return _Submitted(self.client, self.dtype, submit, known if same else None)

    def finished(self, names: list[str]) -> None:
        """Forget jobs whose results are stored."""
        for name in names:
            self.records.forget(name)

    def wait(self) -> None:
        """Until the server is asked again."""
        time.sleep(self.client.patience.poll_s)


@dataclass(frozen=True)
class _Seen:
    """What a job was last seen to do, and since when (`time.monotonic`)."""

    answer: Answer | None
    since: float


class _Submitted:
    """One job on the server, submitted again when the server loses it."""

    def __init__(
        self,
        client: NdifClient,
        dtype: str,
        submit: Callable[[], JobRecord],
        known: JobRecord | None,
    ) -> None:
        self._client = client
        self._dtype = dtype
        self._submit = submit
        self.trace = Trace()
        self._began = time.monotonic()
        self._seen = _Seen(None, self._began)
        self._take(known or submit())

    @property
    def state(self) -> str:
        """What the job does, as far as is known."""
        return self._seen.answer.state if self._seen.answer else "queued"

    def result(self) -> Any | None:
        """See `Pending.result`."""
        try:
            answer = self._client.job(self._record.job_id)
        except ServerError as error:
            job = f"Job {self._record.job_id} is remembered: repeat the command to wait for it."
            raise ServerError(f"{error} {job}") from error
        if answer != self._seen.answer:
            self._seen = _Seen(answer, time.monotonic())
        if answer is not None and answer.state == "done" and answer.link:
            try:
                return self._checked(self._client.result(answer.link)["result"])
            except ResultGone as gone:
                self._again(str(gone))
        elif answer is not None and answer.state == "failed":
            self._failed(answer.text)
        elif self._is_lost():
            self._again("the server has lost it")
        else:
            self._check_time()
        return None

    def _checked(self, result: dict[str, Any]) -> Any:
        self.trace.device = result["device"]
        waited_out = [fault for when, fault in self._client.faults if when >= self._began]
        self.trace.faults.extend(waited_out)
        if result["dtype"] != self._dtype:
            raise UsageError(
                f"{self._record.host} holds the model in {result['dtype']}, not {self._dtype}: "
                f"repeat with --dtype {result['dtype']}."
            )
        return result["value"]

    def _take(self, record: JobRecord) -> None:
        self._record = record
        self.trace.job_id = record.job_id
        self._seen = _Seen(None, time.monotonic())

    def _failed(self, text: str) -> None:
        if PASSING in text:
            self._again(text)
            return
        advice = ""
        if OVER_LIMIT in text:
            advice = " Cut it with a smaller --max-job-episodes, or --episodes-per-split."
        raise JobFailed(f"job {self._record.job_id} on {self._record.host}: {text}{advice}")

    def _again(self, fault: str) -> None:
        """Submit once more, a bounded number of times."""
        patience = self._client.patience
        self.trace.faults.append(f"job {self._record.job_id}: {fault}")
        if len(self.trace.faults) > patience.retries:
            raise ServerError(
                f"Job {self._record.job_id} on {self._record.host} failed "
                f"{len(self.trace.faults)} times, the last time because: {fault} Repeat the "
                "command to try again."
            )
        longest = min(2.0 ** len(self.trace.faults), patience.lost_s)
        time.sleep(random.uniform(longest / 2, longest))
        self._take(self._submit())

    def _is_lost(self) -> bool:
        """Whether the job stands still since the server had a fault, or was never heard of.

        A restarted server forgets what was queued, though it still shows its last status. What
        was running ends by itself, unless its end could not be written down.
        """
        since, limit = self._seen.since, self._client.patience.lost_s
        still = time.monotonic() - since
        if self._seen.answer is None:
            return still > limit
        fault_since = any(when >= since for when, _ in self._client.faults)
        return fault_since and still > (limit if self.state == "queued" else 5 * limit)

    def _check_time(self) -> None:
        limit = self._client.patience.job_s
        if time.monotonic() - self._began > limit:
            raise ServerError(
                f"Job {self._record.job_id} on {self._record.host} is still {self.state} after "
                f"{limit / 60:.0f} minutes of waiting. It is not given up: repeat the command to "
                "wait for it, or `python -m analyses.ndif_status --forget "
                f"{self._record.job_id}` to submit it anew."
            )


class _Parcel(nnsight.tracing.backend.Backend):
    """Takes a session as the bytes that a server would receive, instead of running it."""

    content = b""

    def __call__(self, tracer: Any) -> None:
        self.content = RequestModel.serialize(tracer, compress=True)


def _digest(job: Job) -> str:
    """Stands for what a job asks: its function and arguments, and the code that answers."""
    asked = [tvsight.__version__, job.function.__qualname__, job.arguments]
    text = json.dumps(asked, sort_keys=True, default=torch.Tensor.tolist)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
