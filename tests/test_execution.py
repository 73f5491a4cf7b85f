"""What of running elsewhere needs no server: records, payloads, results, and when to try again."""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import nnsight
import pandas as pd
import pytest
import torch
import zstandard

import tvsight
from tvsight.errors import ServerError, TvsightError, UsageError
from tvsight.execution import Here, Job, complete, remote
from tvsight.execution.ndif import Answer, NdifClient, Patience, ResultGone
from tvsight.execution.records import JOBS, JobRecord, Records
from tvsight.execution.remote import JobFailed, Remote, payload
from tvsight.experiments.main_results import PHASES, measure, measure_task
from tvsight.models.loading import Model
from tvsight.models.random import TINY, random_llama
from tvsight.prompts import Episode, template, tokenise
from tvsight.session import Rows

RECORD = JobRecord("to_upper-0123-0", "a1", "http://server", "key", "digest", "2026-01-01T00:00:00")
HOST, KEY = "http://server", "a-key-that-is-secret"
EXAMPLE = template("example")


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    return tvsight.load(str(tiny_checkpoint("llama")), device="cpu")


@pytest.fixture(scope="module")
def episodes(model: Model) -> list[Episode]:
    return tvsight.episodes(model, tvsight.task("to_upper"), count=6, shots=3)


def rows_of(
    model: Model, episodes: list[Episode], most: int | None = None, place: Here | None = None
) -> Rows:
    steps = measure_task(model, tvsight.task("to_upper"), episodes, EXAMPLE, True, most)
    return complete(steps, model.decoder, place)


def assert_same(found: Rows, expected: Rows) -> None:
    pd.testing.assert_frame_equal(found[0], expected[0], check_exact=True)
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=0)


# Here


def test_a_simulated_server_gives_the_numbers_of_this_process(
    model: Model, episodes: list[Episode]
) -> None:
    here, simulated = (rows_of(model, episodes, None, Here(simulated=s)) for s in (False, True))
    assert_same(simulated, here)


def test_phases_are_told_here_and_not_from_a_simulated_server(
    model: Model, episodes: list[Episode]
) -> None:
    told: dict[bool, list[str]] = {True: [], False: []}
    for simulated, phases in told.items():
        rows_of(model, episodes, None, Here(phases.append, simulated))
    assert told == {True: [], False: list(PHASES)}


def test_a_split_cut_into_parts_has_the_rows_and_vectors_of_one_job(model: Model) -> None:
    many = tvsight.episodes(model, tvsight.task("to_upper"), count=100, shots=3)
    jobs: list[Job] = []

    class Counting(Here):
        def begin(self, decoder: Any, job: Job, name: str) -> Any:
            jobs.append(job)
            return super().begin(decoder, job, name)

    assert_same(rows_of(model, many, 50, Counting()), rows_of(model, many))
    assert [len(job.arguments[0]["shared"]) for job in jobs] == [50] * 4


# Records


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path)


def test_a_record_is_read_as_it_was_written_and_gone_when_forgotten(records: Records) -> None:
    records.write(RECORD)
    assert Records(records.folder.parent).read(RECORD.name) == RECORD
    records.forget(RECORD.name)
    assert records.read(RECORD.name) is None
    records.forget(RECORD.name)


def test_records_are_listed_oldest_first_without_what_cannot_be_read(records: Records) -> None:
    for name, year in (("b", 2028), ("a", 2027), ("c", 2026)):
        records.write(replace(RECORD, name=name, submitted=f"{year}-01-01"))
    (records.folder / "d.json").write_text("{")
    assert [record.name for record in records.all()] == ["c", "a", "b"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "{}", '"text"', "\udcff", json.dumps({"name": "n", "job_id": "a1"})],
)
def test_a_damaged_record_is_none(records: Records, text: str) -> None:
    records.write(RECORD)
    path = records.folder / f"{RECORD.name}.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert records.read(RECORD.name) is None
    assert records.all() == []


@pytest.mark.parametrize("change", [{"version": 2}, {"version": 0}, {"priority": "high"}])
def test_a_record_of_another_version_is_none(records: Records, change: dict[str, Any]) -> None:
    records.write(RECORD)
    (records.folder / f"{RECORD.name}.json").write_text(json.dumps(asdict(RECORD) | change))
    assert records.read(RECORD.name) is None


