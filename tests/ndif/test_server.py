"""The servers of the fixtures are real, do what they are told, and leave nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.ndif import processes, server
from tests.ndif.conftest import REQUIRED, skip_where_missing
from tests.ndif.processes import wait_until
from tests.ndif.server import NdifServer
from tests.ndif.settings import TINY

CLIENT = Path(__file__).with_name("client.py")


def test_a_remote_trace_has_the_logits_of_a_local_one(ndif: NdifServer, tmp_path: Path) -> None:
    env = os.environ | ndif.client_environment(tmp_path / "home")
    command = [sys.executable, str(CLIENT), TINY, str(tmp_path / "logits.pt")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stderr}\n{ndif.logs('api')}\n{ndif.logs('actors')}"
    logits = torch.load(tmp_path / "logits.pt")
    torch.testing.assert_close(logits["remote"], logits["local"])


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


def test_services_end_with_the_test_run_when_that_is_killed(tmp_path: Path) -> None:
    """The run is a process that starts a service, tells its session, and dies."""
    (tmp_path / "scratch").mkdir()
    code = f"""
import os, time
from pathlib import Path
from tests.ndif.processes import Services
services = Services(Path({str(tmp_path)!r}), Path({str(tmp_path / "scratch")!r}))
services.start("stubborn", ["bash", "-c", {STUBBORN!r}], os.environ)
print(services.pids("stubborn")[0], flush=True)
time.sleep(60)
"""
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    session = int(run.stdout.readline())
    run.kill()
    run.wait()
    wait_until(lambda: not processes.session_members({session}))
    wait_until(lambda: not (tmp_path / "scratch").exists())
