"""Clients of a test server: analyses in processes of their own, which a test harms and asks.

A process is forked from one that has imported all that an analysis needs, which saves seconds. In
it, attributes of modules may be changed before the command line is read (see `changes`).
"""

import ctypes
import multiprocessing
import os
import pkgutil
import runpy
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any, NamedTuple

import nnsight
import pandas as pd
import pytest

from tests.helpers.commands import ROOT
from tests.ndif.changes import LIMIT_S, NOTED, QUICK, Changes, logs, submitted
from tests.ndif.cluster import Cluster
from tests.ndif.processes import wait_until
from tests.ndif.server import NdifServer
from tests.ndif.settings import TINY
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.storage.job_records import JobRecord, Records
from tvsight.storage.store import Store

FORKED = multiprocessing.get_context("forkserver")
SPAWNED = multiprocessing.get_context("spawn")
"""A process that is spawned has the environment and the network of now."""
SIGNAL_AT_PARENTS_END = 1
"""`PR_SET_PDEATHSIG`, a number of Linux."""
SMALL = ("--episodes-per-split", "4", "--shots", "3", "--dtype", "float32")


class Finished(NamedTuple):
    """A client that has ended."""

    code: int | None
    shown: str
    """All that it wrote."""
    jobs: list[str]
    """What it submitted, by the server's names."""


