"""Runs that are killed, interrupted, or run side by side lose nothing and double nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from string import ascii_lowercase
from typing import Any, NamedTuple

import pandas as pd
import pytest

from tests.helpers.commands import ROOT, SETTINGS, ran
from tests.helpers.runs import PHASES, Kill, Runs, forking
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.storage.store import DRAWN, Store

pytestmark = pytest.mark.slow

TASKS = "to_upper,to_lower,next_letter,prev_letter,list_first,list_last"
KILLS = 10
"""At least. A process that is killed at every step of a save is in tests/storage/test_ownership."""
ROUND = {"measuring": 4, "saving": 6, "drawing": 2}
"""Kills of one results folder: while tasks are missing, then while all is drawn."""
PATIENCE_S = 2.0
"""Most processor seconds from Ctrl-C to the end of a process; more on a busy machine."""
LIMIT_S = 300
LONG, FEW = 50, 15
GROWTH = 1.1
"""Resident memory after many tasks, over that after few."""

Config = dict[str, Any]


class Whole(NamedTuple):
    """What a run gives that nothing disturbed, and how long its phases last."""

    rows: pd.DataFrame
    drawn: dict[str, bytes]
    seconds: dict[str, float]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    with forking() as started:
        yield started


@pytest.fixture(scope="module")
def config(tiny_checkpoint: Callable[[str], Path]) -> Config:
    return {
        "model": [str(tiny_checkpoint("llama"))],
        "tasks": TASKS,
        "shots": 3,
        "episodes_per_split": 6,
        "device": "cpu",
    }


@pytest.fixture(scope="module")
def whole(runs: Runs, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run that nothing disturbed."""
    results = str(tmp_path_factory.mktemp("whole"))
    ended = runs.run(config | {"results": results})
    assert ended["exit"] == 0
    assert sorted(measured(ended)) == sorted(TASKS.split(","))
    return Whole(all_rows(results), drawn(results), usual(ended["events"]))


def test_a_command_that_is_killed_at_any_moment_goes_on_where_it_stopped(
    runs: Runs, config: Config, whole: Whole, tmp_path: Path
) -> None:
    rng, hits = random.Random(0), Counter[str]()
    while hits.total() < KILLS or not set(PHASES) <= hits.keys():
        assert hits.total() < 3 * KILLS, f"no kill has hit every phase: {hits}"
        results = str(tmp_path / str(hits.total()))
        before_drawing = ["measuring"] * ROUND["measuring"] + ["saving"] * ROUND["saving"]
        rng.shuffle(before_drawing)
        for phase in (*before_drawing, *["drawing"] * ROUND["drawing"], None):
            kill = None
            if phase is not None:
                count = rng.choice((1, 2)) if phase == "measuring" else 1
                kill = Kill(phase, count, rng.uniform(0, whole.seconds[phase]))
            before = complete(results)
            ended = runs.run(config | {"results": results}, kill)
            if ended["exit"] is None:
                hits[ended["events"][-1][1]] += 1
            else:
                assert ended["exit"] == 0
            assert before.items() <= complete(results).items(), "a whole result was written again"
            assert not {name for name, _ in before} & set(measured(ended)), "measured twice"
        pd.testing.assert_frame_equal(all_rows(results), whole.rows, check_exact=True)
        assert drawn(results) == whole.drawn
        assert leftovers(results) == []


def test_two_commands_on_one_folder_share_the_work(
    runs: Runs, config: Config, whole: Whole, tmp_path: Path
) -> None:
    """The second asks for some of the tasks of the first, in another order."""
    results, other = str(tmp_path), "to_upper,list_last,next_letter"
    with forking() as others:
        runs.begin(config | {"results": results})
        others.begin(config | {"results": results, "tasks": other})
        ended = [runs.end(), others.end()]
    assert [one["exit"] for one in ended] == [0, 0]
    asked = [task for one in ended for task in measured(one)]
    assert sorted(asked) == sorted(TASKS.split(","))
    pd.testing.assert_frame_equal(all_rows(results), whole.rows, check_exact=True)
    assert drawn(results).keys() == whole.drawn.keys()
    assert leftovers(results) == []


