"""Commands in processes that are forked from one that has imported everything already.

A process of its own imports torch and nnsight for seconds before it does anything. A fork of one
that has them begins at once, and is otherwise the same: `python -m MODULE ARGUMENTS` in a folder
and an environment, with its output in files and its figures as drafts.

`python -m tests.helpers.forked_commands SOCKET` listens at a socket until its standard input is
closed. Each connection brings one `Command` as JSON and gets the exit code.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from tests.helpers.drafts import draft

ROOT = Path(__file__).parent.parent.parent
SETTINGS = {"COLUMNS": "170", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
"""Wide enough that few cells are folded; no hub and no GPU, wherever the tests run."""
IMPORTED = (
    *("torch", "nnsight", "transformers", "safetensors.torch", "pandas", "pyarrow.parquet"),
    *("matplotlib.figure", "seaborn", "scipy.stats", "scipy.spatial.distance", "sklearn.manifold"),
    *("tyro", "rich.console", "rich.live", "tokenizers", "filelock"),
    *("tvsight.cli.analysis", "tvsight.models.loading", "tvsight.run.places", "tvsight.run.travel"),
    *("tvsight.execution.here", "tvsight.output.drawn"),
)
"""Once, for all commands, besides every experiment."""
OF_THE_TEST = {"PYTEST_CURRENT_TEST", "COLUMNS"}
"""Variables of the environment that nothing reads when it is imported."""


class Command(NamedTuple):
    """What is run."""

    module: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    again: list[str]
    """Packages that are imported anew, from the folder."""
    outputs: list[str]
    """Files that get what is printed, and what is printed as errors."""


class Fork:
    """The process that commands are forked from.

    Args:
        environment: its variables; a command may have others only of `OF_THE_TEST`, and of those
            that a package sets when it is imported (sklearn does), as a test's process may have
            done since.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._started_in = environment
        self._folder = tempfile.TemporaryDirectory(prefix="fork-")
        self._socket = str(Path(self._folder.name) / "socket")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.forked_commands", self._socket],
            cwd=ROOT,
            env={**environment, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        assert ready, "the process to fork from has died"
        self._apart = OF_THE_TEST | set(json.loads(ready))
        atexit.register(self._end)

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Whether what was imported has read the same settings."""
        differing = environment.items() ^ self._started_in.items()
        return {name for name, _ in differing} <= self._apart

    def run(
        self,
        module: str,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        again: Sequence[str] = (),
    ) -> "subprocess.CompletedProcess[str]":
        """`python -m MODULE ARGUMENTS` in a folder."""
        with tempfile.TemporaryDirectory(dir=self._folder.name) as scratch:
            outputs = [str(Path(scratch) / name) for name in ("output", "errors")]
            command = Command(
                module, [*arguments], str(folder), dict(environment), [*again], outputs
            )
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._socket)
                connection.sendall(json.dumps(command).encode())
                connection.shutdown(socket.SHUT_WR)
                code = int(connection.recv(100))
            printed, errors = (Path(name).read_text(encoding="utf-8") for name in outputs)
        return subprocess.CompletedProcess([module, *arguments], code, printed, errors)

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


@cache
def fork() -> Fork:
    """The process that this one's commands are forked from, started on first use."""
    return Fork(os.environ | SETTINGS)


def main(path: str) -> None:
    """Fork commands until nobody asks for more."""
    before = set(os.environ)
    reports = sorted((ROOT / "tvsight" / "experiments").glob("*/report.py"))
    of_experiments = [f"tvsight.experiments.{file.parent.name}" for file in reports]
    for module in (*IMPORTED, *(f"{name}.report" for name in of_experiments)):
        importlib.import_module(module)
    for name in of_experiments:  # a view of another experiment measures nothing
        with suppress(ModuleNotFoundError):
            importlib.import_module(f"{name}.measure")
    draft(pytest.MonkeyPatch())
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that serve
    print(json.dumps(sorted(set(os.environ) - before)), flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _serve(connection)
        connection.close()


def _serve(connection: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as file:
        command = Command(*json.loads(file.read()))
    child = os.fork()
    if child == 0:
        connection.close()
        _run(command)
    _, status = os.waitpid(child, 0)
    with suppress(BrokenPipeError):
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(command: Command) -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(command.outputs, start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(command.environment)
    os.chdir(command.folder)
    if command.again:
        for name in [*sys.modules]:
            if name.partition(".")[0] in command.again:
                del sys.modules[name]
        sys.path[:] = [command.folder, *(p for p in sys.path if Path(p or ".") != ROOT)]
    sys.argv = [command.module, *command.arguments]
    code = 0
    try:
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        code = int(end.code is not None) if not isinstance(end.code, int) else end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
