"""Runs on a server that fails in every way that it can be made to: what a person is told, what is
left on the disk, and that the same command then ends with the rows of an uninterrupted run."""

import time
from typing import Any

from tests.ndif import blocks
from tests.ndif.changes import (
    ANSWER_LOST,
    BROKEN,
    ONE_BROKEN,
    RESULT_WHEN_TOLD,
    SLOW_BLOCK,
    WAITING,
    tell,
)
from tests.ndif.clients import Clients, Measured, settled
from tests.ndif.server import NdifServer
from tests.ndif.settings import TINY

ONE, TWO, ALL = "to_upper", "to_upper,next_letter", "to_upper,next_letter,prev_letter"
PATIENT = ("--retries", "60")
"""For a server that needs seconds to start."""
NO_JOB = "0123456789abcdef0123456789abcdef"


def lost(job: dict[str, Any]) -> list[str]:
    """Of what was noted on a job's way, that for which it was submitted again."""
    return [fault for fault in job["faults"] if fault.startswith("job ")]


def test_a_job_whose_model_dies_is_submitted_again(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, *PATIENT, changes=SLOW_BLOCK)
    client.until("to_upper: running")
    assert ndif.kill_model_actors() >= 1
    found = settled(clients, client.finished(), ONE, uninterrupted)
    first, *_ = found.job(ONE)["faults"]
    assert "Please try again later" in first
    assert found.job(ONE)["job_id"] not in first


