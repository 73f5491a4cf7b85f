"""Jobs whose server or result fails: tried again, or given up by name."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.job_server import (
    ASKED,
    BUSY,
    DECODER,
    DONE,
    JOB,
    LATE,
    QUEUED,
    RUNNING,
    UNPINNED,
    WRONG,
    WRONG_RESULTS,
    Server,
    outcome,
    place,
    sealed,
)
from tests.helpers.tiny_llama import HOST
from tvsight.errors import RefusedError, ServerError
from tvsight.execution.jobs import Job
from tvsight.execution.ndif import patience, remote
from tvsight.execution.ndif.client import Answer, ResultGone
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.preflight import not_pinned
from tvsight.execution.ndif.remote import JobFailed
from tvsight.protocol.measure import measure
from tvsight.storage.job_records import Records


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
@pytest.mark.parametrize("says", [True, False])
def test_a_key_for_pinned_models_alone_ends_the_run_with_their_names(
    tmp_path: Path, says: bool
) -> None:
    held = [{"repo_id": f"org/{name}", "pinned": name != "c"} for name in "bac"]
    status = {"deployments": {entry["repo_id"]: entry for entry in held}}
    server = Server([UNPINNED], documents={"/status": status} if says else {})
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    with pytest.raises(RefusedError) as refused:
        outcome(pending)
    message = str(refused.value)
    assert message.startswith(f"{HOST} runs only pinned models for this API key, and ")
    assert ("Pinned now: org/a, org/b. Name one" in message) == says
    assert ("`python -m analyses.ndif_status` lists those" in message) != says
    assert "a key that may load others" in message
    assert Records(tmp_path).all() == []


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ('nnsight.Model:{"repo_id": "org/model", "revision": "main"}', "org/model"),
        ("x", "the model"),
    ],
)
def test_a_model_that_is_not_pinned_is_named(key: str, name: str) -> None:
    server: Any = Server([])
    assert f"and {name} is not pinned" in str(not_pinned(server, key))


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
def test_a_job_that_waits_to_be_submitted_again_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    monkeypatch.setattr(remote, "pause", lambda attempt: attempts.append(attempt) or 0.5)
    server = Server([BUSY, BUSY, DONE], results=["value"])
    pending = place(server, tmp_path).begin(DECODER, JOB, "n-0")
    began = time.monotonic()
    assert pending.result() is None
    assert pending.result() is None
    assert time.monotonic() - began < 0.5
    assert (pending.state, server.submitted) == ("failed", ["job0"])
    assert outcome(pending) == "value"
    assert time.monotonic() - began > 1.0
    assert (attempts, server.submitted) == ([1, 2], ["job0", "job1", "job2"])


def test_pauses_grow_and_stay_below_a_limit() -> None:
    found = [patience.pause(attempt) for attempt in range(1, 10)]
    assert found[0] < found[2] < found[4]
    assert all(1 <= seconds <= patience.LONGEST_WAIT_S for seconds in found)
