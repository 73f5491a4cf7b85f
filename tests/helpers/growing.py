"""A run of many tasks that says what it holds.

`python -m tests.helpers.growing MODEL RESULTS TASK_FILE ...` prints a JSON object: by the number of
tasks that are done, the `memory` (resident, bytes), open `files` and `threads` of the process.
"""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from tvsight.config import RunConfig
from tvsight.output.console import Display
from tvsight.protocol.central import requests
from tvsight.run.runner import Runner


class Watching(Display):
    """Notes what the process holds after each task."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))
        self.seen: dict[int, dict[str, int]] = {}

    def measured(self, name: str, line: str) -> None:
        self.seen[len(self.seen) + 1] = held()


def held() -> dict[str, int]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def main(model: str, results: str, *files: str) -> None:
    options: dict[str, Any] = {"shots": 3, "episodes_per_split": 4, "device": "cpu"}
    config = RunConfig(model=(model,), tasks="none", task_file=files, results=results, **options)
    display = Watching()
    Runner(display).run(config, requests)
    print(json.dumps(display.seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
