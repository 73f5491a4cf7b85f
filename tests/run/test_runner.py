"""Runs: rows and vectors are measured once, and the store alone gives them again."""

import hashlib
import io
import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import tvsight
from benchmarks.store import copies
from tests.helpers.opened import opened
from tests.helpers.small_runs import (
    EPISODES,
    TASKS,
    First,
    Measuring,
    assert_same,
    display_on,
    of_task,
    paths,
    refuse,
    rewrite,
    run,
    stored,
)
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.experiments.main_results import Options, score_numbers
from tvsight.models import resolve
from tvsight.output.console import Display
from tvsight.prompts import read_episodes
from tvsight.protocol.central import requests
from tvsight.run import places
from tvsight.run.runner import Runner
from tvsight.storage.inspection import entries
from tvsight.storage.joining import runs_of
from tvsight.storage.manifests import Result
from tvsight.storage.schemas import COLUMN_TYPES, SCORE_TYPES
from tvsight.storage.store import Store
from tvsight.writing import FRESH_NS


def test_a_run_returns_the_rows_of_each_task_in_their_order(first: First) -> None:
    assert first.outcome.failures == {}
    assert [result.key.task for result in first.outcome.results] == TASKS
    assert [one.rows["task"].unique().tolist() for one in first.outcome.results] == [
        [t] for t in TASKS
    ]
    assert first.outcome.table.dtypes.astype(str).to_dict() == COLUMN_TYPES | SCORE_TYPES
    assert set(first.outcome.table["model"]) == {"qwen2"}


def test_vectors_of_every_episode_and_block_are_kept(first: First) -> None:
    for path in paths(first.config):
        vectors = Store(first.config.results).vectors(path)
        assert {name: tuple(kept.shape) for name, kept in vectors.items()} == {
            split: (EPISODES, DEPTH, WIDTH) for split in ("dev", "test")
        }
        assert all(kept.dtype == torch.float16 and kept.any() for kept in vectors.values())


def test_rows_alone_are_kept_when_no_vectors_are_wanted(first: First, tmp_path: Path) -> None:
    config = replace(first.config, tasks="to_upper", task_file=(), vectors=False)
    config = replace(config, results=str(tmp_path))
    assert_same(of_task(run(config), "to_upper"), first.rows("to_upper"))
    assert sorted(file.name for file in (tmp_path / paths(config)[0]).iterdir()) == [
        "episodes.parquet",
        "manifest.json",
        "rows.parquet",
    ]


def test_what_was_stored_without_vectors_is_measured_again_where_they_are_needed(
    first: First, tmp_path: Path
) -> None:
    config = first.copied(tmp_path / "results")
    (bare,) = [path for path in paths(config) if path.name.startswith("next_letter")]
    (Path(config.results) / bare / "vectors.safetensors").unlink()
    manifest = Path(config.results) / bare / "manifest.json"
    files = json.loads(manifest.read_text())["files"]
    rewrite(manifest, files={"rows.parquet": files["rows.parquet"]})
    measuring = Measuring(needs_vectors=True)
    again = run(config, measuring)
    assert measuring.asked == ["next_letter"]
    assert set(again.paths) == {("qwen2", task) for task in TASKS}
    assert all(Store(config.results).vectors(path) for path in again.paths.values())
    assert_same(again.table, first.outcome.table)


def drop(config: RunConfig, columns: Iterable[str]) -> None:
    """Store the rows of one task without some columns, as an earlier version did."""
    store = Store(config.results)
    (path,) = [path for path in paths(config) if path.name.startswith("next_letter")]
    manifest, rows = store.verified(path), store.rows(path).drop(columns=[*columns])
    store.save(Result(manifest["identity"]), rows, None, {"versions": manifest["versions"]})


def test_what_was_stored_without_scores_is_neither_redrawn_nor_counted_where_they_are_shown(
    first: First, tmp_path: Path
) -> None:
    plain = first.copied(tmp_path / "results")
    drop(plain, SCORE_TYPES)
    assert stored(plain).failures == {}
    config = Options(**vars(plain), score="kl")
    found = stored(config)
    assert {key.task: why for key, why in found.failures.items()} == {
        "next_letter": "not in the store with its scores"
    }
    assert [result.key.task for result in found.results] == ["to_upper", "second_next"]
    shown = io.StringIO()
    Runner(display_on(shown)).preview(config, requests)
    assert "2 of 3 are in the store, 1 to do" in shown.getvalue()
    assert "next_letter: to be measured" in shown.getvalue()


def test_scores_of_one_token_are_redrawn_and_measured_again_where_they_are_shown(
    first: First, tmp_path: Path
) -> None:
    plain = first.copied(tmp_path / "results")
    drop(plain, ["spellings"])
    config = Options(**vars(plain), score="kl")
    found = stored(config)
    assert (found.failures, len(found.results)) == ({}, 3)
    assert score_numbers.earlier(score_numbers.scored(found.table)) == (1, 3)
    assert score_numbers.earlier(score_numbers.scored(run(config).table)) == (0, 3)


