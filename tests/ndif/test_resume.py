"""A client that is killed at any moment: the same command takes up its jobs and ends with the rows
of an uninterrupted run."""

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ndif.clients import (
    SLOW_BLOCK,
    Changes,
    Clients,
    Measured,
    half_written,
    start_forkserver,
    submit_and_note,
)
from tests.ndif.server import NdifServer
from tvsight import store
from tvsight.execution.ndif import NdifClient

TASKS = "to_upper,next_letter,prev_letter,to_lower,antonyms,country_capital"
KILLS = 3
"""Of each chain of runs on one results folder."""
PAUSE_S = 0.4
"""Before and after what a client does slowly."""
MOMENT_S = 2 * PAUSE_S - 0.1
"""A client is killed within so long from when it began that."""
SEED = 0

# What the client does slowly, by what it replaces.


def submit_slowly(self: NdifClient, model_key: str, payload: bytes) -> str:
    print("slow upload", flush=True)
    time.sleep(PAUSE_S)
    job_id = submit_and_note(self, model_key, payload)
    time.sleep(PAUSE_S)
    return job_id


def result_slowly(self: NdifClient, link: str) -> Any:
    print("slow download", flush=True)
    time.sleep(PAUSE_S)
    result = _result(self, link)
    time.sleep(PAUSE_S)
    return result


def sync_slowly(descriptor: int) -> None:
    """A record is written."""
    print("slow record", flush=True)
    time.sleep(2 * PAUSE_S)
    _sync(descriptor)


def flush_slowly(path: Path) -> None:
    """A result is written."""
    print("slow saving", flush=True)
    time.sleep(2 * PAUSE_S)
    _flush(path)


_result, _sync, _flush = NdifClient.result, os.fsync, store.flush
CHAINS: dict[str, Changes] = {
    "slow upload": {"tvsight.execution.ndif.NdifClient.submit": submit_slowly},
    "slow record": {"os.fsync": sync_slowly},
    "running": {**SLOW_BLOCK, "tests.ndif.blocks.SECONDS": 1.5},
    "slow download": {"tvsight.execution.ndif.NdifClient.result": result_slowly},
    "slow saving": {"tvsight.store.flush": flush_slowly},
}
"""By what a client shows when the moment begins in which it is killed."""


@pytest.fixture(scope="module")
def uninterrupted(ndif: NdifServer, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    start_forkserver(ndif, tmp_path_factory.mktemp("home"))
    clients = Clients(ndif, tmp_path_factory.mktemp("uninterrupted") / "results")
    done = clients.run(TASKS)
    assert done.code == 0, f"{done.shown}\n{ndif.logs('api')}\n{ndif.logs('actors')}"
    return clients.measured()


@pytest.mark.parametrize("sign", CHAINS)
def test_a_killed_run_goes_on_where_it_stopped(
    ndif: NdifServer, uninterrupted: Measured, tmp_path: Path, sign: str
) -> None:
    chance = random.Random(f"{SEED} {sign}")
    clients = Clients(ndif, tmp_path / "results")
    submitted, remembered = [], dict[str, str]()
    for _ in range(KILLS):
        client = clients.begin(TASKS, changes=CHAINS[sign])
        client.until(sign)
        time.sleep(chance.uniform(0, MOMENT_S))
        assert client.kill(), client.shown()
        submitted += client.jobs()
        for task, record in clients.records().items():
            assert remembered.setdefault(task, record.job_id) == record.job_id

    done = clients.run(TASKS)
    assert done.code == 0, done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, TASKS)
    assert half_written(clients.results) == []
    assert clients.records() == {}
    jobs = {task: found.job(task) for task in found.rows}
    assert [job["faults"] for job in jobs.values()] == [[]] * len(jobs)
    taken_up = {task: jobs[task]["job_id"] for task in remembered}
    assert taken_up == remembered
    twice = {*submitted, *done.jobs} - {job["job_id"] for job in jobs.values()}
    # What the server had accepted when the client had not yet written that down.
    assert len(twice) <= (KILLS if sign in ("slow upload", "slow record") else 0)
