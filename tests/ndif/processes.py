"""The processes of a test server, of which none outlives the tests.

Each service leads a session of its own: what it starts may move to another process group, as some
of Ray's processes do, yet it stays in the session, so that a signal to all of a session misses
nothing. Only sessions that were started here are ever signalled.

A guard, which is this file run as a script, holds the other end of a pipe. When that closes, at
`Services.stop` or because the test run has died of whatever cause, it ends every session.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end."""
GRACE_S = 2.0
"""Seconds between the request to end (SIGTERM) and the end (SIGKILL)."""
POLL_S = 0.05
LOG_TAIL_BYTES = 8000


def wait_until(true: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Look again and again until something is true."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(POLL_S)


class Services:
    """Services by name, each with its log in `folder`, and the guard that ends them.

    Args:
        folder: receives a log per service, `NAME.log`.
        scratch: a directory that the guard removes after the last process.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._guard = subprocess.Popen(
            [sys.executable, "-IS", __file__, str(os.getpid()), str(scratch)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        )

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a service, as leader of a new session.

        A signal to end waits until the guard knows of it, or it would outlive the tests.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        try:
            with self._log(name).open("ab") as log:
                process = subprocess.Popen(
                    list(command),
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before),
                )
            self._running[name] = process
            assert self._guard.stdin is not None
            self._guard.stdin.write(b"%d\n" % process.pid)
            self._guard.stdin.flush()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def kill(self, name: str) -> None:
        """End a service and all that it started, at once (SIGKILL)."""
        process = self._running.pop(name)
        end({process.pid}, grace_s=0)
        process.wait()

    def freeze(self, name: str) -> None:
        """Hold a service still (SIGSTOP); its sockets stay open."""
        send(signal.SIGSTOP, {self._running[name].pid})

    def thaw(self, name: str) -> None:
        """Let a frozen service go on (SIGCONT)."""
        send(signal.SIGCONT, {self._running[name].pid})

    def pids(self, name: str, containing: str = "") -> list[int]:
        """A service's processes, or those whose command line contains a text."""
        members = session_members({self._running[name].pid})
        return [pid for pid in members if containing in command_line(pid)]

    def ended(self) -> dict[str, int]:
        """Exit statuses of the services that have failed."""
        statuses = {name: process.poll() for name, process in self._running.items()}
        return {name: status for name, status in statuses.items() if status}

    def tail(self, name: str) -> str:
        """The end of a service's log."""
        path = self._log(name)
        return tail(path) if path.exists() else ""

    def stop(self) -> list[int]:
        """End everything, and return the processes that are left: none, or something is wrong."""
        sessions = {process.pid for process in self._running.values()}
        if self._guard.poll() is None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()
        for process in self._running.values():
            process.wait()
        self._running.clear()
        return list(session_members(sessions))

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def tail(path: Path) -> str:
    """The last `LOG_TAIL_BYTES` of a text file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace")


def session_members(sessions: set[int]) -> dict[int, int]:
    """The process group of each live process of these sessions, by process id.

    One that has ended and waits for its parent to ask (a zombie) is not alive.
    """
    members = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # gone since the listing
                # The name of the program, in parentheses, may hold anything.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                state, _, group, session = fields[:4]
                if int(session) in sessions and state != "Z":
                    members[int(folder.name)] = int(group)
    return members


def command_line(pid: int) -> str:
    """Its arguments with spaces between, or nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def send(number: signal.Signals, sessions: set[int]) -> None:
    """Signal every process group of these sessions."""
    for group in set(session_members(sessions).values()):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)


def end(sessions: set[int], grace_s: float) -> None:
    """End sessions: ask, wait up to `grace_s`, then kill until nothing is left."""
    deadline = time.monotonic() + grace_s
    if grace_s:
        send(signal.SIGTERM, sessions)
        send(signal.SIGCONT, sessions)  # what is frozen would not hear the other
    while session_members(sessions):
        if time.monotonic() >= deadline:
            send(signal.SIGKILL, sessions)
        time.sleep(POLL_S)


def guard(parent: int, scratch: Path) -> None:
    """Collect session ids from standard input until that closes, then end them all.

    A child that the parent has forked may hold the pipe open, so the parent is looked after too.
    """
    os.set_blocking(0, False)
    received = b""
    while True:
        orphaned = os.getppid() != parent
        if select.select([0], [], [], 0 if orphaned else 0.5)[0]:
            chunk = os.read(0, 4096)
            received += chunk
            orphaned = not chunk
        if orphaned:
            break
    end({int(line) for line in received.split()}, GRACE_S)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    guard(int(sys.argv[1]), Path(sys.argv[2]))
