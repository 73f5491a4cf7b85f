"""`python -m tests.ndif.serve`: what it prints works as it stands, and it ends when told to."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import ROOT
from tests.ndif.conftest import skip_where_missing
from tests.ndif.processes import wait_until
from tests.ndif.settings import EMBEDDED

START_LIMIT_S = 600.0


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the server makes its folders. Paths of sockets are short, so it is not `tmp_path`."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def started(directory: Path, scratch: Path, log: Path) -> "subprocess.Popen[bytes]":
    """A server of a tiny model, under a name of the catalogue, as a shell starts it in the
    background: SIGINT is ignored.

    Its user has run Ray before, which left a token in the home: Ray would ask for it.
    """
    token = scratch / "home" / ".ray" / "auth_token"
    token.parent.mkdir(parents=True)
    token.write_text("of-another-cluster")
    code = f"from tests.ndif.serve import *; serve([{EMBEDDED!r}], Path({str(directory)!r}))"
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(scratch), "HOME": str(scratch / "home")},
            stdout=file,
            stderr=file,
            preexec_fn=_as_in_the_background,
        )


def _as_in_the_background() -> None:
    """The signals that a shell gives its background jobs, whatever the tests were started with:
    under nohup they ignore SIGHUP, and so would the server."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def folders(scratch: Path) -> list[Path]:
    """The server's own and that of its logs and its client's cache."""
    return list(scratch.glob("ndif-*"))


def processes_in(scratch: Path) -> list[int]:
    """The processes that were started with this folder for their files."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # gone since the listing
                environment = (folder / "environ").read_bytes().split(b"\0")
                if f"TMPDIR={scratch}".encode() in environment:
                    found.append(int(folder.name))
    return found


def assert_ends(serving: Any, number: signal.Signals, scratch: Path, log: Path) -> None:
    serving.send_signal(number)
    assert serving.wait(60) == 0, log.read_text()
    assert folders(scratch) == []
    wait_until(lambda: processes_in(scratch) == [], 5.0)


def test_what_is_printed_measures_and_the_server_ends_in_the_background(
    tiny_llama: Path, scratch: Path, tmp_path: Path
) -> None:
    skip_where_missing()
    log = tmp_path / "log"
    serving = started(tiny_llama, scratch, log)
    try:
        wait_until(lambda: "Ctrl-C" in log.read_text() or serving.poll() is not None, START_LIMIT_S)
        printed = log.read_text()
        assert "served at" in printed, printed
        command = printed.replace("my_results", str(tmp_path / "results"))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "TMPDIR": str(tmp_path)}
        shell = ["bash", "-e", "-c", command]
        done = subprocess.run(shell, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "deployed in float32" in done.stdout
        assert len(list(tmp_path.glob("results/main_results/*/country_capital-*"))) == 1
        # Without a model it is the one that the server runs. Without the precision it is refused
        # before anything is sent.
        careless = command.replace(f" --model {EMBEDDED}", "").replace(" --dtype float32", "")
        assert "--model" not in careless
        shell = ["bash", "-e", "-c", careless.replace("/results", "/others")]
        done = subprocess.run(shell, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 2
        told = " ".join(done.stdout.split())
        assert f"No --model was named: {EMBEDDED} on http://127.0.0.1:" in told
        assert "the first of the catalogue, since EleutherAI/gpt-j-6b does not run" in told
        assert "in float32, not bfloat16: repeat with --dtype float32" in done.stderr
        assert list(tmp_path.glob("others/.jobs/*")) == []
        assert_ends(serving, signal.SIGINT, scratch, log)
    finally:
        serving.kill()


def test_a_server_that_starts_ends_without_leaving_a_folder(
    tiny_llama: Path, scratch: Path, tmp_path: Path
) -> None:
    skip_where_missing()
    log = tmp_path / "log"
    serving = started(tiny_llama, scratch, log)
    try:
        wait_until(lambda: len(folders(scratch)) == 2, START_LIMIT_S)
        assert_ends(serving, signal.SIGHUP, scratch, log)
    finally:
        serving.kill()
