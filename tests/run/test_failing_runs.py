"""Runs that meet damage, a later version, a full disk, or tasks that fail."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.helpers.small_runs import (
    EPISODES,
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
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import MeasurementError, StorageError, UsageError
from tvsight.run.outcome import Outcome
from tvsight.run.runner import Runner
from tvsight.storage.store import Store


def test_a_damaged_result_is_moved_aside_and_measured_again(first: First, tmp_path: Path) -> None:
    config = first.copied(tmp_path / "results")
    (damaged,) = [path for path in paths(config) if path.name.startswith("next_letter")]
    (Path(config.results) / damaged / "rows.parquet").write_bytes(b"PAR1")
    measuring, shown = Measuring(), io.StringIO()
    again = run(config, measuring, shown)
    assert measuring.asked == ["next_letter"]
    assert_same(again.table, first.outcome.table)
    (aside,) = (Path(config.results) / ".damaged").iterdir()
    assert (aside / "rows.parquet").read_bytes() == b"PAR1"
    assert damaged.name in shown.getvalue()


def wrong_shape(folder: Path) -> None:
    cut = {"dev": torch.zeros(EPISODES, DEPTH - 1, WIDTH).half()}
    save_file(Store("").vectors(folder) | cut, folder / "vectors.safetensors")
    sha256 = hashlib.sha256((folder / "vectors.safetensors").read_bytes()).hexdigest()
    manifest = json.loads((folder / "manifest.json").read_text())
    files = manifest["files"] | {"vectors.safetensors": sha256}
    size = (folder / "vectors.safetensors").stat().st_size
    sizes = manifest["sizes"] | {"vectors.safetensors": size}
    rewrite(folder / "manifest.json", files=files, sizes=sizes)


def flipped_bit(folder: Path) -> None:
    content = bytearray((folder / "rows.parquet").read_bytes())
    content[100] ^= 4
    (folder / "rows.parquet").write_bytes(content)


def file_for_a_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


def folder_for_a_file(folder: Path) -> None:
    (folder / "rows.parquet").unlink()
    (folder / "rows.parquet").mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut rows": lambda folder: os.truncate(folder / "rows.parquet", 1000),
    "a flipped bit": flipped_bit,
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text(""),
    "an older schema": lambda folder: rewrite(folder / "manifest.json", schema_version=0),
    "vectors of a wrong shape under a right checksum": wrong_shape,
    "a folder for a file": folder_for_a_file,
    "a file for the folder": file_for_a_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_named_moved_aside_and_measured_again(
    first: First, tmp_path: Path, damage: str
) -> None:
    config = first.copied(tmp_path / "results")
    (damaged,) = [path for path in paths(config) if path.name.startswith("next_letter")]
    DAMAGES[damage](tmp_path / "results" / damaged)
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
        (torch.OutOfMemoryError("of one row"), "OutOfMemoryError: of one row"),
        (AssertionError(), "AssertionError"),
        (KeyError("a"), "KeyError: 'a'"),
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


@pytest.mark.parametrize(
    ("error", "told"), [(None, "^states hold NaN$"), (RuntimeError("odd"), "^RuntimeError: odd$")]
)
def test_fail_fast_stops_at_the_first_failure(
    first: First, tmp_path: Path, error: Exception | None, told: str
) -> None:
    measuring = Measuring("to_upper", error)
    config = replace(first.config, results=str(tmp_path), fail_fast=True)
    with pytest.raises(MeasurementError, match=told):
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
