import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple, NoReturn

import pandas as pd
import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

import tvsight
from tests.helpers.other_steps import with_steps
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, StorageError, UsageError
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.experiments.main_results.request import requests
from tvsight.output.console import Display
from tvsight.prompts import read_episodes
from tvsight.run import places
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Experiment, Plan, Request
from tvsight.run.runner import Runner
from tvsight.storage.schemas import COLUMN_TYPES
from tvsight.storage.store import Store
from tvsight.writing import FRESH_NS

EPISODES = 6
TASKS = ["to_upper", "next_letter", "second_next"]


class First(NamedTuple):
    """A finished run of `TASKS`, which no test changes."""

    config: RunConfig
    outcome: Outcome

    def copied(self, folder: Path, **options: Any) -> RunConfig:
        """The run again, on a copy of its results that a test may change."""
        shutil.copytree(self.config.results, folder)
        return replace(self.config, results=str(folder), **options)

    def rows(self, task: str) -> pd.DataFrame:
        return of_task(self.outcome, task)


class Measuring:
    """The central comparison, noting what is measured, and failing at will."""

    def __init__(
        self, failing: str = "", error: BaseException | None = None, needs_vectors: bool = False
    ) -> None:
        self.asked: list[str] = []
        self.failing = failing
        self.needs_vectors = needs_vectors
        self.error = error or MeasurementError("states hold NaN")

    def __call__(self, plan: Plan, source: Any) -> list[Request]:
        asked = requests(plan, source, self.needs_vectors)
        return [with_steps(one, self.steps) for one in asked]

    def steps(self, request: Request, model: Any) -> Any:
        self.asked.append(request.name)
        if request.name == self.failing:
            raise self.error
        return request.steps(model)


@pytest.fixture(scope="module")
def first(
    tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> First:
    folder = tmp_path_factory.mktemp("run")
    config = RunConfig(
        model=(str(tiny_checkpoint("qwen2")),),
        tasks="to_upper,next_letter",
        task_file=(str(own_task(folder / "own.json")),),
        shots=3,
        episodes_per_split=EPISODES,
        results=str(folder / "results"),
        save_episodes=str(folder / "episodes.jsonl"),
        device="cpu",
    )
    return First(replace(config, save_episodes=None), run(config))


def test_a_run_returns_the_rows_of_each_task_in_their_order(first: First) -> None:
    assert first.outcome.failures == {}
    assert [result.key.task for result in first.outcome.results] == TASKS
    assert [one.rows["task"].unique().tolist() for one in first.outcome.results] == [
        [t] for t in TASKS
    ]
    assert first.outcome.table.dtypes.astype(str).to_dict() == COLUMN_TYPES
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


def test_of_two_precisions_the_store_gives_the_newest_unless_one_is_asked_for(
    first: First, tmp_path: Path
) -> None:
    config = first.copied(tmp_path / "results", tasks="to_upper", task_file=())
    before = set(paths(config))
    half = run(replace(config, dtype="bfloat16")).table
    (new,) = set(paths(config)) - before
    rewrite(Path(config.results) / new / "manifest.json", written="2999-01-01T00:00:00+00:00")
    assert not half.equals(first.rows("to_upper"))
    assert_same(stored(config).table, half)
    assert_same(stored(replace(config, dtype="float32")).table, first.rows("to_upper"))


def run(
    config: RunConfig, experiment: Experiment = requests, shown: io.StringIO | None = None
) -> Outcome:
    return Runner(display_on(shown)).run(config, experiment)


def stored(config: RunConfig, shown: io.StringIO | None = None) -> Outcome:
    return Runner(display_on(shown)).stored(config, requests)


def display_on(shown: io.StringIO | None) -> Display:
    return Display(Console(file=shown or io.StringIO(), highlight=False))


def refuse(*arguments: object, **options: object) -> NoReturn:
    raise AssertionError("a model was loaded")


def paths(config: RunConfig) -> Sequence[Path]:
    return list(Store(config.results).paths(MAIN_RESULTS))


def of_task(outcome: Outcome, task: str) -> pd.DataFrame:
    return outcome.table[outcome.table["task"] == task].reset_index(drop=True)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def rewrite(manifest: Path, **fields: object) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | fields))


def own_task(file: Path) -> Path:
    pairs = list(zip(ascii_lowercase, ascii_lowercase[2:] + "ab", strict=True))
    file.write_text(json.dumps({"name": "second_next", "pairs": pairs}))
    return file
