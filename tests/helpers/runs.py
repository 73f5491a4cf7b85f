"""Commands in processes that can be killed: forked from one that has imported everything already.

`python -m tests.helpers.runs` reads one JSON object a line: `config` (fields of `RunConfig`), and
`kill` (a `Kill` as a list, or null). It forks `analyses.main_results`, kills it at that moment, and
answers with one JSON object a line: `exit` (None when it was killed) and `events`, the phases that
began, each as `[seconds since the start, phase, task]`. Figures are drafts.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.helpers.commands import ROOT
from tests.helpers.drafts import draft

PHASES = ("measuring", "saving", "drawing")
IMPORTED = (
    "tvsight.cli.analysis",
    "tvsight.protocol.measure",
    "tvsight.experiments.main_results.report",
    "tvsight.models.loading",
)
"""Once, for all forks."""
DONE = "done"
"""The successor of a phase that has no other behind it."""


class Kill(NamedTuple):
    """A moment: so many seconds after a phase has begun for the `count`th time."""

    phase: str
    count: int
    seconds: float


class Runs:
    """The process that forks runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begin(self, config: dict[str, Any], kill: Kill | None = None) -> None:
        """Start a command."""
        assert self._process.stdin is not None
        asked = json.dumps({"config": config, "kill": kill})
        print(asked, file=self._process.stdin, flush=True)

    def end(self) -> dict[str, Any]:
        """Wait for the command that was started last."""
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "the process that forks runs has died"
        ended: dict[str, Any] = json.loads(answer)
        return ended

    def run(self, config: dict[str, Any], kill: Kill | None = None) -> dict[str, Any]:
        """Start a command and wait for it."""
        self.begin(config, kill)
        return self.end()


@contextmanager
def forking() -> Iterator[Runs]:
    """A process that forks runs, while the block lasts."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.runs"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Runs(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def main() -> None:
    """Fork commands until nobody asks for more."""
    for module in IMPORTED:
        importlib.import_module(module)
    draft(pytest.MonkeyPatch())
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.NamedTemporaryFile() as log:
            events = Path(log.name)
            child = os.fork()
            if child == 0:
                os._exit(_run(asked["config"], events))
            code = _wait(child, events, Kill(*asked["kill"]) if asked["kill"] else None)
            told = [json.loads(event) for event in events.read_text().splitlines()]
        print(json.dumps({"exit": code, "events": told}), flush=True)


def _run(fields: dict[str, Any], events: Path) -> int:
    from tvsight.cli.analysis import analyse
    from tvsight.config import RunConfig
    from tvsight.experiments.main_results import report
    from tvsight.protocol.central import MainResults
    from tvsight.storage.store import Store

    began = time.monotonic()

    def note(phase: str, task: str = "") -> None:
        with events.open("a") as file:
            print(json.dumps([time.monotonic() - began, phase, task]), file=file, flush=True)

    steps, save, draw = MainResults.steps, Store.save, report.draw

    def noting_steps(request: Any, model: Any) -> Any:
        note("measuring", request.name)
        return steps(request, model)

    def noting_save(store: Any, result: Any, *arguments: Any) -> None:
        note("saving", result.identity["task"])
        save(store, result, *arguments)
        note(DONE)

    def noting_draw(*arguments: Any) -> None:
        note("drawing")
        draw(*arguments)
        note(DONE)

    MainResults.steps, Store.save, report.draw = noting_steps, noting_save, noting_draw
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    given = {k: tuple(value) if isinstance(value, list) else value for k, value in fields.items()}
    return analyse("main_results", RunConfig(**given))


def _wait(child: int, events: Path, kill: Kill | None) -> int | None:
    limit = None
    while kill is not None:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if limit is None and events.read_text().count(f'"{kill.phase}"') >= kill.count:
            limit = time.monotonic() + kill.seconds
        if limit is not None and time.monotonic() >= limit:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.0005)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None


if __name__ == "__main__":
    main()
