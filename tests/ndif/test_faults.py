"""Runs on a server that fails in every way that it can be made to: what a person is told, what is
left on the disk, and that the same command then ends with the rows of an uninterrupted run."""

import time
from dataclasses import replace
from typing import Any

from tests.ndif import blocks
from tests.ndif.changes import (
    ANSWER_LOST,
    BROKEN,
    FLIPPED_BIT,
    FLIPPED_BITS,
    MIXED_UP,
    ONE_BROKEN,
    RESULT_WHEN_TOLD,
    SLOW_BLOCK,
    WAITING,
    tell,
)
from tests.ndif.clients import Clients, Measured, settled
from tests.ndif.server import NdifServer
from tests.ndif.settings import TINY
from tvsight.storage.job_records import Records

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


def test_a_frozen_object_store_is_waited_for(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, *PATIENT, changes=SLOW_BLOCK)
    client.until("to_upper: running")
    ndif.freeze_object_store()
    try:
        # The block ends meanwhile, and the server wants to write its result.
        time.sleep(blocks.SECONDS + 2)
    finally:
        ndif.thaw_object_store()
    found = settled(clients, client.finished(), ONE, uninterrupted)
    job = found.job(ONE)
    assert lost(job) == []
    assert f"{ndif.url} did not answer within 3 s" in job["faults"]


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


def test_a_result_that_is_damaged_on_its_way_is_fetched_again(
    clients: Clients, uninterrupted: Measured
) -> None:
    done = clients.run(ONE, changes=FLIPPED_BIT)
    found = settled(clients, done, ONE, uninterrupted)
    (fault,) = found.job(ONE)["faults"]
    assert fault.startswith(f"the result of job {done.jobs[0]} was fetched again: it ")
    assert f"The result of job {done.jobs[0]} is fetched again: it " in done.shown


def test_a_result_that_stays_damaged_is_not_stored_and_its_job_named(
    clients: Clients, uninterrupted: Measured
) -> None:
    done = clients.run(ONE, changes=FLIPPED_BITS)
    assert done.code == 3
    assert clients.measured().rows == {}
    first, second = done.jobs
    assert f"Job {first}: its result is wrong: it " in done.shown
    assert f"The result of job {second} on {clients.server.url} is wrong each time" in done.shown
    assert f"--results {clients.results} --forget {second}`" in done.shown
    found = settled(clients, clients.run(ONE), ONE, uninterrupted)
    assert found.job(ONE)["job_id"] == second


def test_a_result_of_another_job_is_not_taken_for_a_jobs_own(
    clients: Clients, uninterrupted: Measured
) -> None:
    done = clients.run(TWO, changes=MIXED_UP)
    found = settled(clients, done, TWO, uninterrupted)
    faults = [fault for task in TWO.split(",") for fault in found.job(task)["faults"]]
    again, submitted = faults
    assert again.endswith("was fetched again: it answers another job")
    assert submitted.endswith(": its result is wrong: it answers another job")
    assert len(done.jobs) == 3


def test_a_record_of_a_job_that_the_server_does_not_know_costs_a_wait_only(
    clients: Clients, uninterrupted: Measured
) -> None:
    job_id = interrupted(clients)
    (record,) = clients.records().values()
    Records(clients.results).write(replace(record, job_id=NO_JOB))
    found = settled(clients, clients.run(ONE), ONE, uninterrupted, [job_id])
    assert found.job(ONE)["faults"] == [f"job {NO_JOB}: the server has lost it"]


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


def test_two_clients_on_one_folder_share_the_work(
    clients: Clients, uninterrupted: Measured
) -> None:
    both = [clients.begin(ALL) for _ in range(2)]
    ends = [client.finished() for client in both]
    assert [done.code for done in ends] == [0, 0], "\n".join(done.shown for done in ends)
    found = settled(clients, ends[0], ALL, uninterrupted)
    jobs = [job_id for done in ends for job_id in done.jobs]
    assert sorted(jobs) == sorted(found.job(task)["job_id"] for task in ALL.split(","))
    for done in ends:
        assert all(f"{task}: Baseline" in done.shown for task in ALL.split(","))


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
