"""Runs that are killed, interrupted, or run side by side lose nothing and double nothing."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pandas as pd
import pytest

from tests.analyses.commands import ROOT, SETTINGS
from tests.runs import Runs, forking
from tvsight.experiments import MAIN_RESULTS
from tvsight.store import Store

TASKS = "to_upper,to_lower,next_letter,prev_letter,list_first,list_last"
KILLS = 30
LONG, FEW = 200, 20
GROWTH = 1.1
"""Resident memory after many tasks, over that after few."""

Config = dict[str, Any]


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
def whole(
    runs: Runs, config: Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pd.DataFrame, float]:
    """The rows of a run that nothing disturbed, and its seconds."""
    results = str(tmp_path_factory.mktemp("whole"))
    ended = runs.run(config | {"results": results})
    assert ended["exit"] == 0
    assert sorted(ended["asked"]) == sorted(TASKS.split(","))
    return all_rows(results), ended["seconds"]


def test_a_run_that_is_killed_at_any_moment_goes_on_where_it_stopped(
    runs: Runs, config: Config, whole: tuple[pd.DataFrame, float], tmp_path: Path
) -> None:
    rows, seconds = whole
    rng, kills, folders = random.Random(0), 0, 0
    while kills < KILLS:
        folders += 1
        results = str(tmp_path / str(folders))
        exit_code = None
        while exit_code is None:
            before = complete(results)
            kill_after = rng.uniform(0, seconds) if kills < KILLS else None
            ended = runs.run(config | {"results": results}, kill_after)
            exit_code = ended["exit"]
            kills += exit_code is None
            assert before.items() <= complete(results).items(), "a whole result was written again"
            assert not {name for name, _ in before} & set(ended["asked"]), "measured twice"
        assert exit_code == 0
        pd.testing.assert_frame_equal(all_rows(results), rows, check_exact=True)
        assert leftovers(results) == []
    assert folders > 1


def test_two_runs_on_one_folder_share_the_work(
    runs: Runs, config: Config, whole: tuple[pd.DataFrame, float], tmp_path: Path
) -> None:
    results = str(tmp_path)
    with forking() as others:
        runs.begin(config | {"results": results})
        others.begin(config | {"results": results})
        ended = [runs.end(), others.end()]
    assert [one["exit"] for one in ended] == [0, 0]
    asked = [task for one in ended for task in one["asked"]]
    assert sorted(asked) == sorted(TASKS.split(","))
    pd.testing.assert_frame_equal(all_rows(results), whole[0], check_exact=True)
    assert leftovers(results) == []


def test_an_interrupt_keeps_what_is_complete_and_says_how_to_go_on(
    config: Config, tmp_path: Path
) -> None:
    options = {**config, "results": str(tmp_path)}
    words = [f"--{name.replace('_', '-')}" for name in options]
    values = [value[0] if isinstance(value, list) else str(value) for value in options.values()]
    command = [sys.executable, "-m", "analyses.main_results"]
    command += [word for pair in zip(words, values, strict=True) for word in pair]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | SETTINGS | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        measured = next(line for line in process.stdout if line.startswith("to_upper: Baseline"))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, measured
    assert "repeat the command to go on" in errors
    assert "Traceback" not in errors
    assert "to_upper" in {name for name, _ in complete(str(tmp_path))}
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
    script = [sys.executable, "-m", "tests.growing", str(tiny_checkpoint("llama")), str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        [*script, *files], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    seen = json.loads(ended.stdout.splitlines()[-1])
    few, many = seen[str(FEW)], seen[str(LONG)]
    assert many["memory"] <= GROWTH * few["memory"]
    assert many["files"] == few["files"]
    assert many["threads"] == few["threads"]


def all_rows(results: str) -> pd.DataFrame:
    store = Store(results)
    tables = [store.rows(path) for path in store.paths(MAIN_RESULTS) if store.manifest(path)]
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