def test_a_record_that_cannot_be_written_leaves_the_one_before(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError("No space left on device")

    records.write(RECORD)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        records.write(replace(RECORD, job_id="b2"))
    assert records.read(RECORD.name) == RECORD
    assert [path.name for path in records.folder.iterdir()] == [f"{RECORD.name}.json"]


def test_what_a_killed_process_began_to_write_goes_with_the_record(records: Records) -> None:
    records.write(RECORD)
    other = replace(RECORD, name="to_upper-0123-01")
    records.write(other)
    (records.folder / f".{RECORD.name}.json-01234567").write_text("{")
    (records.folder / f".{other.name}.json-01234567").write_text("{")
    records.forget(RECORD.name)
    kept = [f".{other.name}.json-01234567", f"{other.name}.json"]
    assert sorted(path.name for path in records.folder.iterdir()) == kept


# A place that is a server: when a job is submitted, taken up, tried again or given up

PATIENCE = Patience(retries=2, lost_s=0.1, job_s=60)


@dataclass
class Server:
    """Takes jobs and says of each what `answers` holds, in order; the last answer stays."""

    answers: list[Any]
    patience: Patience = PATIENCE
    host: str = HOST
    results: list[Any] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)

    def submit(self, model_key: str, content: bytes) -> str:
        self.submitted.append(f"job{len(self.submitted)}")
        return self.submitted[-1]

    def job(self, job_id: str) -> Answer | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        assert answer is None or isinstance(answer, Answer)
        return answer

    def result(self, link: str) -> Any:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return {"result": {"value": result, "dtype": "float32", "device": "a GPU"}}


QUEUED, RUNNING = Answer("queued", "", None), Answer("running", "", None)
DONE = Answer("done", "", "http://store/result")
BUSY = Answer("failed", "The model was lost. Please try again later.", None)
LATE = Answer("failed", "Your job exceeded the execution timeout of 5.0s.", None)
WRONG = Answer("failed", "ValueError: no", None)
DECODER: Any = SimpleNamespace(nn=SimpleNamespace(to_model_key=lambda: "model"))
JOB = Job(measure, ({"shared": [[1]]}, {"shared": [[2]]}))


@pytest.fixture
def submits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent, and its rehearsal, are other tests' subject."""
    monkeypatch.setattr(remote, "payload", lambda decoder, job: b"payload")
    monkeypatch.setattr(remote, "rehearse", lambda job: None)
    monkeypatch.setattr(time, "sleep", _sleep_briefly)


_sleep = time.sleep


def _sleep_briefly(seconds: float) -> None:
    _sleep(min(seconds, 0.01))


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
    assert (pending.state, pending.trace.device) == ("done", "a GPU")
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
            job = Job(measure_task, JOB.arguments)
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
    assert pending.trace.faults == [f"job job0: {fault}"]
    assert pending.trace.job_id == "job1"
    assert [record.job_id for record in Records(tmp_path).all()] == ["job1"]


@pytest.mark.usefixtures("submits")
def test_a_job_that_the_server_never_heard_of_is_submitted_again(tmp_path: Path) -> None:
    pending = place(server := Server([None]), tmp_path).begin(DECODER, JOB, "n-0")
    while len(server.submitted) == 1:
        assert pending.result() is None
    server.answers, server.results = [DONE], ["value"]
    assert outcome(pending) == "value"
    assert pending.trace.faults == ["job job0: the server has lost it"]


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
    assert server.submitted == ["job0", "job1"]

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


@pytest.mark.usefixtures("submits")
def test_a_job_without_end_is_left_to_the_next_run(tmp_path: Path) -> None:
    server = Server([RUNNING], Patience(job_s=0.05))
    with pytest.raises(ServerError, match=r"Job job0 .* still running.* --forget job0`"):
        outcome(place(server, tmp_path).begin(DECODER, JOB, "n-0"))
    assert [record.job_id for record in Records(tmp_path).all()] == ["job0"]


@pytest.mark.usefixtures("submits")
def test_a_result_in_another_precision_is_refused(tmp_path: Path) -> None:
    client: Any = Server([DONE], results=["value"])
    pending = Remote(client, tmp_path, "bfloat16").begin(DECODER, JOB, "n-0")
    with pytest.raises(UsageError, match="in float32, not bfloat16: repeat with --dtype float32"):
        outcome(pending)


# What travels


def test_what_is_sent_holds_no_weights(model: Model, episodes: list[Episode]) -> None:
    job = Job(measure, (tokens_of(model, episodes), tokens_of(model, episodes), True))
    small, large = (random_llama(TINY | {"hidden_size": size}) for size in (16, 256))
    sizes = [len(payload(decoder, job)) for decoder in (small, large)]
    assert abs(sizes[0] - sizes[1]) < 100
    assert max(sizes) < 30_000
    content = zstandard.ZstdDecompressor().decompress(payload(small, job), 10_000_000)
    for weights in small.nn._module.parameters():
        if len(weights) == TINY["vocab_size"]:
            assert weights[0].numpy().tobytes() not in content


