"""The servers of the fixtures are real, do what they are told, and leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import torch

from tests.ndif import processes, server
from tests.ndif.conftest import REQUIRED, skip_where_missing
from tests.ndif.server import NdifServer
from tests.ndif.settings import TINY

CLIENT = Path(__file__).with_name("client.py")
UNKNOWN_KEY = "00000000-0000-4000-8000-000000000000"


def run_client(running: NdifServer, folder: Path, key: str = "") -> str:
    """What the client prints: nothing, unless it is refused. Its result is in `folder`."""
    env = os.environ | running.client_environment(folder / "home") | {"NDIF_API_KEY": key}
    command = [sys.executable, str(CLIENT), TINY, str(folder / "logits.pt")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stderr}\n{running.logs('api')}\n{running.logs('actors')}"
    return done.stdout


def assert_same_logits(folder: Path) -> None:
    logits = torch.load(folder / "logits.pt")
    torch.testing.assert_close(logits["remote"], logits["local"])


@pytest.fixture(scope="module")
def traced(ndif: NdifServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the logits of a first trace, which deploys the model."""
    folder = tmp_path_factory.mktemp("traced")
    assert run_client(ndif, folder) == ""
    return folder


def test_a_remote_trace_has_the_logits_of_a_local_one(traced: Path) -> None:
    assert_same_logits(traced)


@pytest.mark.usefixtures("traced")
def test_the_server_recovers_from_the_death_of_its_parts(ndif: NdifServer, tmp_path: Path) -> None:
    assert ndif.kill_model_actors() == 1
    ndif.kill_api()
    assert ndif.get("/ping")[0] == 0
    ndif.stop_object_store()
    ndif.start_object_store()
    ndif.start_api()
    assert run_client(ndif, tmp_path) == ""
    assert_same_logits(tmp_path)


def test_a_frozen_api_answers_after_the_thaw(ndif: NdifServer) -> None:
    ndif.freeze_api()
    try:
        assert ndif.get("/ping", timeout_s=0.5)[0] == 0
    finally:
        ndif.thaw_api()
    assert ndif.get("/ping")[0] == 200


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("mine", 400), (UNKNOWN_KEY, 403)])
def test_the_server_with_keys_refuses_others(
    strict_ndif: NdifServer, key: str | None, status: int
) -> None:
    answer = httpx.post(
        f"{strict_ndif.url}/request",
        data={"data": json.dumps({"model_key": TINY})},
        files={"blob": b""},
        headers={"ndif-api-key": key} if key else {},
    )
    assert answer.status_code == status


def test_the_server_with_keys_takes_its_own(strict_ndif: NdifServer, tmp_path: Path) -> None:
    assert strict_ndif.key is not None
    assert run_client(strict_ndif, tmp_path, strict_ndif.key) == ""
    assert_same_logits(tmp_path)


@pytest.mark.parametrize("required", ["", "1"])
def test_where_a_server_is_required_a_missing_one_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, required: str
) -> None:
    monkeypatch.setattr(server, "missing", lambda auth: "an NDIF server needs redis-server")
    monkeypatch.setenv(REQUIRED, required)
    outcome = pytest.fail.Exception if required else pytest.skip.Exception
    with pytest.raises(outcome, match="needs redis-server"):
        skip_where_missing()


STUBBORN = "trap '' TERM; sleep 60 & sleep 60; wait"


def test_stop_ends_what_ignores_a_request_and_what_is_frozen(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    services = processes.Services(tmp_path, scratch)
    for name in ("stubborn", "frozen"):
        services.start(name, ["bash", "-c", STUBBORN], os.environ)
    wait_until(lambda: len(services.pids("stubborn")) == 3)
    services.freeze("frozen")
    assert services.stop() == []
    assert not scratch.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_services_end_with_the_test_run_however_that_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The run is a process that starts a service, tells its session, and dies."""
    (tmp_path / "scratch").mkdir()
    code = f"""
import os, signal, time
from pathlib import Path
from tests.ndif.processes import Services
signal.signal(signal.SIGINT, signal.default_int_handler)  # off in background jobs
services = Services(Path({str(tmp_path)!r}), Path({str(tmp_path / "scratch")!r}))
services.start("stubborn", ["bash", "-c", {STUBBORN!r}], os.environ)
print(services.pids("stubborn")[0], flush=True)
time.sleep(60)
"""
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    session = int(run.stdout.readline())
    run.send_signal(number)
    run.wait()
    wait_until(lambda: not processes.session_members({session}))
    wait_until(lambda: not (tmp_path / "scratch").exists())


def wait_until(true: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
