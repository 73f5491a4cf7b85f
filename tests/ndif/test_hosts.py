"""Hosts have a network of their own, and end whole."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ndif import hosts
from tests.ndif.hosts import Host
from tests.ndif.processes import Services, wait_until

LEAVES_ITS_SESSION = "setsid sleep 600"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    if (reason := hosts.missing()) is not None:
        pytest.skip(reason)
    running = Services(tmp_path / "logs", tmp_path / "scratch")
    yield running
    assert running.stop() == []


def host(services: Services, folder: Path, number: int, meanwhile: str = "true") -> Host:
    disk = folder / f"disk-{number}"
    (folder / "home").mkdir(exist_ok=True)
    disk.mkdir()
    return Host(services, f"host-{number}", number, disk, folder / "home", meanwhile)


def network(pid: int) -> str | None:
    """The network that a process has, or None when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def networks() -> set[str | None]:
    """Those of all processes."""
    return {network(int(path.name)) for path in Path("/proc").glob("[0-9]*")}


def test_hosts_reach_each_other_and_have_disks_of_their_own(
    services: Services, tmp_path: Path
) -> None:
    server = f"{sys.executable} -m http.server 8001 --directory {tmp_path / 'home'}"
    bridge = host(services, tmp_path, 1)
    bridge.make_bridge()
    serving = host(services, tmp_path, 2, server)
    asking = host(services, tmp_path, 3)
    for each in (serving, asking):
        each.join(bridge)
    (tmp_path / "disk-2" / "page").write_text("found")
    env = {"PATH": os.environ["PATH"], "PAGE": f"http://{serving.address}:8001/page"}
    ask = "import os, urllib.request as r; print(r.urlopen(os.environ['PAGE']).read().decode())"
    again = f'until {sys.executable} -c "{ask}"; do sleep 0.1; done; ls {tmp_path / "home"}'
    log = tmp_path / "asked.log"
    asking.run(again, env, log, limit_s=30)
    assert "found" in log.read_text().split()
    assert "page" not in log.read_text().split(), "that is on the other's disk"


def test_a_host_that_is_killed_leaves_nothing(services: Services, tmp_path: Path) -> None:
    killed = host(services, tmp_path, 1, LEAVES_ITS_SESSION)
    own = network(killed.pid)
    assert own != network(os.getpid())
    killed.kill()
    wait_until(lambda: own not in networks())


@pytest.mark.usefixtures("services")
def test_hosts_end_with_the_test_run_when_that_is_killed(tmp_path: Path) -> None:
    for name in ("disk", "home"):
        (tmp_path / name).mkdir()
    code = f"""
import time
from pathlib import Path
from tests.ndif.hosts import Host
from tests.ndif.processes import Services
folder = Path({str(tmp_path)!r})
services = Services(folder / "logs", folder / "scratch")
host = Host(services, "host", 1, folder / "disk", folder / "home", {LEAVES_ITS_SESSION!r})
print(host.pid, flush=True)
time.sleep(60)
"""
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    own = network(int(run.stdout.readline()))
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: own not in networks())


def test_what_hosts_need_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "ip" else name)
    assert hosts.missing() == "hosts in namespaces need ip: iproute2 and util-linux"
    monkeypatch.setattr(shutil, "which", lambda name: name)
    assert hosts.missing() == "hosts in namespaces need root"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(hosts, "NEW_HOST", ["sh", "-c", "echo denied >&2; exit 1"])
    reason = "hosts in namespaces need the capabilities SYS_ADMIN and NET_ADMIN: denied"
    assert hosts.missing() == reason