def test_what_is_sent_holds_the_code_and_no_key(
    model: Model, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", KEY)
    job = Job(measure, (tokens_of(model, episodes), tokens_of(model, episodes), True))
    content = zstandard.ZstdDecompressor().decompress(payload(random_llama(TINY), job), 10_000_000)
    for source in (b"def measure_dev(", b"def apply_vectors(", b"def best_layers("):
        assert source in content
    assert KEY.encode() not in content


def tokens_of(model: Model, episodes: list[Episode]) -> Any:
    return tokenise(model, episodes, "exact", EXAMPLE)


class Shell:
    """What runs a command when a pickle of it is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


class Answers(list[Any]):
    """What is answered, request by request, and what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    answers = Answers()

    def request(method: str, url: str, **content: Any) -> httpx.Response:
        answers.asked.append({"method": method, "url": url, **content})
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        answer.request = httpx.Request(method, url)
        return answer

    monkeypatch.setattr(httpx, "request", request)
    monkeypatch.setattr(time, "sleep", _sleep_briefly)
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", KEY)
    yield answers
    assert answers == []


def saved(value: Any) -> httpx.Response:
    file = io.BytesIO()
    torch.save(value, file)
    return httpx.Response(200, content=zstandard.ZstdCompressor().compress(file.getvalue()))


def test_a_result_of_tensors_and_plain_python_is_read(answered: Answers) -> None:
    value = {"result": {"value": [torch.ones(2).half(), True, "text", 1.5], "device": "cpu"}}
    answered.append(saved(value))
    found = NdifClient(HOST).result("http://store/result?signature=1")
    assert str(found) == str(value)


def test_a_result_that_would_run_code_is_refused_and_does_not(
    answered: Answers, tmp_path: Path
) -> None:
    answered.append(saved({"result": Shell(tmp_path / "was-here")}))
    with pytest.raises(TvsightError, match="only tensors and plain Python"):
        NdifClient(HOST).result("http://store/result")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"<html>", zstandard.compress(b"no result")])
def test_a_result_that_is_none_is_refused_in_words(answered: Answers, content: bytes) -> None:
    answered.append(httpx.Response(200, content=content))
    with pytest.raises(TvsightError, match="only tensors and plain Python"):
        NdifClient(HOST).result("http://store/result")


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_result_that_is_gone_is_told_from_a_fault(answered: Answers, status: int) -> None:
    answered.append(httpx.Response(status))
    with pytest.raises(ResultGone):
        NdifClient(HOST).result("http://store/result")


def test_the_key_goes_to_the_server_alone(answered: Answers) -> None:
    client = NdifClient(HOST)
    answered += [httpx.Response(404), httpx.Response(404)]
    client.job("a1")
    with pytest.raises(ResultGone):
        client.result("http://store/result")
    assert answered.asked[0]["headers"]["ndif-api-key"] == KEY
    assert KEY not in str(answered.asked[1])


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_of_the_key_does_not_show_it(answered: Answers, status: int) -> None:
    answered.append(httpx.Response(status, json={"detail": f"API key {KEY}: None that we know"}))
    with pytest.raises(UsageError) as refused:
        NdifClient(HOST).get("/status")
    assert "Set NDIF_API_KEY" in str(refused.value)
    assert "None that we know" in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("key", [None, ""])
def test_words_stay_whole_where_there_is_no_key(
    answered: Answers, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", key)
    answered.append(httpx.Response(401, json={"detail": "None was given"}))
    with pytest.raises(UsageError, match=r"no API key was given\. None was given"):
        NdifClient(HOST).get("/status")


def test_faults_are_waited_out_and_noted(answered: Answers) -> None:
    answered += [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.Response(503, json={"detail": "reconnecting"}),
        httpx.Response(200, json={"deployments": {}}),
    ]
    client = NdifClient(HOST)
    assert client.get("/status") == {"deployments": {}}
    told = [fault for _, fault in client.faults]
    words = ["refused", "did not answer within 30 s", "503, "]
    assert all(word in fault for word, fault in zip(words, told, strict=True))
    assert "reconnecting" in told[2]


def test_faults_that_do_not_end_name_the_server_and_the_option(answered: Answers) -> None:
    answered += [httpx.ConnectError("refused") for _ in range(3)]
    with pytest.raises(ServerError, match=r"http://server: refused \(tried 3 times\).*--host"):
        NdifClient(HOST, Patience(retries=2)).get("/status")


def test_a_host_without_a_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="--host 'localhost:8001'"):
        NdifClient("localhost:8001")
