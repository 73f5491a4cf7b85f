"""A client that is killed at any moment: the same command takes up its jobs and ends with the rows
of an uninterrupted run."""

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from httpcore._backends.sync import SyncStream

from tests.ndif.changes import SLOW_BLOCK, Changes, submit_and_note
from tests.ndif.clients import Clients, Measured, settled
from tests.ndif.conftest import TASKS
from tvsight.execution.ndif.client import NdifClient
from tvsight.storage import store

KILLS = 3
"""Of each chain of runs on one results folder."""
PIECE_BYTES, PIECE_S = 256, 0.03
"""Bytes that a slow network carries at a time."""
PAUSE_S = 0.8
MOMENT_S = 0.7
"""A client is killed within so long from when it began what it does slowly."""
SEED = 0
NOT_ACCEPTED = "the server has not accepted it"

# What the client does slowly, by what it replaces.


def submit_aloud(self: NdifClient, model_key: str, payload: bytes, job_id: str) -> str:
    print("slow upload", flush=True)
    job_id = submit_and_note(self, model_key, payload, job_id)
    print("uploaded", flush=True)
    return job_id


def result_aloud(self: NdifClient, link: str, most: int) -> Any:
    print("slow download", flush=True)
    result = _result(self, link, most)
    print("downloaded", flush=True)
    return result


def write_slowly(self: SyncStream, buffer: bytes, timeout: float | None = None) -> None:
    """The network takes a piece at a time."""
    for start in range(0, len(buffer), PIECE_BYTES):
        _write(self, buffer[start : start + PIECE_BYTES], timeout)
        time.sleep(PIECE_S if len(buffer) > PIECE_BYTES else 0)


def read_slowly(self: SyncStream, max_bytes: int, timeout: float | None = None) -> bytes:
    """The network brings a piece at a time."""
    piece = _read(self, min(PIECE_BYTES, max_bytes), timeout)
    time.sleep(PIECE_S if len(piece) == PIECE_BYTES else 0)
    return piece


def sync_slowly(descriptor: int) -> None:
    """A record is written."""
    print("slow record", flush=True)
    time.sleep(PAUSE_S)
    _sync(descriptor)


def flush_slowly(path: Path) -> None:
    """A result is written."""
    print("slow saving", flush=True)
    time.sleep(PAUSE_S)
    _flush(path)


_result, _sync, _flush = NdifClient.result, os.fsync, store.flush
_write, _read = SyncStream.write, SyncStream.read
CHAINS: dict[str, Changes] = {
    "slow upload": {
        "tvsight.execution.ndif.client.NdifClient.submit": submit_aloud,
        "httpcore._backends.sync.SyncStream.write": write_slowly,
    },
    "slow record": {"os.fsync": sync_slowly},
    "running": {**SLOW_BLOCK, "tests.ndif.blocks.SECONDS": 1.5},
    "slow download": {
        "tvsight.execution.ndif.client.NdifClient.result": result_aloud,
        "httpcore._backends.sync.SyncStream.read": read_slowly,
    },
    "slow saving": {"tvsight.storage.store.flush": flush_slowly},
}
"""By what a client shows when the moment begins in which it is killed."""
ENDS = {"slow upload": "uploaded", "slow download": "downloaded"}
"""Text that is shown when a transfer is over."""


@pytest.mark.parametrize("sign", CHAINS)
def test_a_killed_run_goes_on_where_it_stopped(
    clients: Clients, uninterrupted: Measured, sign: str
) -> None:
    chance = random.Random(f"{SEED} {sign}")
    remembered, cut = dict[str, str](), 0
    unaccepted = set[str]()
    for _ in range(KILLS):
        client = clients.begin(TASKS, changes=CHAINS[sign])
        client.until(sign)
        time.sleep(chance.uniform(0, MOMENT_S))
        assert client.kill(), client.shown()
        if sign in ENDS:
            began, ended = (client.shown().count(text) for text in (sign, ENDS[sign]))
            cut += began > ended
        for task, record in clients.records().items():
            if record.accepted:
                assert remembered.setdefault(task, record.job_id) == record.job_id
            else:
                unaccepted.add(f"job {record.job_id}: {NOT_ACCEPTED}")
    assert cut == (KILLS if sign in ENDS else 0), "each kill fell into a transfer"

    found = settled(clients, clients.run(TASKS), TASKS, uninterrupted)
    jobs = {task: found.job(task) for task in found.rows}
    taken_up = {task: jobs[task]["job_id"] for task in remembered}
    assert taken_up == remembered
    faults = [fault for job in jobs.values() for fault in job["faults"]]
    # A record precedes its job, and may be all that a kill has left of it.
    assert set(faults) <= unaccepted
    assert len(faults) <= KILLS
