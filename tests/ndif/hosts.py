"""Hosts of a network on one machine, each with addresses, processes and a loopback of its own.

A host is a set of Linux namespaces. A service holds its first process; when that ends, the kernel
ends every other process of the host and removes its links. So nothing outlives the tests, whatever
a host has started, and no address or link is made on the machine itself.
"""

import ctypes
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.ndif.processes import Services, command_line, wait_until

NETWORK = "10.77.0"
"""The first three numbers of every address."""
NEW_HOST = ["unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"]
PROBE = "ip link add name probe type bridge && ip link add name a type veth peer name b"


def address(number: int) -> str:
    """Of the host with a number."""
    return f"{NETWORK}.{number}"


def missing() -> str | None:
    """Why no host can be made here, or None."""
    programs = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    if programs:
        return f"hosts in namespaces need {' and '.join(programs)}: iproute2 and util-linux"
    if os.geteuid() != 0:
        return "hosts in namespaces need root"
    done = subprocess.run([*NEW_HOST, "sh", "-c", PROBE], capture_output=True, text=True)
    reason = "hosts in namespaces need the capabilities SYS_ADMIN and NET_ADMIN"
    return f"{reason}: {done.stderr.strip()}" if done.returncode else None


class Host:
    """A running host.

    Args:
        name: of its service.
        number: the last one of its address.
        disk: the folder that it sees as `home`, where the others see theirs.
        meanwhile: a command that it runs from its start to its end.
    """

    def __init__(
        self,
        services: Services,
        name: str,
        number: int,
        disk: Path,
        home: Path,
        meanwhile: str = "true",
    ) -> None:
        self.name = name
        self.address = address(number)
        self._services = services
        self._number = number
        # Not the last command, or this shell would become it; a shell reaps what is left behind.
        mounted = shlex.join(["mount", "--bind", str(disk), str(home)])
        first = f"ip link set lo up; {mounted}; {meanwhile} & sleep infinity; exit"
        services.start(name, [*NEW_HOST, "bash", "-c", first], os.environ)
        wait_until(lambda: self._first() is not None)
        pid = self._first()
        assert pid is not None
        self.pid = pid

    def join(self, bridge: "Host") -> None:
        """Connect this host with the one that has the bridge, which is its way to the others."""
        link = f"v{self.pid}"
        # A host that comes back keeps its hardware address, which its neighbours remember.
        mine = f"eth0 address 02:00:00:00:00:{self._number:02x} netns {self.pid}"
        bridge.ip(f"link add name {link} type veth peer name {mine}")
        bridge.ip(f"link set {link} master bridge up")
        self.ip(f"address add {self.address}/24 dev eth0")
        self.ip("link set eth0 up")
        self.ip(f"route add default via {bridge.address}")

    def make_bridge(self) -> None:
        self.ip("link add name bridge type bridge")
        self.ip(f"address add {self.address}/24 dev bridge")
        self.ip("link set bridge up")

    def ip(self, words: str) -> None:
        subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", "ip", *shlex.split(words)], check=True
        )

    def run(self, script: str, env: Mapping[str, str], log: Path, limit_s: float) -> None:
        """Run a shell script here; what it starts in the background goes on."""
        entered = ["nsenter", f"--target={self.pid}", "--net", "--pid", "--mount"]
        with log.open("ab") as file:
            done = subprocess.run(
                [*entered, "bash", "-euxo", "pipefail", "-c", script],
                env=dict(env),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                timeout=limit_s,
            )
        if done.returncode:
            raise RuntimeError(f"{self.name}:\n{log.read_text(errors='replace')}")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Give this thread, and what it starts, the network of the host."""
        with Path("/proc/thread-self/ns/net").open() as own:
            _set_namespace(Path(f"/proc/{self.pid}/ns/net"))
            try:
                yield
            finally:
                _set_namespace(Path(f"/proc/self/fd/{own.fileno()}"))

    def kill(self) -> None:
        """End every process at once, as a loss of power does."""
        self._services.kill(self.name)

    def _first(self) -> int | None:
        """The process whose end is the host's; the leader of its session only waits for it."""
        pids = [pid for pid in self._services.pids(self.name) if _is_shell(pid)]
        return min(pids, default=None)


def _is_shell(pid: int) -> bool:
    return command_line(pid).startswith("bash")


def _set_namespace(path: Path) -> None:
    """`os.setns`, which Python has from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open() as namespace:
        if libc.setns(namespace.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"no way into {path}")
