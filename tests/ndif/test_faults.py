"""Runs on a server that fails in every way that it can be made to: what a person is told, what is
left on the disk, and that the same command then ends with the rows of an uninterrupted run."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.analyses.commands import ROOT
from tests.ndif import hub
from tests.ndif.clients import (
    BROKEN,
    ONE_BROKEN,
    RESULT_WHEN_TOLD,
    SLOW_BLOCK,
    SMALL,
    WAITING,
    Clients,
    Measured,
    start_forkserver,
    tell,
    wait_until,
)
from tests.ndif.conftest import TINY, skip_where_missing
from tests.ndif.server import NdifServer
from tests.ndif.settings import loopback
from tvsight.execution.records import Records

ONE, TWO, ALL = "to_upper", "to_upper,next_letter", "to_upper,next_letter,prev_letter"
UNKNOWN_KEY = "00000000-0000-4000-8000-000000000000"
PATIENT = ("--retries", "60")
"""For a server that needs seconds to start."""
NO_JOB = "0123456789abcdef0123456789abcdef"
EXECUTION_LIMIT_S = 4.0
ELSEWHERE = "local/elsewhere"


@pytest.fixture(scope="module")
def home(ndif: NdifServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    start_forkserver(ndif, home)
    return home


@pytest.fixture(scope="module")
def uninterrupted(
    ndif: NdifServer, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Measured:
    clients = Clients(ndif, tmp_path_factory.mktemp("uninterrupted") / "results")
    done = clients.run(ALL)
    assert done.code == 0, f"{done.shown}\n{ndif.logs('api')}\n{ndif.logs('actors')}"
    return clients.measured()


@pytest.fixture
def clients(ndif: NdifServer, uninterrupted: Measured, tmp_path: Path) -> Clients:
    return Clients(ndif, tmp_path / "results")


@pytest.fixture(scope="module")
def strict_ndif(
    tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path, home: Path
) -> Iterator[NdifServer]:
    """A server that asks for a key and ends long jobs. Its clients use the other one's hub."""
    skip_where_missing(auth=True)
    folder = tmp_path_factory.mktemp("strict_ndif")
    checkpoints = {TINY: tiny_llama}
    running = NdifServer.start(folder, checkpoints, auth=True, execution_limit_s=EXECUTION_LIMIT_S)
    yield running
    running.stop()


@pytest.fixture
def strict(strict_ndif: NdifServer, tmp_path: Path) -> Clients:
    return Clients(strict_ndif, tmp_path / "results", strict_ndif.key)


def lost(job: dict[str, Any]) -> list[str]:
    """Of what was noted on a job's way, that for which it was submitted again."""
    return [fault for fault in job["faults"] if fault.startswith("job ")]


def test_a_job_whose_model_dies_is_submitted_again(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, *PATIENT, changes=SLOW_BLOCK)
    client.until("to_upper: running")
    assert ndif.kill_model_actors() >= 1
    done = client.finished()
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, ONE)
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
    time.sleep(1)  # the client meets a closed port
    ndif.start_api()
    done = client.finished()
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, TWO)
    assert found.job("to_upper")["job_id"] == records["to_upper"].job_id
    assert lost(found.job("to_upper")) == []
    (fault,) = lost(found.job("next_letter"))
    assert fault == f"job {records['next_letter'].job_id}: the server has lost it"
    assert found.job("to_upper")["faults"], "the closed port is in the manifest"


def test_a_frozen_api_ends_the_run_and_the_next_takes_up_its_job(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, "--retries", "1", changes=SLOW_BLOCK)
    client.until("to_upper: running")
    ndif.freeze_api()
    try:
        began = time.monotonic()
        done = client.finished()
        assert time.monotonic() - began < 15
    finally:
        ndif.thaw_api()
    assert done.code == 3
    assert f"{ndif.url} did not answer within 3 s (tried 2 times)" in done.shown
    (job_id,) = (record.job_id for record in clients.records().values())
    repeat(clients, ONE, uninterrupted, job_id)


