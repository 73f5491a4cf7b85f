"""Jobs that are submitted, remembered, taken up and refused."""

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.job_server import (
    BUSY,
    DECODER,
    DONE,
    JOB,
    QUEUED,
    RECORD,
    RUNNING,
    Server,
    outcome,
    place,
)
from tests.helpers.tiny_llama import HOST
from tvsight.errors import RefusedError, ServerError, UsageError
from tvsight.execution.jobs import Job
from tvsight.execution.ndif import parcel, remote
from tvsight.execution.ndif.client import Unanswered
from tvsight.execution.ndif.patience import Patience
from tvsight.execution.ndif.remote import Remote
from tvsight.protocol.measure import measure, measure_dev
from tvsight.storage.job_records import JOBS, Records


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
            monkeypatch.setattr(parcel, "VERSION", "0")
        case "damaged":
            (tmp_path / JOBS / "n-0.json").write_text("{")
    place(server, tmp_path).begin(decoder, job, "n-0")
    assert server.submitted == ["job0"]
    (record,) = Records(tmp_path).all()
    assert record.host == server.host


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
