"""Runs that meet damage, a later version, a full disk, or tasks that fail."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.small_runs import (
    TASKS,
    First,
    Measuring,
    assert_same,
    display_on,
    paths,
    rewrite,
    run,
    stored,
)
from tvsight.errors import MeasurementError, StorageError, UsageError
from tvsight.run.outcome import Outcome
from tvsight.run.runner import Runner
from tvsight.storage.store import Store


def flipped_bit(folder: Path) -> None:
    content = bytearray((folder / "rows.parquet").read_bytes())
    content[100] ^= 4
    (folder / "rows.parquet").write_bytes(content)


def file_for_a_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


@pytest.mark.parametrize("damage", [flipped_bit, file_for_a_folder])
def test_damage_is_named_moved_aside_and_measured_again(
    first: First, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    config = first.copied(tmp_path / "results")
    (damaged,) = [path for path in paths(config) if path.name.startswith("next_letter")]
    damage(tmp_path / "results" / damaged)
    redrawn, shown = io.StringIO(), io.StringIO()
    assert set(stored(config, redrawn).failures) == {("qwen2", "next_letter")}
    assert f"Damaged, left out: {damaged}" in redrawn.getvalue()
    measuring = Measuring()
    assert_same(run(config, measuring, shown).table, first.outcome.table)
    assert measuring.asked == ["next_letter"]
    assert f"Damaged: {damaged}: " in shown.getvalue()
    (aside,) = (tmp_path / "results" / ".damaged").iterdir()
    assert aside.name.startswith(damaged.name)
    assert run(config, Measuring(failing="next_letter")).failures == {}


def test_a_folder_of_an_older_schema_is_refused_by_name_and_measured_anew(
    first: First, tmp_path: Path
) -> None:
    config, shown = first.copied(tmp_path / "results"), io.StringIO()
    for path in paths(config):
        manifest = tmp_path / "results" / path / "manifest.json"
        rewrite(manifest, schema_version=0, versions={"tvsight": "0.0.9"})
    assert len(stored(config, shown).failures) == len(TASKS)
    assert shown.getvalue().count("schema 0, written by tvsight 0.0.9; tvsight ") == len(TASKS)
    assert_same(run(config).table, first.outcome.table)
    assert len(list((tmp_path / "results" / ".damaged").iterdir())) == len(TASKS)


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_is_measured_where_a_later_version_has_stored_a_result(
    first: First, tmp_path: Path, dry_run: bool
) -> None:
    config = first.copied(tmp_path / "results", dry_run=dry_run)
    missing, *_, later = paths(config)
    shutil.rmtree(tmp_path / "results" / missing)
    manifest = tmp_path / "results" / later / "manifest.json"
    rewrite(manifest, schema_version=7, versions={"tvsight": "7.5"})
    before = manifest.read_bytes()
    measuring, shown = Measuring(), io.StringIO()
    with pytest.raises(UsageError, match=f"{later.name}: schema 7, written by tvsight 7.5"):
        Runner(display_on(None)).outcome(config, measuring)
    assert measuring.asked == []
    assert manifest.read_bytes() == before
    assert not (tmp_path / "results" / ".damaged").exists()
    assert len(stored(config, shown).failures) == 2
    assert f"Left out: {later}: schema 7, written by tvsight 7.5" in shown.getvalue()


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_full_disk_ends_the_run_and_keeps_what_is_complete(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_fast: bool
) -> None:
    config = replace(first.config, results=str(tmp_path), fail_fast=fail_fast)
    save, measuring = Store.save, Measuring()

    def full_after_one(store: Store, *arguments: Any) -> None:
        if list(store.paths()):
            raise StorageError("no space")
        save(store, *arguments)

    monkeypatch.setattr(Store, "save", full_after_one)
    with pytest.raises(StorageError, match="no space"):
        run(config, measuring)
    assert measuring.asked == TASKS[:2]
    monkeypatch.undo()
    assert_same(run(config, measuring).table, first.outcome.table)
    assert measuring.asked == [*TASKS[:2], *TASKS[1:]]


def test_a_lock_that_cannot_be_written_ends_the_run(first: First, tmp_path: Path) -> None:
    (tmp_path / ".locks").write_text("")
    with pytest.raises(StorageError, match=r"\.locks cannot be written"):
        run(replace(first.config, results=str(tmp_path)), Measuring())


def test_a_task_that_fails_leaves_the_others(first: First, tmp_path: Path) -> None:
    config, shown = replace(first.config, results=str(tmp_path)), io.StringIO()
    measuring = Measuring("to_upper")
    outcome = run(config, measuring, shown)
    assert measuring.asked == TASKS
    assert outcome.failures == {("qwen2", "to_upper"): "states hold NaN"}
    assert "to_upper: failed. states hold NaN" in shown.getvalue()
    assert_same(outcome.table, Outcome(first.outcome.results[1:]).table)
    assert [path.name.rsplit("-", 1)[0] for path in paths(config)] == ["next_letter", "second_next"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("a kernel is missing"), "RuntimeError: a kernel is missing"),
        (AssertionError(), "AssertionError"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_a_task_that_fails_in_a_way_that_nobody_foresaw_leaves_the_others(
    first: First, tmp_path: Path, error: Exception, told: str
) -> None:
    config, measuring = (
        replace(first.config, results=str(tmp_path)),
        Measuring("next_letter", error),
    )
    outcome = run(config, measuring)
    assert measuring.asked == TASKS
    assert outcome.failures == {("qwen2", "next_letter"): told}
    assert len(outcome.results) == len(paths(config)) == len(TASKS) - 1
    again = Measuring()
    assert_same(run(config, again).table, first.outcome.table)
    assert again.asked == ["next_letter"]


def test_a_task_that_does_not_suit_the_tokenizer_fails_by_itself(
    first: First, tmp_path: Path
) -> None:
    config = first.copied(tmp_path / "results", tasks="to_upper,present_simple_gerund")
    outcome = run(config)
    (message,) = outcome.failures.values()
    assert "present_simple_gerund" in message
    assert "at least 20 are needed" in message
    assert [result.key.task for result in outcome.results] == ["to_upper", "second_next"]


def test_fail_fast_stops_at_the_first_failure(first: First, tmp_path: Path) -> None:
    measuring = Measuring("to_upper", RuntimeError("odd"))
    config = replace(first.config, results=str(tmp_path), fail_fast=True)
    with pytest.raises(MeasurementError, match=r"^RuntimeError: odd$"):
        run(config, measuring)
    assert measuring.asked == ["to_upper"]


def test_an_interrupted_run_goes_on_where_it_stopped(first: First, tmp_path: Path) -> None:
    config = replace(first.config, results=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run(config, Measuring("next_letter", KeyboardInterrupt()))
    measuring = Measuring()
    assert_same(run(config, measuring).table, first.outcome.table)
    assert measuring.asked == ["next_letter", "second_next"]


def test_the_store_alone_names_what_it_lacks_and_what_is_damaged(
    first: First, tmp_path: Path
) -> None:
    config = first.copied(tmp_path / "results", tasks="to_upper,prev_letter")
    (damaged,) = [path for path in paths(config) if path.name.startswith("second_next")]
    (Path(config.results) / damaged / "manifest.json").unlink()
    shown = io.StringIO()
    found = stored(config, shown)
    assert set(found.failures) == {("qwen2", "prev_letter"), ("qwen2", "second_next")}
    assert damaged.name in shown.getvalue()
    assert_same(found.table, first.rows("to_upper"))
