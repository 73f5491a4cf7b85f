"""When a job is submitted, taken up, tried again or given up."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tvsight
from tests.helpers.tiny_llama import HOST
from tvsight.errors import RefusedError, ServerError, UsageError
from tvsight.execution import Job
from tvsight.execution.ndif import patience, remote
from tvsight.execution.ndif.client import Answer, ResultGone, Unanswered
from tvsight.execution.ndif.parcel import digest
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.remote import JobFailed, Remote
from tvsight.execution.ndif.results import WrongResult, seal
from tvsight.experiments.main_results.measure import measure, measure_dev
from tvsight.storage.job_records import JOBS, JobRecord, Records

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


@pytest.mark.usefixtures("submits")
def test_a_job_is_remembered_until_its_result_is_stored(tmp_path: Path) -> None:
    server = Server([QUEUED, RUNNING, DONE], results=["value"])
    here = place(server, tmp_path)
    pending = here.begin(DECODER, JOB, "n-0")
    (record,) = here.records.all()
    assert (record.name, record.job_id, record.host) == ("n-0", "job0", HOST)
    assert outcome(pending) == "value"
    assert (pending.state, pending.history.device) == ("done", "a GPU")
    assert here.records.all() == [record]
    here.finished(["n-0"])
    assert here.records.all() == []


@pytest.mark.usefixtures("submits")
def test_a_job_of_an_earlier_process_is_taken_up(tmp_path: Path) -> None:
    server = Server([DONE], results=["value"])
    place(server, tmp_path).begin(DECODER, JOB, "n-0")
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    assert outcome(pending) == "value"
    assert server.submitted == ["job0"]


@pytest.mark.usefixtures("submits")
@pytest.mark.parametrize("other", ["arguments", "function", "model", "host", "tvsight", "damaged"])
def test_a_job_that_was_for_something_else_is_not_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    place(Server([DONE]), tmp_path).begin(DECODER, JOB, "n-0")
    server, decoder, job = Server([DONE], results=["value"]), DECODER, JOB
    match other:
        case "arguments":
            job = Job(measure, ({"shared": [[1]]}, {"shared": [[3]]}))
        case "function":
            job = Job(measure_dev, JOB.arguments)
        case "model":
            decoder = SimpleNamespace(nn=SimpleNamespace(to_model_key=lambda: "other"))
        case "host":
            server.host = "http://other"
        case "tvsight":
            monkeypatch.setattr(tvsight, "__version__", "0")
        case "damaged":
            (tmp_path / JOBS / "n-0.json").write_text("{")
    place(server, tmp_path).begin(decoder, job, "n-0")
    assert server.submitted == ["job0"]
    (record,) = Records(tmp_path).all()
    assert record.host == server.host


@pytest.mark.usefixtures("submits")
@pytest.mark.parametrize(
    ("answers", "results", "fault"),
    [
        ([BUSY, DONE], ["value"], BUSY.text),
        ([DONE], [ResultGone("its result is gone"), "value"], "its result is gone"),
    ],
)
def test_a_fault_of_the_server_is_noted_and_the_job_submitted_again(
    tmp_path: Path, answers: list[Any], results: list[Any], fault: str
) -> None:
    server = Server(answers, results=results)
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    assert outcome(pending) == "value"
    assert server.submitted == ["job0", "job1"]
    assert pending.history.faults == [f"job job0: {fault}"]
    assert pending.history.job_id == "job1"
    assert [record.job_id for record in Records(tmp_path).all()] == ["job1"]


@pytest.mark.usefixtures("submits")
def test_a_job_that_the_server_never_heard_of_is_submitted_again(tmp_path: Path) -> None:
    pending = place(server := Server([None]), tmp_path).begin(DECODER, JOB, "n-0")
    while len(server.submitted) == 1:
        assert pending.result() is None
    server.answers, server.results = [DONE], ["value"]
    assert outcome(pending) == "value"
    assert pending.history.faults == ["job job0: the server has lost it"]


@pytest.mark.usefixtures("submits")
@pytest.mark.parametrize(("answer", "periods"), [(QUEUED, 1), (RUNNING, 5)])
def test_a_job_that_stands_still_is_lost_only_if_the_server_had_a_fault(
    tmp_path: Path, answer: Answer, periods: int
) -> None:
    server = Server([answer])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    pending.result()
    until = time.monotonic() + 6 * server.patience.lost_s
    while time.monotonic() < until:
        assert pending.result() is None
    assert server.submitted == ["job0"]
    server.faults.append((time.monotonic(), "no answer"))
    assert pending.result() is None
    assert pending.state == "failed"
    while len(server.submitted) == 1:
        assert pending.result() is None

    pending.result()
    server.faults.append((time.monotonic(), "no answer"))
    began = time.monotonic()
    while len(server.submitted) == 2:
        assert pending.result() is None
    assert time.monotonic() - began > (periods - 0.1) * server.patience.lost_s


@pytest.mark.usefixtures("submits")
def test_faults_without_end_are_given_up(tmp_path: Path) -> None:
    server = Server([BUSY])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    with pytest.raises(ServerError, match=r"Job job2 on http://server failed 3 times.*later"):
        outcome(pending)
    assert len(server.submitted) == 1 + server.patience.retries


@pytest.mark.usefixtures("submits")
@pytest.mark.parametrize(
    ("answer", "words"),
    [(WRONG, "job job0 on http://server: ValueError: no"), (LATE, "--max-job-episodes")],
)
def test_a_failure_of_the_job_itself_is_not_tried_again(
    tmp_path: Path, answer: Answer, words: str
) -> None:
    server = Server([answer])
    with pytest.raises(JobFailed, match=words):
        outcome(place(server, tmp_path).begin(DECODER, JOB, "n-0"))
    assert server.submitted == ["job0"]
    assert Records(tmp_path).all() == []


@pytest.mark.usefixtures("submits")
@pytest.mark.parametrize("error", [ServerError("no answer."), RefusedError("the key was refused.")])
@pytest.mark.parametrize("asked", ["status", "result"])
def test_a_server_that_fails_while_a_job_runs_costs_no_job(
    tmp_path: Path, error: Exception, asked: str
) -> None:
    server = Server([error]) if asked == "status" else Server([DONE], results=[error])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    words = rf"{error} Job job0 is remembered: repeat the command"
    with pytest.raises(type(error), match=words):
        pending.result()
    again = Server([DONE], results=["value"])
    assert outcome(place(again, tmp_path).begin(DECODER, JOB, "n-0")) == "value"
    assert (server.submitted, again.submitted) == (["job0"], [])


OTHERS = [
    WrongResult("it is damaged"),
    sealed("value", "of another job"),
    {"result": {**sealed("value")["result"], "value": "other"}},
    {"result": {"value": "value", "dtype": "float32", "device": "a GPU"}},
    {"result": 7},
]
WRONG_RESULTS = pytest.mark.parametrize("wrong", OTHERS, ids=range(len(OTHERS)))


@pytest.mark.usefixtures("submits")
@WRONG_RESULTS
def test_a_wrong_result_is_fetched_once_more(tmp_path: Path, wrong: Any) -> None:
    server = Server([DONE], results=[wrong, "value"])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    assert outcome(pending) == "value"
    assert server.submitted == ["job0"]
    assert server.asked == [ASKED]
    (fault,) = pending.history.faults
    assert fault.startswith("the result of job job0 was fetched again: it ")
    (told,) = server.told
    assert told.startswith("The result of job job0 is fetched again: it ")


@pytest.mark.usefixtures("submits")
@WRONG_RESULTS
def test_a_job_whose_result_stays_wrong_is_submitted_again_and_then_given_up_by_name(
    tmp_path: Path, wrong: Any
) -> None:
    server = Server([DONE], results=[wrong] * 4)
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    with pytest.raises(ServerError) as error:
        outcome(pending)
    assert server.submitted == ["job0", "job1"]
    assert "The result of job job1 on http://server is wrong each time" in str(error.value)
    assert f"--results {tmp_path} --forget job1`" in str(error.value)
    assert "\n" not in str(error.value)
    # The record stays: the same command fetches the result again, and goes on.
    again = Server([DONE], results=[wrong, wrong, "value"])
    assert outcome(place(again, tmp_path).begin(DECODER, JOB, "n-0")) == "value"
    assert again.submitted == ["job0"]


@pytest.mark.usefixtures("submits")
def test_a_wrong_result_is_given_up_at_once_where_nothing_is_to_be_tried_again(
    tmp_path: Path,
) -> None:
    server = Server([DONE], Patience(retries=0), results=[{}, {}])
    with pytest.raises(ServerError, match="The result of job job0 on http://server is wrong"):
        outcome(place(server, tmp_path).begin(DECODER, JOB, "n-0"))
    assert server.submitted == ["job0"]


@pytest.mark.usefixtures("submits")
def test_a_result_without_a_link_is_asked_for_again(tmp_path: Path) -> None:
    nowhere = Answer("done", "", None)
    server = Server([nowhere, DONE], results=["value"])
    assert outcome(place(server, tmp_path).begin(DECODER, JOB, "n-0")) == "value"
    with pytest.raises(ServerError, match="does not say where it is"):
        outcome(place(Server([nowhere]), tmp_path).begin(DECODER, JOB, "n-1"))


@pytest.mark.usefixtures("submits")
def test_a_result_may_have_what_its_job_announces_and_a_margin(tmp_path: Path) -> None:
    limits: list[int] = []
    server = Server([DONE])
    client: Any = server
    client.result = lambda link, most: limits.append(most) or sealed("value")
    few, many = ({"zero_shot": [[1]] * count} for count in (1, 101))
    jobs = [
        Job(measure, (few,), prompts=1),
        Job(measure, (few,), 10**9, prompts=1),
        Job(measure, (many,), prompts=1),
    ]
    for number, job in enumerate(jobs):
        place(server, tmp_path).begin(DECODER, job, f"n-{number}").result()
    assert 0 < limits[0] < 100e6
    assert limits[1] - limits[0] == 10**9
    assert limits[2] - limits[0] == 100 * remote.EPISODE_MARGIN


@pytest.mark.usefixtures("submits")
def test_why_a_job_is_submitted_again_is_told(tmp_path: Path) -> None:
    server = Server([BUSY, DONE], results=["value"])
    outcome(place(server, tmp_path).begin(DECODER, JOB, "n-0"))
    assert server.told == [f"Job job0: {BUSY.text} It is submitted again in 0 s"]


@pytest.mark.usefixtures("submits")
@pytest.mark.parametrize("error", [ServerError("nobody"), RefusedError("no"), UsageError("large")])
def test_a_job_that_was_refused_is_not_remembered(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        place(Server([], refusals=[error]), tmp_path).begin(DECODER, JOB, "n-0")
    assert Records(tmp_path).all() == []


@pytest.mark.usefixtures("submits")
def test_a_job_that_got_no_answer_is_looked_for_by_its_name(tmp_path: Path) -> None:
    server = Server([None, QUEUED, DONE], results=["value"], refusals=[Unanswered("late")])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    (record,) = Records(tmp_path).all()
    assert ([record.job_id], record.accepted) == (server.proposed, False)
    assert pending.result() is None
    assert pending.result() is None
    (record,) = Records(tmp_path).all()
    assert record.accepted
    assert outcome(pending) == "value"
    assert (len(server.proposed), pending.history.job_id) == (1, record.job_id)


@pytest.mark.usefixtures("submits")
def test_a_job_that_got_no_answer_and_is_not_found_is_submitted_again(tmp_path: Path) -> None:
    server = Server([None], refusals=[Unanswered("late")])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    began = time.monotonic()
    while not server.submitted:
        assert pending.result() is None
    assert time.monotonic() - began > server.patience.unconfirmed_s
    first, second = server.proposed
    assert first != second
    assert pending.history.faults == [f"job {first}: the server has not accepted it"]


@pytest.mark.usefixtures("submits")
def test_a_process_that_ends_while_it_submits_leaves_the_jobs_name(tmp_path: Path) -> None:
    server = Server([], refusals=[KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        place(server, tmp_path).begin(DECODER, JOB, "n-0")
    again = Server([DONE], results=["value"])
    pending = place(again, tmp_path).begin(DECODER, JOB, "n-0")
    assert outcome(pending) == "value"
    assert ([pending.history.job_id], again.proposed) == (server.proposed, [])


@pytest.mark.usefixtures("submits")
def test_faults_of_earlier_processes_reach_the_manifest(tmp_path: Path) -> None:
    server = Server([RUNNING, ServerError("no answer.")])
    server.faults.append((time.monotonic(), "of another job, before"))
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    assert pending.result() is None
    server.faults.append((time.monotonic(), "late"))
    with pytest.raises(ServerError):
        pending.result()
    again = Server([BUSY, DONE], results=["value"])
    pending = place(again, tmp_path).begin(DECODER, JOB, "n-0")
    assert outcome(pending) == "value"
    assert pending.history.faults == ["late", f"job job0: {BUSY.text}"]
    (record,) = Records(tmp_path).all()
    assert list(record.faults) == pending.history.faults


@pytest.mark.usefixtures("submits")
def test_a_job_that_waits_to_be_submitted_again_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    monkeypatch.setattr(remote, "pause", lambda attempt: attempts.append(attempt) or 0.3)
    server = Server([BUSY, BUSY, DONE], results=["value"])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    began = time.monotonic()
    assert pending.result() is None
    assert pending.result() is None
    assert time.monotonic() - began < 0.2
    assert (pending.state, server.submitted) == ("failed", ["job0"])
    assert outcome(pending) == "value"
    assert time.monotonic() - began > 0.6
    assert (attempts, server.submitted) == ([1, 2], ["job0", "job1", "job2"])


def test_pauses_grow_and_stay_below_a_limit() -> None:
    found = [patience.pause(attempt) for attempt in range(1, 10)]
    assert found[0] < found[2] < found[4]
    assert all(1 <= seconds <= patience.LONGEST_WAIT_S for seconds in found)


@pytest.mark.usefixtures("submits")
def test_each_kind_of_job_is_rehearsed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsed: list[Any] = []
    monkeypatch.setattr(remote, "rehearse", lambda job, *rest: rehearsed.append(job.function))
    here = place(Server([QUEUED]), tmp_path)
    for number, job in enumerate([JOB, JOB, Job(measure_dev, ()), JOB]):
        here.begin(DECODER, job, f"n-{number}")
    assert rehearsed == [measure, measure_dev]


@pytest.mark.usefixtures("submits")
def test_a_job_without_end_is_left_to_the_next_run(tmp_path: Path) -> None:
    server = Server([RUNNING], Patience(job_s=0.05))
    with pytest.raises(
        ServerError, match=r"Job job0 .* still running.*`.* --results .* --forget job0`"
    ):
        outcome(place(server, tmp_path).begin(DECODER, JOB, "n-0"))
    assert [record.job_id for record in Records(tmp_path).all()] == ["job0"]


@pytest.mark.usefixtures("submits")
def test_a_result_in_another_precision_is_refused(tmp_path: Path) -> None:
    client: Any = Server([DONE], results=["value"])
    pending = Remote(client, tmp_path, "bfloat16").begin(DECODER, JOB, "n-0")
    with pytest.raises(RefusedError, match="in float32, not bfloat16: repeat with --dtype float32"):
        outcome(pending)
    assert Records(tmp_path).all() == []


@pytest.mark.usefixtures("submits")
def test_a_server_of_another_precision_leaves_no_record_of_the_run(tmp_path: Path) -> None:
    """Neither of the job that showed it, nor of others under way, nor of an earlier process."""
    earlier = replace(RECORD, name="earlier-0123-3", host=HOST)
    kept = [
        replace(RECORD, name="unrelated-0123-0", host=HOST),
        replace(RECORD, name="earlier-0123-4", host="http://elsewhere"),
    ]
    for record in (earlier, *kept):
        Records(tmp_path).write(record)
    client: Any = Server([DONE], results=["value"])
    here = Remote(client, tmp_path, "bfloat16", asked=["first-0123", "second-0123", "earlier-0123"])
    first = here.begin(DECODER, JOB, "first-0123-0")
    here.begin(DECODER, JOB, "second-0123-0")
    here.begin(DECODER, JOB, "second-0123-1")
    assert len(Records(tmp_path).all()) == 6
    with pytest.raises(RefusedError, match="repeat with --dtype float32"):
        outcome(first)
    assert sorted(Records(tmp_path).all(), key=str) == sorted(kept, key=str)
