"""Stored rows as one table."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tvsight
from tests.helpers.commands import ROOT
from tests.helpers.damages import flip
from tests.helpers.example_store import IDENTITY
from tests.helpers.small_runs import TASKS, First, first, run
from tvsight.errors import Remark, UsageError
from tvsight.library import stored
from tvsight.library.stored import _differing
from tvsight.storage.inspection import Entry
from tvsight.storage.manifests import Result

__all__ = ["first"]
READ = """
import sys, tvsight
rows = tvsight.read(sys.argv[1], "methods")
print(len(rows), sorted({"torch", "nnsight", "transformers", "matplotlib"} & {*sys.modules}))
"""


def test_a_folder_is_read_without_torch() -> None:
    command = [sys.executable, "-c", READ, str(ROOT / "results")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    count, _, modules = ended.stdout.strip().partition(" ")
    assert int(count) > 1000
    assert modules == "[]"


def test_all_rows_are_there_with_their_experiment(first: First) -> None:
    rows = tvsight.read(first.config.results)
    table = first.outcome.table
    assert list(rows.columns) == ["experiment", *table.columns]
    assert set(rows["experiment"]) == {"main_results"}
    keys = ["task", "procedure", "split", "layer", "episode"]
    assert sorted(map(str, rows[keys].values.tolist())) == sorted(
        map(str, table[keys].values.tolist())
    )
    assert rows["correct"].sum() == table["correct"].sum()


def test_what_differs_between_results_of_a_task_is_a_column(first: First, tmp_path: Path) -> None:
    config = first.copied(tmp_path / "results", shots=2, tasks="to_upper", task_file=())
    run(config)
    rows = tvsight.read(tmp_path / "results")
    assert rows.groupby("task")["shots"].unique().map(set).to_dict() == {
        task: {2, 3} if task == "to_upper" else {3} for task in TASKS
    }
    assert "seed" not in rows


@pytest.mark.parametrize(
    ("name", "changes", "there"),
    [
        ("weights", {"experiment": "methods", "method": "m", "weights": "other"}, True),
        ("weights", {"task": "another", "weights": "other"}, True),
        ("task_data", {"experiment": "methods", "method": "m", "task_data": "other"}, True),
        ("task_data", {"task": "another", "task_data": "other"}, False),
        ("division", {"division": "todd"}, True),
        ("sources", {"sources": {"a": "1"}}, True),
        ("sources", {"experiment": "methods", "sources": {"a": "1"}}, False),
    ],
)
def test_results_that_one_could_take_for_the_same_are_told_apart(
    name: str, changes: dict[str, object], there: bool
) -> None:
    own: dict[str, object] = {**IDENTITY, "sources": {"b": "2"}}
    both = [entry_of(own), entry_of(own | changes)]
    assert (name in _differing(both)) == there


def entry_of(identity: dict[str, object]) -> Entry:
    return Entry(Result(identity).path, {"identity": identity}, 0)


def test_some_rows_and_columns_are_read_from_their_files_alone(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.copied(tmp_path / "results")
    for file in tmp_path.glob("results/main_results/*/to_upper-*/rows.parquet"):
        file.write_bytes(b"PAR1")  # it would be refused
    whole = tvsight.read(first.config.results)
    others = [*{*TASKS} - {"to_upper"}]
    names = ["seed", "task", "correct", "experiment"]
    model = str(whole["model"].iloc[0])
    rows = tvsight.read(tmp_path / "results", "main_results", model, others, names)
    assert [*rows] == names
    assert {*rows["experiment"]} == {"main_results"}
    assert {*rows["seed"]} == {0}
    kept = whole[whole["task"].isin(others)]
    assert rows[["task", "correct"]].equals(kept[["task", "correct"]].reset_index(drop=True))
    monkeypatch.setattr(stored, "MANY", 1)
    with pytest.warns(Remark, match=f"^Reading {len(whole):,} rows of {len(TASKS)} results"):
        tvsight.read(first.config.results)


def test_a_damaged_result_is_left_out_with_a_warning(first: First, tmp_path: Path) -> None:
    first.copied(tmp_path / "results")
    (damaged,) = tmp_path.glob("results/main_results/*/to_upper-*")
    (damaged / "rows.parquet").write_bytes(b"PAR1")
    with pytest.warns(Remark, match=r"^Left out: main_results.*to_upper-.*rows\.parquet"):
        rows = tvsight.read(tmp_path / "results")
    assert set(rows["task"]) == {*TASKS} - {"to_upper"}
    for whole in tmp_path.glob("results/main_results/*/*_*"):
        if whole != damaged:
            shutil.rmtree(whole)
    with pytest.warns(Remark), pytest.raises(UsageError, match=r"^folder: no usable results in "):
        tvsight.read(tmp_path / "results")


def test_columns_need_the_checksum_of_their_rows_alone(first: First, tmp_path: Path) -> None:
    first.copied(tmp_path / "results")
    (other,) = tmp_path.glob("results/main_results/*/to_upper-*")
    flip(other / "episodes.parquet")
    whole = tvsight.read(first.config.results, columns=["correct"])
    assert tvsight.read(tmp_path / "results", columns=["correct"]).equals(whole)
    with pytest.warns(Remark, match=r"^Left out: .*to_upper-.*episodes\.parquet"):
        tvsight.read(tmp_path / "results")
    flip(other / "rows.parquet")
    with pytest.warns(Remark, match=r"^Left out: .*to_upper-.*: rows\.parquet .* checksum"):
        rows = tvsight.read(tmp_path / "results", columns=["task"])
    assert {*rows["task"]} == {*TASKS} - {"to_upper"}


def test_what_is_not_there_is_refused(first: First, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^folder: no results in '.*absent'"):
        tvsight.read(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"^folder: expected the path"):
        tvsight.read(None)
    with pytest.raises(UsageError, match=r"Did you mean 'main_results'"):
        tvsight.read(first.config.results, "main_result")
    with pytest.raises(UsageError, match=r"^task: .* Did you mean 'to_upper'"):
        tvsight.read(first.config.results, task="to_uper")
    with pytest.raises(UsageError, match=r"^columns: no column 'corect'. Did you mean 'correct'"):
        tvsight.read(first.config.results, columns=["corect"])
