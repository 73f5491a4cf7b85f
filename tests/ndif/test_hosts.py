"""Hosts have a network of their own, and end whole."""

import os
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


def test_a_host_that_is_killed_leaves_nothing(services: Services, tmp_path: Path) -> None:
    killed = host(services, tmp_path, 1, LEAVES_ITS_SESSION)
    own = network(killed.pid)
    assert own != network(os.getpid())
    killed.kill()
    wait_until(lambda: own not in networks())
