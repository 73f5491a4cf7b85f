"""The bar of everything that takes a while: on a terminal alone, with the time that is left."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.explored import explored_store
from tests.helpers.small_runs import TASKS, First, first
from tvsight.cli import analysis
from tvsight.cli.report import Options, main
from tvsight.explorer import page
from tvsight.progress import Moved
from tvsight.run import runner

__all__ = ["first"]
HIDE = b"\x1b[?25l"
"""Hides the cursor, which a process that is killed would not bring back."""
CODE = """
import time
from tvsight.progress import bar
with bar(10, "reading results") as seen:
    for number in range(3):
        print("line", number)
        time.sleep(0.3)
        seen(number)
"""


def test_it_is_on_a_terminal_with_the_time_that_is_left() -> None:
    mine, theirs = os.openpty()
    command, told = [sys.executable, "-c", CODE], b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        while True:
            try:
                told += os.read(mine, 1000)
            except OSError:  # it ended
                break
        assert run.stdout is not None
        assert run.stdout.read().decode().splitlines() == ["line 0", "line 1", "line 2"]
    os.close(mine)
    assert b"reading results" in told
    assert b"0:00:0" in told
    assert HIDE not in told


def test_a_pipe_has_none() -> None:
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert not ended.stderr


class Bars:
    """Stands in for `bar`: the total of each, and what was done of it."""

    def __init__(self) -> None:
        self.known: dict[str, list[float | None]] = {}

    @contextmanager
    def __call__(self, total: float | None, doing: str) -> Iterator[Moved]:
        parts = self.known[doing] = [total, 0]

        def moved(*_: object, by: float = 1) -> None:
            assert parts[1] is not None
            parts[1] += by

        yield moved


def test_a_page_counts_all_that_is_read_compared_and_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars, store = Bars(), explored_store(tmp_path)
    monkeypatch.setattr(page, "bar", bars)
    assert main(Options(str(store.root))) == 0
    total, done = bars.known["making the page"]
    assert total == pytest.approx(done)
    assert total == 3 * sum(1 for _ in store.paths())


def test_a_redraw_counts_what_is_read_and_drawn(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = first.copied(tmp_path / "results", redraw=True)
    drawn: list[list[float | None]] = []
    for _ in range(2):
        bars = Bars()
        monkeypatch.setattr(runner, "bar", bars)
        monkeypatch.setattr(analysis, "bar", bars)
        assert analysis.analyse("main_results", config) == 0
        assert bars.known["reading results"] == [len(TASKS), len(TASKS)]
        drawn.append(bars.known["drawing"])
    assert drawn == [[None, drawn[0][1]], [drawn[0][1], drawn[0][1]]]
    assert drawn[0][1]