def test_a_dead_api_costs_what_was_queued_and_nothing_that_ran(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(TWO, *PATIENT, changes=SLOW_BLOCK)
    client.until("to_upper: running")
    client.until("next_letter: queued")
    records = clients.records()
    ndif.kill_api()
    client.until("(try 1 of")  # it has met a closed port
    ndif.start_api()
    done = client.finished()
    found = settled(clients, done, TWO, uninterrupted)
    assert found.job("to_upper")["job_id"] == records["to_upper"].job_id
    assert lost(found.job("to_upper")) == []
    first, *_ = lost(found.job("next_letter"))  # more where a busy server takes long to start
    reason = f"{records['next_letter'].job_id}: the server has lost it"
    assert first == f"job {reason}"
    assert f"Job {reason}. It is submitted again in" in done.shown
    assert found.job("to_upper")["faults"], "the closed port is in the manifest"


def test_a_frozen_api_ends_the_run_and_the_next_takes_up_its_job(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, "--retries", "1", changes=SLOW_BLOCK)
    client.until("(job ")  # queued or running, whichever a busy server shows first
    ndif.freeze_api()
    try:
        done = client.finished()
    finally:
        ndif.thaw_api()
    assert done.code == 3
    assert f"Waiting for {ndif.url} to answer, 1 s" in done.shown
    assert f"Waiting for {ndif.url} to answer, 2 s" in done.shown
    assert f"{ndif.url} did not answer within 3 s (try 1 of 2, the next one in" in done.shown
    worked = f"The server worked before and does not now: {ndif.url} did not answer within 3 s"
    assert f"{worked} (tried 2 times). Try again later." in done.shown
    (job_id,) = (record.job_id for record in clients.records().values())
    assert f"Job {job_id} is remembered: repeat the command to wait for it." in done.shown
    found = settled(clients, clients.run(ONE), ONE, uninterrupted)
    assert found.job(ONE)["job_id"] == job_id
    # What the first run met is in the manifest that the second wrote.
    assert found.job(ONE)["faults"] == [f"{ndif.url} did not answer within 3 s"] * 2


def test_a_lost_object_store_costs_no_row(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, *PATIENT, changes=SLOW_BLOCK)
    client.until("to_upper: running")
    began = time.monotonic()
    ndif.stop_object_store()
    # It is away when the server wants to write the result, and comes back empty.
    time.sleep(blocks.SECONDS + 1)
    ndif.start_object_store()
    assert time.monotonic() - began > blocks.SECONDS
    found = settled(clients, client.finished(), ONE, uninterrupted)
    assert found.job(ONE)["faults"] != []


def test_an_object_store_that_stays_frozen_ends_the_run_and_the_next_has_the_result(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, "--retries", "1", changes=RESULT_WHEN_TOLD)
    client.until(WAITING)
    ndif.freeze_object_store()
    try:
        tell(client.log)
        done = client.finished()
    finally:
        ndif.thaw_object_store()
    assert done.code == 3
    (job_id,) = (record.job_id for record in clients.records().values())
    assert "the object store did not answer within 3 s (tried 2 times)" in done.shown
    assert f"Job {job_id} is remembered: repeat the command to wait for it." in done.shown
    assert "--host" not in done.shown
    found = settled(clients, clients.run(ONE), ONE, uninterrupted)
    assert found.job(ONE)["job_id"] == job_id


def test_a_job_whose_result_is_gone_is_submitted_again(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, changes=RESULT_WHEN_TOLD)
    client.until(WAITING)
    ndif.stop_object_store()
    ndif.start_object_store()
    tell(client.log)
    done = client.finished()
    found = settled(clients, done, ONE, uninterrupted)
    (fault,) = found.job(ONE)["faults"]
    assert "gone from the object store (404)" in fault
    assert [done.jobs[0] in fault, done.jobs[1:]] == [True, [found.job(ONE)["job_id"]]]


def test_a_job_that_was_accepted_without_an_answer_is_found_by_its_name(
    clients: Clients, uninterrupted: Measured
) -> None:
    """The connection breaks when the server has the job; it knows it by the name that we gave."""
    done = clients.run(ONE, changes=ANSWER_LOST)
    (job_id,) = done.jobs
    found = settled(clients, done, ONE, uninterrupted)
    job = found.job(ONE)
    assert job["job_id"] == job_id
    assert lost(job) == []
    assert job["faults"] == [f"{clients.server.url}: the answer was lost"]


def test_an_error_in_a_block_fails_its_task_alone_and_once(
    clients: Clients, uninterrupted: Measured
) -> None:
    done = clients.run(ALL, changes=ONE_BROKEN)
    assert done.code == 1
    assert "ValueError: this block cannot be run" in done.shown
    assert f"Missing: {TINY} / {BROKEN}" in done.shown
    assert len(done.jobs) == len(ALL.split(","))
    assert clients.records() == {}
    measured = clients.measured()
    measured.assert_same(uninterrupted, "to_upper,prev_letter")
    used = [measured.job(task)["job_id"] for task in measured.rows]
    failed = [job_id for job_id in done.jobs if job_id not in used]
    assert len(failed) == 1
    assert f"{BROKEN}: failed (job {failed[0]}" in done.shown
    settled(clients, clients.run(ALL), ALL, uninterrupted, failed)


def test_a_job_that_takes_too_long_is_named_kept_and_forgotten_on_demand(
    clients: Clients, uninterrupted: Measured
) -> None:
    job_id = interrupted(clients)
    told = clients.status()
    assert told.code == 0, told.shown
    assert "accepts the key" in told.shown
    assert f"{TINY}" in told.shown
    assert "RUNNING" in told.shown
    for package in ("python", "nnsight", "torch", "transformers"):
        assert package in told.shown
    assert job_id in told.shown
    wrong = clients.status("--forget", NO_JOB)
    assert wrong.code == 2
    assert job_id in wrong.shown
    assert clients.status("--forget", job_id).code == 0
    assert clients.records() == {}
    found = settled(clients, clients.run(ONE), ONE, uninterrupted, [job_id])
    assert found.job(ONE)["job_id"] != job_id


def interrupted(clients: Clients) -> str:
    """The id of a job that a run left to the server, because it had no time."""
    done = clients.run(ONE, "--job-minutes", "0.01", changes=SLOW_BLOCK)
    assert done.code == 3, done.shown
    (record,) = clients.records().values()
    assert f"Job {record.job_id} on {record.host} is still" in done.shown
    way_out = f"--results {clients.results} --forget {record.job_id}`"
    assert f"`python -m analyses.ndif_status {way_out}" in done.shown
    assert clients.measured().rows == {}
    return record.job_id
