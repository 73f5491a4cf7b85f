import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.commands import ROOT
from tests.helpers.damages import flip
from tests.helpers.example_store import IDENTITY, MADE
from tests.helpers.explored import MODEL, TASK, TASKS, explored_folder, explored_store, rows_of
from tvsight import writing
from tvsight.explorer import CENTRAL
from tvsight.explorer.runs import labels
from tvsight.storage import store as stores
from tvsight.storage.contents import read_table
from tvsight.storage.inspection import entries
from tvsight.storage.joining import together
from tvsight.storage.schemas import EPISODES, Schema
from tvsight.storage.store import Result, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return explored_store(tmp_path)


def test_results_with_the_same_options_are_one_run(store: Store) -> None:
    folder = explored_folder(store)
    assert [run.settings["seed"] for run in folder.runs] == [0, 1]
    assert all(set(run.tasks) == set(TASKS) for run in folder.runs)
    assert folder.counts == {(MODEL, "main_results"): 4}
    assert folder.problems == []
    first, second = labels(folder.runs)
    assert (first.split(" · ")[1:], second.split(" · ")[1:]) == (["seed 0"], ["seed 1"])


def test_the_newest_of_two_results_of_other_pairs_is_taken(store: Store) -> None:
    newer = rows_of("antonyms", (0, 6, 6, 6))
    identity = {**IDENTITY, "model": MODEL, "task": "antonyms", "task_data": "1f"}
    store.save(Result(identity), newer, None, {**MADE, "written": "2099-01-01T00:00:00+00:00"})
    (found,) = explored_folder(store).runs[0].of("main_results", "antonyms")
    assert found.path == Result(identity).path
    (older,) = explored_folder(store).problems
    assert older.reason == "other pairs of antonyms than the newest results of its run"


def test_each_file_of_episodes_is_one_run_with_all_its_tasks(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in "ab":
        file = {task: f"{name}{number}" for number, task in enumerate(TASKS)}
        for task, digest in file.items():
            identity = {**IDENTITY, "model": MODEL, "task": task, "seed": None, "episodes": digest}
            made = {**MADE, "episodes_file": file}
            store.save(Result(identity), rows_of(task, (1, 5, 4, 3)), None, made)
    folder = explored_folder(store)
    assert folder.problems == []
    assert [set(run.tasks) for run in folder.runs] == [set(TASKS)] * 2
    for run in folder.runs:
        stored = [store.verified(one.path)["identity"] for one in run.results["main_results"]]
        assert len({one["episodes"][0] for one in stored}) == 1
    named = {label.split(" · ")[1] for label in labels(folder.runs)}
    assert len(named) == 2
    assert all(re.fullmatch("episodes from a file [0-9a-f]{7}", one) for one in named)


LATER = {**MADE, "written": "2099-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("experiment", "change", "why"),
    [
        ("methods", {}, ""),
        ("methods", {"task_data": "1f"}, "other pairs of antonyms"),
        ("methods", {"sources": {TASK: "1f"}}, f"other pairs of {TASK}"),
        ("methods", {"sources": {TASK: "0f"}}, ""),
        ("methods", {"sources": {"unmeasured": "1f"}}, ""),
        ("methods", {"dtype": "bfloat16"}, ""),  # of another run, which has no central comparison
    ],
)
def test_results_of_other_data_are_not_joined_by_name(
    store: Store, experiment: str, change: dict[str, Any], why: str
) -> None:
    """Whichever is newer, the central comparison says which data a task has."""
    rows = rows_of("antonyms", (0, 6, 6, 6))
    rows = rows[rows["procedure"] == "task_vector"].assign(procedure="mean_state")
    method = {"method": "mean_state", "method_settings": {}}
    own = {**IDENTITY, "model": MODEL, "experiment": experiment, **method}
    result = Result(own | change)
    store.save(result, rows, None, LATER)
    folder = explored_folder(store)
    is_there = any(run.of(experiment, "antonyms") for run in folder.runs)
    assert is_there == (not why and "dtype" not in change)
    assert [(one.path, one.kind, one.reason) for one in folder.problems] == (
        [(result.path, "different", f"{why} than the newest results of its run")] if why else []
    )


def test_methods_of_one_name_and_several_sources_are_not_joined(store: Store) -> None:
    for source, task, made in (("1a", "antonyms", MADE), ("2b", TASK, LATER)):
        rows = rows_of(task, (0, 6, 6, 6))
        rows = rows[rows["procedure"] == "task_vector"].assign(procedure="mine")
        method = {"method": "mine", "method_settings": {}, "method_source": source}
        own = {**IDENTITY, "model": MODEL, "experiment": "methods", "task": task, **method}
        store.save(Result(own), rows, None, {"written": "2000-01-01T00:00:00+00:00"} | made)
    folder = explored_folder(store)
    assert [one.key.task for one in folder.runs[0].results["methods"]] == [TASK]
    assert [one.reason for one in folder.problems] == [
        "other method of mine than the newest results of its run"
    ]


def test_all_that_is_redrawn_together_belongs_together() -> None:
    found, _ = entries(Store(ROOT / "results"))
    kept, apart = together(found, CENTRAL)
    assert (sum(map(len, kept.values())), apart) == (len(found), [])


def test_damage_is_left_out_and_named(store: Store) -> None:
    path = next(store.paths())
    flip(store.root / path / "rows.parquet")
    folder = explored_folder(store)
    assert sum(len(run.results["main_results"]) for run in folder.runs) == 3
    (problem,) = folder.problems
    assert problem.path == path
    assert "rows.parquet" in problem.reason


def test_rows_are_read_once_and_in_memory_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def noted(file: Path, expected: Schema) -> pd.DataFrame:
        if expected is not EPISODES:
            read.append(file)
        return read_table(file, expected)

    monkeypatch.setattr(writing, "FRESH_NS", 0)  # what was written just now is read again
    monkeypatch.setattr(stores, "_verified", {})
    monkeypatch.setattr(stores, "read_table", noted)
    assert len(explored_folder(store).runs) == 2
    assert len(read) == len(set(read)) == 4
    assert stores._verified == {}
