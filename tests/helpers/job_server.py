"""A server that takes jobs and answers as a test says, and the place of its jobs."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.tiny_llama import HOST
from tvsight.errors import ServerError
from tvsight.execution.jobs import Job
from tvsight.execution.ndif import remote
from tvsight.execution.ndif.client import Answer
from tvsight.execution.ndif.parcel import digest
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.remote import Remote
from tvsight.execution.ndif.results import WrongResult, seal
from tvsight.protocol.measure import measure
from tvsight.storage.job_records import JobRecord

RECORD = JobRecord("to_upper-0123-0", "a1", "http://server", "key", "digest", "2026-01-01T00:00:00")


PATIENCE = Patience(retries=2, lost_s=0.1, unconfirmed_s=0.05, job_s=60)


@dataclass
class Server:
    """Takes jobs, under names of its own, and says of each what `answers` holds, in order; the
    last answer stays. An exception among them is raised, as one among what submissions meet is."""

    answers: list[Any]
    patience: Patience = PATIENCE
    host: str = HOST
    results: list[Any] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    refusals: list[BaseException] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    """What it says of itself, by path."""
    asked: list[str] = field(default_factory=list)
    """What stands for each job that was submitted."""
    proposed: list[str] = field(default_factory=list)
    """Names that the client gave its jobs."""

    def submit(self, model_key: str, content: bytes, job_id: str) -> str:
        self.proposed.append(job_id)
        if self.refusals:
            raise self.refusals.pop(0)
        self.submitted.append(f"job{len(self.submitted)}")
        self.asked.append(content.decode())
        return self.submitted[-1]

    def get(self, path: str) -> Any:
        if path not in self.documents:
            raise ServerError(f"{path} does not answer")
        return self.documents[path]

    def job(self, job_id: str) -> Answer | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert answer is None or isinstance(answer, Answer)
        return answer

    def result(self, link: str, most: int) -> Any:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        if isinstance(result, dict):
            return result
        return sealed(result)

    def tell(self, text: str) -> None:
        self.told.append(text)


def sealed(value: str, asked: str = "") -> dict[str, Any]:
    """A result as it is saved."""
    content = {"value": value, "dtype": "float32", "device": "a GPU"}
    return {"result": seal(content, asked or ASKED)}


QUEUED, RUNNING = Answer("queued", "", None), Answer("running", "", None)


DONE = Answer("done", "", "http://store/result")


BUSY = Answer("failed", "The model was lost. Please try again later.", None)


LATE = Answer("failed", "Your job exceeded the execution timeout of 5.0s.", None)


UNPINNED = Answer(
    "failed",
    "Model is not pinned and hotswapping is not supported for this API key. "
    "See https://nnsight.net/status/ for a list of scheduled models.",
    None,
)


WRONG = Answer("failed", "ValueError: no", None)


DECODER: Any = SimpleNamespace(nn=SimpleNamespace(to_model_key=lambda: "model"))
JOB = Job(measure, ({"shared": [[1]]}, {"shared": [[2]]}))


ASKED = replace(RECORD, model="model", digest=digest(JOB)).asked


@pytest.fixture
def submits(monkeypatch: pytest.MonkeyPatch, brief_pauses: None) -> None:
    """What is sent, and its rehearsal, are other tests' subject."""
    monkeypatch.setattr(remote, "payload", lambda decoder, job, asked: asked.encode())
    monkeypatch.setattr(remote, "rehearse", lambda job, decoder, dtype: 0.0)
    monkeypatch.setattr(remote, "pause", lambda attempt: 0.02)


def place(server: Server, results: Path) -> Remote:
    client: Any = server
    return Remote(client, results, "float32")


def outcome(pending: Any, limit_s: float = 5.0) -> Any:
    deadline = time.monotonic() + limit_s
    while (result := pending.result()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return result


OTHERS = [
    WrongResult("it is damaged"),
    sealed("value", "of another job"),
    {"result": {**sealed("value")["result"], "value": "other"}},
    {"result": {"value": "value", "dtype": "float32", "device": "a GPU"}},
    {"result": 7},
]


WRONG_RESULTS = pytest.mark.parametrize("wrong", OTHERS, ids=range(len(OTHERS)))