def test_a_lost_object_store_costs_no_row(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, *PATIENT, changes=SLOW_BLOCK)
    client.until("to_upper: running")
    ndif.stop_object_store()
    time.sleep(1)
    ndif.start_object_store()
    done = client.finished()
    assert done.code == 0, done.shown
    clients.measured().assert_same(uninterrupted, ONE)


def test_a_frozen_object_store_is_waited_for(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, *PATIENT, changes=SLOW_BLOCK)
    client.until("to_upper: running")
    ndif.freeze_object_store()
    try:
        time.sleep(5)
    finally:
        ndif.thaw_object_store()
    done = client.finished()
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, ONE)
    assert lost(found.job(ONE)) == []


def test_a_job_whose_result_is_gone_is_submitted_again(
    clients: Clients, ndif: NdifServer, uninterrupted: Measured
) -> None:
    client = clients.begin(ONE, changes=RESULT_WHEN_TOLD)
    client.until(WAITING)
    ndif.stop_object_store()
    ndif.start_object_store()
    tell(client)
    done = client.finished()
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, ONE)
    (fault,) = found.job(ONE)["faults"]
    assert "gone from the object store (404)" in fault
    assert [done.jobs[0] in fault, done.jobs[1:]] == [True, [found.job(ONE)["job_id"]]]


def test_a_server_that_is_down_is_named_with_the_option_to_change(
    clients: Clients, uninterrupted: Measured
) -> None:
    nobody = replace(clients, host="http://127.0.0.1:9")
    done = nobody.run(ONE, "--retries", "1")
    assert done.code == 3
    assert "No NDIF server is to be had: http://127.0.0.1:9" in done.shown
    assert "(tried 2 times). Check --host" in done.shown
    assert nobody.measured().rows == {}
    repeat(clients, ONE, uninterrupted)


def test_a_url_of_something_else_is_recognised(clients: Clients, ndif: NdifServer) -> None:
    done = replace(clients, host=ndif.hub_url).run(ONE)
    assert done.code == 3
    assert f"{ndif.hub_url} answers, but is no NDIF server. Check --host" in done.shown


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "http://"])
def test_a_host_that_is_no_url_is_refused(clients: Clients, host: str) -> None:
    done = replace(clients, host=host).run(ONE, "--retries", "0")
    assert done.code == 2
    assert "a URL was expected, as in http://localhost:8001" in done.shown


def test_a_model_that_the_hub_does_not_have_is_refused_by_name(clients: Clients) -> None:
    done = clients.run(ONE, "--model", "local/absent")
    assert done.code == 2
    assert "The hub has no model 'local/absent'" in done.shown
    assert done.jobs == []


def test_a_hub_that_cannot_be_asked_is_named(clients: Clients) -> None:
    """The model is in the cache, but only the hub says by which name the server knows it."""
    done = clients.run(ONE, changes={"huggingface_hub.constants.HF_HUB_OFFLINE": True})
    assert done.code == 3
    assert "by their id on the hub, which could not be asked for it" in done.shown
    assert "Traceback" not in done.shown
    assert done.jobs == []


def test_a_record_of_a_job_that_the_server_does_not_know_costs_a_wait_only(
    clients: Clients, uninterrupted: Measured
) -> None:
    interrupted(clients)
    (record,) = clients.records().values()
    Records(clients.results).write(replace(record, job_id=NO_JOB))
    done = clients.run(ONE)
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, ONE)
    assert found.job(ONE)["faults"] == [f"job {NO_JOB}: the server has lost it"]
    assert clients.records() == {}


def test_two_clients_on_one_folder_share_the_work(
    clients: Clients, uninterrupted: Measured
) -> None:
    both = [clients.begin(ALL) for _ in range(2)]
    ends = [client.finished() for client in both]
    assert [done.code for done in ends] == [0, 0], "\n".join(done.shown for done in ends)
    found = clients.measured()
    found.assert_same(uninterrupted, ALL)
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
    clients.measured().assert_same(uninterrupted, "to_upper,prev_letter")
    repeat(clients, ALL, uninterrupted)


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
    repeat(clients, ONE, uninterrupted)
    assert clients.measured().job(ONE)["job_id"] != job_id


