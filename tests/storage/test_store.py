"""Rows and vectors come back as they were saved, or not at all."""

import errno
import json
import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet
from safetensors import safe_open

from tests.helpers.damages import flip
from tests.helpers.example_store import IDENTITY, JSON, MADE, OTHER, RESULT, ROWS, VECTORS
from tvsight.errors import StorageError, UsageError
from tvsight.storage import store as module
from tvsight.storage.contents import SCHEMA_VERSION
from tvsight.storage.inspection import verify
from tvsight.storage.schemas import SCORE_TYPES
from tvsight.storage.store import DamagedResult, Result, Store
from tvsight.writing import FRESH_NS

FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
SCORED = ROWS.assign(rank=1, answer_gap=0.5, icl_divergence=0.0, spellings=2)
names = st.text(min_size=1) | st.text(alphabet="./\\a é\n", min_size=1)


def test_a_result_comes_back_as_it_was_saved(store: Store) -> None:
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)
    found, manifest = store.vectors(RESULT.path), store.verified(RESULT.path)
    assert set(found) == {"dev", "test"}
    assert all(torch.equal(found[name], VECTORS[name]) for name in VECTORS)
    assert manifest["identity"] == IDENTITY
    assert set(manifest["files"]) == {"rows.parquet", "vectors.safetensors"}
    assert (manifest["schema_version"], manifest["seconds"]) == (SCHEMA_VERSION, 1.5)
    folder, version = store.root / RESULT.path, str(SCHEMA_VERSION)
    assert len({file.stat().st_mode for file in folder.iterdir()}) == 1  # who reads rows reads all
    said = parquet.read_schema(folder / "rows.parquet").metadata
    assert said[b"tvsight_schema_version"] == version.encode()
    with safe_open(folder / "vectors.safetensors", framework="pt") as vectors:
        assert vectors.metadata() == {"tvsight_schema_version": version}