class Client:
    """A running client."""

    def __init__(self, process: Any, log: Path) -> None:
        self._process = process
        self.log = log

    def shown(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def jobs(self) -> list[str]:
        """The jobs that it submitted so far."""
        log = submitted(self.log)
        return log.read_text().split() if log.exists() else []

    def until(self, text: str, limit_s: float = 180.0) -> None:
        """Wait until the client has shown a text."""
        wait_until(lambda: text in self.shown() or not self._process.is_alive(), limit_s)
        assert text in self.shown(), self.shown()

    def finished(self, limit_s: float = LIMIT_S) -> Finished:
        """Wait for its end."""
        self._process.join(limit_s)
        assert not self._process.is_alive(), f"still there after {limit_s} s:\n{self.shown()}"
        return Finished(self._process.exitcode, self.shown(), self.jobs())

    def kill(self) -> bool:
        """SIGKILL; whether the client was still running."""
        self._process.kill()
        self._process.join()
        return bool(self._process.exitcode == -signal.SIGKILL)


@dataclass(frozen=True)
class Clients:
    """Starts clients of one server, on one results folder.

    Attributes:
        key: what they give as API key.
    """

    server: NdifServer | Cluster
    results: Path
    key: str | None = None
    host: str | None = None
    """Instead of the server's."""
    model: str | None = None
    """The only one whose results are looked at, where a run has several."""
    begun: ForkServerContext | SpawnContext = FORKED

    def start(self, analysis: str, *options: str, changes: Changes | None = None) -> Client:
        """`python -m analyses.<analysis> <options>`, with --results, and --host where it is due."""
        self.results.parent.mkdir(parents=True, exist_ok=True)
        number = len(list(self.results.parent.glob(f"{self.results.name}.client-*.log")))
        log = self.results.with_name(f"{self.results.name}.client-{number}.log")
        log.touch()
        where: tuple[str, ...] = ("--results", str(self.results))
        asked = analysis == "ndif_status" and "--forget" not in options
        if asked or "--remote" in options:
            where += ("--host", self.host or self.server.url)
        process = self.begun.Process(
            target=_client,
            args=(analysis, (*where, *options), log, self.key, QUICK | NOTED | (changes or {})),
        )
        process.start()
        return Client(process, log)

    def begin(self, tasks: str, *options: str, changes: Changes | None = None) -> Client:
        """Start a small run on the server."""
        model = () if "--model" in options else ("--model", TINY)
        small = [
            part
            for option, value in zip(SMALL[::2], SMALL[1::2], strict=True)
            if option not in options
            for part in (option, value)
        ]
        asked = (*model, "--tasks", tasks, *small, *options)
        return self.start("main_results", "--remote", *asked, changes=changes)

    def run(self, tasks: str, *options: str, changes: Changes | None = None) -> Finished:
        """A small run on the server, waited for."""
        return self.begin(tasks, *options, changes=changes).finished()

    def status(self, *options: str) -> Finished:
        """`python -m analyses.ndif_status`."""
        return self.start("ndif_status", *options).finished()

    def submitted(self) -> list[str]:
        """The jobs that clients of this folder submitted so far."""
        logs = sorted(self.results.parent.glob(f"{self.results.name}.client-*.log.jobs"))
        return [job_id for log in logs for job_id in log.read_text().split()]

    def records(self) -> dict[str, JobRecord]:
        """What is remembered of jobs, by the name of the task."""
        return {record.name.rsplit("-", 2)[0]: record for record in Records(self.results).all()}

    def measured(self) -> "Measured":
        """What the results folder holds, once it is looked through for what should not be there."""
        assert half_written(self.results) == []
        store = Store(self.results)
        paths = {
            path.name.rsplit("-", 1)[0]: path for path in store.paths(MAIN_RESULTS, self.model)
        }
        manifests = {task: store.verified(path) for task, path in paths.items()}
        return Measured({task: store.rows(path) for task, path in paths.items()}, manifests)


class Measured(NamedTuple):
    """What a results folder holds, by task."""

    rows: dict[str, pd.DataFrame]
    manifests: dict[str, dict[str, Any]]

    def job(self, task: str) -> dict[str, Any]:
        """What the manifest says of a task's only job."""
        (job,) = self.manifests[task]["jobs"]
        return dict(job)

    def assert_same(self, other: "Measured", tasks: str) -> None:
        """Exactly these tasks are there, with the rows that the other run has of them."""
        assert sorted(self.rows) == sorted(tasks.split(","))
        for task, rows in self.rows.items():
            pd.testing.assert_frame_equal(rows, other.rows[task], check_exact=True)


def settled(
    clients: Clients,
    done: Finished,
    tasks: str,
    uninterrupted: Measured,
    given_up: Sequence[str] = (),
) -> Measured:
    """What is measured after a run that ended well, whatever went wrong on the way: nothing is
    lost, doubled, half-written or still to be remembered.

    Args:
        given_up: jobs that a person gave up, or that failed by themselves.
    """
    assert done.code == 0, done.shown
    assert "Traceback" not in done.shown
    found = clients.measured()
    found.assert_same(uninterrupted, tasks)
    accounted(clients, [found], given_up)
    return found


def accounted(clients: Clients, found: Sequence[Measured], given_up: Sequence[str] = ()) -> None:
    """Each job that was submitted is of use once, or a manifest says why it is not."""
    assert clients.records() == {}
    manifests = [manifest for of_model in found for manifest in of_model.manifests.values()]
    jobs = [job for manifest in manifests for job in manifest["jobs"]]
    used = [job["job_id"] for job in jobs]
    assert len(set(used)) == len(used)
    faults = [fault for job in jobs for fault in job["faults"]]
    lost = [fault.split()[1].rstrip(":") for fault in faults if fault.startswith("job ")]
    submitted = [job_id for job_id in clients.submitted() if job_id not in (*lost, *given_up)]
    assert len(set(submitted)) == len(submitted)
    assert set(submitted) <= set(used)


def untouched(clients: Clients) -> None:
    """A run that was refused left nothing and sent nothing."""
    assert clients.measured().rows == {}
    assert clients.records() == {}
    assert clients.submitted() == []


def half_written(results: Path) -> list[str]:
    """What is left of results and records that were not written to their end."""
    leftovers = [*results.rglob(".new-*"), *results.glob(".jobs/.*"), *results.glob(".probe-*")]
    return [str(path.relative_to(results)) for path in leftovers]


def start_forkserver(server: NdifServer, home: Path) -> None:
    """From now on clients have this server's hub, and a cache at `home`.

    What reads its settings on import does so in the process that clients are forked from.
    """
    with settings(server, home):
        FORKED.set_forkserver_preload([__name__])
        forkserver.ensure_running()


@contextmanager
def settings(server: NdifServer | Cluster, home: Path) -> Iterator[None]:
    """Give processes that start meanwhile the environment of a server's clients."""
    environment = server.client_environment(home) | {
        "COLUMNS": "250",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(os.cpu_count())),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


def _client(
    analysis: str, options: tuple[str, ...], log: Path, key: str | None, changes: Changes
) -> None:
    """What a client's process does. It ends with the process that began it."""
    ctypes.CDLL(None).prctl(SIGNAL_AT_PARENTS_END, signal.SIGKILL)
    signal.alarm(LIMIT_S + 5)
    os.chdir(ROOT)
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    nnsight.CONFIG.API.APIKEY = key
    nnsight.register("tests")
    logs.append(log)
    for name, value in changes.items():
        owner, _, attribute = name.rpartition(".")
        setattr(pkgutil.resolve_name(owner), attribute, value)
    sys.argv = [analysis, *options]
    runpy.run_module(f"analyses.{analysis}", run_name="__main__", alter_sys=True)