@pytest.mark.parametrize(
    ("moment", "stored"),
    [
        ("to_upper: Baseline", {"to_upper"}),
        ("", set(TASKS.split(","))),  # nothing is printed before all is written
    ],
    ids=["measuring", "drawing"],
)
def test_an_interrupt_keeps_what_is_complete_and_says_how_to_go_on(
    config: Config, tmp_path: Path, moment: str, stored: set[str]
) -> None:
    options = {**config, "results": str(tmp_path)}
    words = [f"--{name.replace('_', '-')}" for name in options]
    values = [value[0] if isinstance(value, list) else str(value) for value in options.values()]
    command = [sys.executable, "-m", "analyses.main_results"]
    command += [word for pair in zip(words, values, strict=True) for word in pair]
    others = computed_by_children()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | SETTINGS | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that a shell runs in the background ignore interrupts, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        if moment:
            lines = (line for line in process.stdout if line.strip().startswith(moment))
            reached = next(lines, None) is not None
        else:
            while process.poll() is None and not (tmp_path / "tables").exists():
                time.sleep(0.005)
            reached = (tmp_path / "tables").exists()
        process.send_signal(signal.SIGINT)
        before = computed(process.pid)
        _, errors = process.communicate(timeout=LIMIT_S)
    assert reached
    assert process.returncode == 130
    assert computed_by_children() - others - before < PATIENCE_S
    assert "repeat the command to go on" in errors
    assert "Traceback" not in errors
    assert stored <= {name for name, _ in complete(str(tmp_path))}
    assert leftovers(str(tmp_path)) == []


def test_a_long_run_does_not_grow(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    files = []
    for number in range(LONG):
        shift = number % 25 + 1
        answers = ascii_lowercase[shift:] + ascii_lowercase[:shift]
        pairs = list(zip(ascii_lowercase, answers, strict=True))
        file = folder / f"task_{number}.json"
        file.write_text(json.dumps({"name": f"task_{number}", "pairs": pairs}))
        files.append(str(file))
    script = ("-m", "tests.helpers.growing", tiny_checkpoint("llama"), tmp_path)
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    ended = ran(*script, *files, environment=environment)
    seen = json.loads(ended.stdout.splitlines()[-1])
    few, many = seen[str(FEW)], seen[str(LONG)]
    assert many["memory"] <= GROWTH * few["memory"]
    assert many["files"] == few["files"]
    assert many["threads"] == few["threads"]


def computed(process_id: int) -> float:
    """How long a process that runs has computed, in seconds."""
    _, _, fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")
    return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def computed_by_children() -> float:
    """How long the processes computed that this one has started and seen end, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


def measured(ended: dict[str, Any]) -> list[str]:
    """The tasks that a command began to measure."""
    return [task for _, phase, task in ended["events"] if phase == "measuring"]


def usual(events: list[tuple[float, str, str]]) -> dict[str, float]:
    """How long each phase lasts: the median."""
    lasted: dict[str, list[float]] = {phase: [] for phase in PHASES}
    for (begin, phase, _), (end, _, _) in pairwise(events):
        if phase in lasted:
            lasted[phase].append(end - begin)
    return {phase: median(seconds) for phase, seconds in lasted.items()}


def drawn(results: str) -> dict[str, bytes]:
    """Tables and figures."""
    folders = (Path(results, name) for name in DRAWN)
    return {file.name: file.read_bytes() for folder in folders for file in folder.iterdir()}


def all_rows(results: str) -> pd.DataFrame:
    store = Store(results)
    tables = [store.rows(path) for path in store.paths(MAIN_RESULTS) if store.verified(path)]
    return pd.concat(tables, ignore_index=True)


def complete(results: str) -> dict[tuple[str, str], float]:
    """When each whole result was written, by task and place."""
    found = {}
    for manifest in Path(results).glob(f"{MAIN_RESULTS}/*/[!.]*/manifest.json"):
        task = manifest.parent.name.rsplit("-", 1)[0]
        found[task, str(manifest)] = manifest.stat().st_mtime
    return found


def leftovers(results: str) -> list[str]:
    """What is neither a result nor a lock."""
    return [
        str(path)
        for path in Path(results).rglob("*")
        if path.name.startswith((".new-", ".probe-")) or path.suffix == ".tmp"
    ]