class Read:
    """The files that were hashed, and those that were read as rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashed: list[str] = []
        self.rows: list[str] = []
        self._sha256, self._read_table = module.checksum, module.read_table
        monkeypatch.setattr(module, "checksum", self.sha256)
        monkeypatch.setattr(module, "read_table", self.read_table)

    def sha256(self, file: Path) -> str:
        self.hashed.append(file.name)
        return self._sha256(file)

    def read_table(self, file: Path, *how: Any) -> pd.DataFrame:
        self.rows.append(file.name)
        return self._read_table(file, *how)


def settle() -> None:
    """Wait until files are no longer fresh."""
    time.sleep(1.2 * FRESH_NS / 1e9)


def test_a_result_is_verified_once_in_a_process(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle()
    read = Read(monkeypatch)
    for same in (store, Store(store.root)):
        assert same.holds(RESULT)
        assert same.verified(RESULT.path)["identity"] == IDENTITY
        pd.testing.assert_frame_equal(same.rows(RESULT.path), ROWS)
        mine = same.rows(RESULT.path)
        mine.loc[0, "query"] = "changed by whoever got it"
    assert read.hashed == ["rows.parquet", "vectors.safetensors"]
    assert read.rows == ["rows.parquet"]


def test_rows_of_results_that_are_only_looked_through_are_not_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle()
    read = Read(monkeypatch)
    assert verify(store) == []
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)
    assert read.rows == ["rows.parquet"] * 2
    assert len(read.hashed) == 2


@pytest.mark.parametrize("name", ["rows.parquet", "vectors.safetensors"])
@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("settled", [False, True])
def test_what_is_damaged_after_it_was_verified_is_found(
    store: Store, name: str, exchanged: bool, settled: bool
) -> None:
    """Even where the size and the time of change are as before."""
    if settled:
        settle()
    assert store.holds(RESULT)
    assert store.holds(RESULT)
    file = store.root / RESULT.path / name
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    other = file if not exchanged else Path(shutil.copy(file, store.root))
    flip(other)
    os.utime(other, ns=times)
    other.replace(file)
    with pytest.raises(DamagedResult, match=f"{name} is missing or its checksum does not hold"):
        store.holds(RESULT)


def test_a_result_that_took_the_place_of_a_verified_one_is_read(store: Store) -> None:
    settle()
    assert store.holds(RESULT)
    rows = ROWS.assign(margin=ROWS["margin"] + 1)
    store.save(RESULT, rows, None, MADE)
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), rows)
    shutil.rmtree(store.root / RESULT.path)
    with pytest.raises(DamagedResult):
        store.verified(RESULT.path)


def test_vectors_and_scores_are_held_where_they_are_stored_and_vectors_are_kept(
    store: Store,
) -> None:
    assert not store.holds(OTHER)
    store.save(OTHER, ROWS, None, MADE)
    names = {file.name for file in (store.root / OTHER.path).iterdir()}
    assert names == {"rows.parquet", "manifest.json"}
    assert store.holds(OTHER)
    assert not store.holds(OTHER, with_vectors=True)
    store.save(OTHER, ROWS, VECTORS, MADE)
    assert not store.holds(OTHER, scores=SCORE_TYPES)
    store.save(OTHER, SCORED, None, MADE)
    assert store.holds(OTHER, with_vectors=True, scores=SCORE_TYPES)
    pd.testing.assert_frame_equal(store.rows(OTHER.path), SCORED)
    found = store.vectors(OTHER.path)
    assert all(torch.equal(found[name], VECTORS[name]) for name in VECTORS)
    assert not list(store.root.rglob(".new-*"))


@pytest.mark.parametrize(
    ("column", "value"), [("rank", 0), ("answer_gap", float("inf")), ("icl_divergence", -0.1)]
)
def test_a_score_that_cannot_be_is_damage(store: Store, column: str, value: float) -> None:
    store.save(RESULT, SCORED.assign(**{column: value}), None, MADE)
    with pytest.raises(DamagedResult, match=f"{column} is not a finite number"):
        store.holds(RESULT)


@pytest.mark.parametrize("field", IDENTITY)
def test_a_key_depends_on_every_part_of_the_identity(field: str) -> None:
    value = IDENTITY[field]
    assert Result(dict(reversed(IDENTITY.items()))).key == RESULT.key
    changed = value + 1 if isinstance(value, int) else f"{value}x"
    assert Result(IDENTITY | {field: changed}).key != RESULT.key


@given(names, names)
def test_keys_of_different_tasks_differ(one: str, other: str) -> None:
    first, second = (Result(IDENTITY | {"task": task}) for task in (one, other))
    assert (first.key == second.key) == (first.path == second.path) == (one == other)


@given(st.dictionaries(names, JSON, max_size=4))
def test_a_key_survives_the_manifest_that_it_is_written_to(more: dict[str, Any]) -> None:
    result = Result(IDENTITY | more | {"task": "antonyms"})
    assert Result(json.loads(json.dumps(result.identity))).key == result.key


@given(names, names, names)
@example("..", "../..", "/etc")
@example("...", "a/../../b", ".")
@example("org/model-1.5b_v2", "a", "b")
@example("a" * 300, "\x1b[31m", "\u202e" * 300)
def test_a_path_stays_three_folders_below_the_root(experiment: str, model: str, task: str) -> None:
    path = Result(IDENTITY | {"experiment": experiment, "model": model, "task": task}).path
    assert not path.is_absolute()
    assert len(path.parts) == 3
    root = Path("/results")
    assert Path(os.path.normpath(root / path)).parent.parent.parent == root
    assert all(part.isascii() and not part.startswith(".") for part in path.parts)
    assert all(len(part) <= 122 for part in path.parts)


@pytest.mark.parametrize("fault", ["at the rows", 100, 20_000, *map(os.strerror, FAULTS)])
@pytest.mark.parametrize("result", [OTHER, RESULT], ids=["new", "replaced"])
def test_a_failure_to_write_leaves_only_earlier_results(
    store: Store, monkeypatch: pytest.MonkeyPatch, fault: str | int, result: Result
) -> None:
    """A disk that is full at the rows, that is cut short, or that fails when all is flushed."""
    number = {os.strerror(number): number for number in FAULTS}.get(str(fault), errno.ENOSPC)

    def fail(*given: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    if fault == "at the rows":
        monkeypatch.setattr(parquet, "write_table", fail)
    elif isinstance(fault, str):
        monkeypatch.setattr(os, "fsync", fail)
    large = {"dev": torch.zeros(100, 100, 10)}
    with (
        largest_file(fault) if isinstance(fault, int) else nullcontext(),
        pytest.raises(StorageError, match=r"antonyms.* cannot be written"),
    ):
        store.save(result, ROWS, large, MADE)
    monkeypatch.undo()
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)
    folder = store.root / RESULT.path
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_of_an_odd_name_adds_nothing_to_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "seed=1" / "a%2Fb")
    store.save(RESULT, ROWS, VECTORS, MADE)
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)


def test_files_of_somebody_else_are_no_results(store: Store) -> None:
    for name in ("notes.txt", "antonyms", "antonyms-5b35408", ".DS_Store"):
        (store.root / RESULT.path.parent / name).write_text("")
    (store.root / RESULT.path.with_name(f".new-{OTHER.path.name}-0")).mkdir()
    drawn = store.root / "tables" / "more" / "antonyms-5b354083980b"
    drawn.mkdir(parents=True)
    assert list(store.paths()) == list(store.paths("main_results")) == [RESULT.path]
    assert list(store.paths("layer_sweep")) == []


def test_preparing_makes_the_folder_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    Store(tmp_path / "new" / "results").prepare()
    assert list((tmp_path / "new").rglob("*")) == [tmp_path / "new" / "results"]


@pytest.mark.parametrize("place", ["file", "file/results"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=rf"{place} cannot be written.*--results"):
        Store(tmp_path / place).prepare()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