def test_a_server_that_needs_a_key_gets_it(strict: Clients, uninterrupted: Measured) -> None:
    done = strict.run(ONE)
    assert done.code == 0, done.shown
    strict.measured().assert_same(uninterrupted, ONE)
    told = "".join(path.read_text() for path in strict.results.rglob("manifest.json"))
    assert str(strict.key) not in done.shown + told


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "no API key was given. Missing or invalid API key."),
        ("mine-alone", "the API key was refused. Invalid API key format"),
        (UNKNOWN_KEY, "the API key was refused. Invalid API key."),
    ],
)
def test_a_key_that_is_not_accepted_is_refused_and_not_shown(
    strict: Clients, key: str | None, words: str
) -> None:
    done = replace(strict, key=key).run(ONE)
    assert done.code == 2
    assert words in done.shown
    assert "Set NDIF_API_KEY" in done.shown
    assert "nnsight.login()" in done.shown
    assert key is None or key not in done.shown
    assert done.jobs == []
    assert strict.measured().rows == {}


def test_a_job_over_the_servers_limit_fails_with_the_option_to_change(
    strict: Clients, uninterrupted: Measured
) -> None:
    longer = {"tests.ndif.blocks.SECONDS": 1.5 * EXECUTION_LIMIT_S}
    done = strict.run(ONE, changes=SLOW_BLOCK | longer)
    assert done.code == 1
    assert f"exceeded the execution timeout of {EXECUTION_LIMIT_S}s" in done.shown
    assert "--max-job-episodes" in done.shown
    assert len(done.jobs) == 1
    assert strict.records() == {}
    repeat(strict, ONE, uninterrupted)


@pytest.fixture
def other_hub(tiny_llama: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a hub that the servers do not know, with the model `ELSEWHERE`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-IS", hub.__file__, str(port), f"{ELSEWHERE}={tiny_llama}"]
    process = subprocess.Popen(command)
    wait_until(lambda: _listens(port))
    yield loopback(port)
    process.kill()
    process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_model_that_the_server_does_not_have_fails_in_its_words_and_at_once(
    strict_ndif: NdifServer, other_hub: str, tmp_path: Path
) -> None:
    """As a person runs it, with host and key in the environment."""
    results = tmp_path / "results"
    environment = strict_ndif.client_environment(tmp_path / "home")
    environment |= {"HF_ENDPOINT": other_hub, "NDIF_API_KEY": str(strict_ndif.key)}
    command = [sys.executable, "-m", "analyses.main_results", "--remote", "--model", ELSEWHERE]
    done = subprocess.run(
        [*command, "--tasks", ONE, *SMALL, "--results", str(results)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Could not deploy" in done.stdout
    assert done.stderr == ""
    assert str(strict_ndif.key) not in done.stdout
    assert list(results.glob("main_results/*/*")) == []
    assert Records(results).all() == []


def interrupted(clients: Clients) -> str:
    """The id of a job that a run left to the server, because it had no time."""
    done = clients.run(ONE, "--job-minutes", "0.01", changes=SLOW_BLOCK)
    assert done.code == 3, done.shown
    (record,) = clients.records().values()
    assert f"Job {record.job_id} on {record.host} is still" in done.shown
    assert f"`python -m analyses.ndif_status --forget {record.job_id}`" in done.shown
    assert clients.measured().rows == {}
    return record.job_id


def repeat(
    clients: Clients, tasks: str, uninterrupted: Measured, job_id: str | None = None
) -> None:
    """The same command again ends well; with the job that was under way, where there was one."""
    done = clients.run(tasks)
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, tasks)
    assert clients.records() == {}
    if job_id is not None:
        assert found.job(tasks)["job_id"] == job_id
        assert found.job(tasks)["faults"] == []