def test_a_model_is_loaded_once_for_several_runs(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(name: str, *rest: Any, **options: Any) -> Any:
        loaded.append(name)
        return tvsight.load(name, *rest, **options)

    monkeypatch.setattr(places, "load", load)
    runner = Runner(display_on(None))
    for shots in (1, 2):
        config = replace(first.config, results=str(tmp_path), tasks="to_upper", task_file=())
        assert runner.run(replace(config, shots=shots), requests).failures == {}
    assert loaded == list(first.config.model)


def test_weights_are_read_once_for_all_analyses_of_a_process(
    first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Path(shutil.copytree(first.config.model[0], tmp_path / "mine"))
    time.sleep(1.2 * FRESH_NS / 1e9)
    options: dict[str, Any] = {"results": str(tmp_path / "results"), "task_file": ()}
    config = replace(first.config, model=(str(checkpoint),), tasks="to_upper", **options)
    hashed: list[str] = []
    file_digest = hashlib.file_digest

    def noted(file: Any, kind: Any) -> Any:
        hashed.append(file.name)
        return file_digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    for shots in (1, 2):
        assert run(replace(config, shots=shots)).failures == {}
        assert stored(replace(config, shots=shots)).failures == {}
    of_checkpoint = [name for name in hashed if Path(name).parent == checkpoint]
    assert str(checkpoint / "model.safetensors") in of_checkpoint
    assert len(of_checkpoint) == len(set(of_checkpoint))


def test_running_again_measures_nothing_and_loads_nothing(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "load", refuse)
    measuring = Measuring()
    again = run(first.config, measuring)
    assert measuring.asked == []
    assert_same(again.table, first.outcome.table)


def test_what_another_process_measured_meanwhile_is_not_measured_again(
    first: First, tmp_path: Path
) -> None:
    class MeanwhileElsewhere(Display):
        def stored(self, *counted: object) -> None:
            shutil.copytree(first.config.results, tmp_path, dirs_exist_ok=True)

    measuring, display = Measuring(), MeanwhileElsewhere(Console(file=io.StringIO()))
    config = replace(first.config, results=str(tmp_path))
    outcome = Runner(display).run(config, measuring)
    assert measuring.asked == []
    assert_same(outcome.table, first.outcome.table)


def test_other_tasks_and_another_order_change_no_row(first: First, tmp_path: Path) -> None:
    config = replace(first.config, tasks="next_letter,prev_letter,to_upper", task_file=())
    outcome = run(replace(config, results=str(tmp_path)))
    for task in ("next_letter", "to_upper"):
        assert_same(of_task(outcome, task), first.rows(task))
    assert not of_task(outcome, "prev_letter").empty


def test_saved_episodes_replay_to_the_same_rows(first: First, tmp_path: Path) -> None:
    file = Path(first.config.results).parent / "episodes.jsonl"
    assert len(read_episodes(file)) == len(TASKS) * 2 * EPISODES
    defaults = {"tasks": "paper", "shots": 5, "episodes_per_split": 50}
    config = replace(first.config, episodes=str(file), **defaults)
    replayed = run(replace(config, results=str(tmp_path)))
    assert_same(replayed.table, first.outcome.table)
    (of_file,) = runs_of(entries(Store(tmp_path))[0]).values()
    assert {one.identity["task"] for one in of_file} == set(TASKS)


def test_episodes_of_several_models_are_not_saved_in_one_file(first: First, tmp_path: Path) -> None:
    models = (*first.config.model, "gemma-3-270m")
    config = replace(first.config, model=models, save_episodes=str(tmp_path / "episodes.jsonl"))
    with pytest.raises(UsageError, match="--save-episodes"):
        run(config)


def test_the_store_alone_gives_the_same_rows(first: First, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "load", refuse)
    found = stored(first.config)
    assert found.failures == {}
    assert_same(found.table, first.outcome.table)


def test_redraws_of_a_command_read_a_manifest_once_and_verify_what_they_take(
    first: First, tmp_path: Path
) -> None:
    config = replace(first.config, results=str(tmp_path))
    store = Store(tmp_path)
    copied = copies(Store(first.config.results), store)
    others = list(islice(copied, 5 * len(TASKS)))[len(TASKS) :]  # of other seeds
    time.sleep(FRESH_NS / 1e9)  # a file that is new is verified each time
    runner = Runner(display_on(None))
    with opened(store.root) as counts:
        for _ in range(3):
            taken = runner.stored(config, requests)
    assert_same(taken.table, first.outcome.table)
    manifests = {path: count for path, count in counts.items() if path.name == "manifest.json"}
    assert manifests == {
        **{path / "manifest.json": 1 for path in others},
        **{result.path / "manifest.json": 2 for result in taken.results},
    }
    assert {path.parent for path in counts if path not in manifests} == {
        result.path for result in taken.results
    }


def test_of_two_precisions_the_store_gives_the_newest_unless_one_is_asked_for(
    first: First, tmp_path: Path
) -> None:
    config = first.copied(tmp_path / "results", tasks="to_upper", task_file=())
    before = set(paths(config))
    half = run(replace(config, dtype="bfloat16")).table
    (new,) = set(paths(config)) - before
    rewrite(Path(config.results) / new / "manifest.json", written="2099-01-01T00:00:00+00:00")
    assert not half.equals(first.rows("to_upper"))
    assert_same(stored(config).table, half)
    assert_same(stored(replace(config, dtype="float32")).table, first.rows("to_upper"))


@pytest.mark.parametrize(
    ("dtype", "label"), [("float32", None), ("bfloat16", "@bf16"), ("float16", "@f16")]
)
def test_packaged_weights_that_were_rounded_again_are_named(dtype: str, label: str | None) -> None:
    runner, source = Runner(display_on(None)), resolve("smollm2-135m")
    runner._label(source, {"dtype": dtype}, [])
    assert runner.labels == ({source.name: source.name + label} if label else {})
