"""Runs in processes that can be killed: started from one that has imported everything already.

`python -m tests.runs` reads one JSON object a line: `config` (fields of `RunConfig`), and
`kill_after` (seconds, or null). It forks a run, kills it after so long, and answers with one JSON
object a line: `exit` (None when it was killed), `seconds`, and `asked`, the tasks that it began to
measure.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Runs:
    """The process that forks runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begin(self, config: dict[str, Any], kill_after: float | None = None) -> None:
        """Start a run."""
        assert self._process.stdin is not None
        print(
            json.dumps({"config": config, "kill_after": kill_after}),
            file=self._process.stdin,
            flush=True,
        )

    def end(self) -> dict[str, Any]:
        """Wait for the run that was started last."""
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "the process that forks runs has died"
        return json.loads(answer)

    def run(self, config: dict[str, Any], kill_after: float | None = None) -> dict[str, Any]:
        """Start a run and wait for it."""
        self.begin(config, kill_after)
        return self.end()


@contextmanager
def forking() -> Iterator[Runs]:
    """A process that forks runs, while the block lasts."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.runs"],
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
    """Fork runs until nobody asks for more."""
    import tvsight.experiments.main_results
    import tvsight.models.loading  # noqa: F401  (imported once, for all forks)

    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.NamedTemporaryFile() as log:
            started = time.monotonic()
            child = os.fork()
            if child == 0:
                os._exit(_run(asked["config"], Path(log.name)))
            code = _wait(child, asked["kill_after"])
            seconds = time.monotonic() - started
            tasks = Path(log.name).read_text().split()
        print(json.dumps({"exit": code, "seconds": seconds, "asked": tasks}), flush=True)


def _run(fields: dict[str, Any], log: Path) -> int:
    from rich.console import Console

    from tvsight.config import RunConfig
    from tvsight.console import Display
    from tvsight.requests.main_results import main_results
    from tvsight.runner import Runner

    def noted(chosen: Any, source: Any) -> Any:
        return [replace(one, measure=partial(noting, one)) for one in main_results(chosen, source)]

    def noting(request: Any, model: Any) -> Any:
        with log.open("a") as file:
            print(request.name, file=file, flush=True)
        return request.measure(model)

    given = {k: tuple(value) if isinstance(value, list) else value for k, value in fields.items()}
    with open(os.devnull, "w") as nowhere:
        Runner(Display(Console(file=nowhere))).run(RunConfig(**given), noted)
    return 0


def _wait(child: int, kill_after: float | None) -> int | None:
    if kill_after is not None:
        limit = time.monotonic() + kill_after
        while time.monotonic() < limit:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None


if __name__ == "__main__":
    main()
