"""Rows and vectors come back as they were saved, or not at all."""

import errno
import json
import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.helpers.example_store import (
    IDENTITY,
    JSON,
    MADE,
    OTHER,
    RESULT,
    ROWS,
    VECTORS,
    example_store,
)
from tvsight.errors import StorageError, UsageError
from tvsight.storage import store as module
from tvsight.storage.contents import SCHEMA_VERSION
from tvsight.storage.inspection import verify
from tvsight.storage.schemas import Schema
from tvsight.storage.store import DamagedResult, Result, Store
from tvsight.writing import FRESH_NS, folder_name

names = st.text(min_size=1) | st.text(alphabet="./\\a é\n", min_size=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds `RESULT`."""
    return example_store(tmp_path / "results")


def test_rows_come_back_with_their_types(store: Store) -> None:
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)


def test_vectors_come_back_bit_by_bit(store: Store) -> None:
    found = store.vectors(RESULT.path)
    assert set(found) == {"dev", "test"}
    assert all(torch.equal(found[name], VECTORS[name]) for name in VECTORS)
    assert {values.dtype for values in found.values()} == {torch.float16}


def test_whoever_may_read_table_may_read_vectors(store: Store) -> None:
    modes = {file.stat().st_mode for file in (store.root / RESULT.path).iterdir()}
    assert len(modes) == 1


def test_a_manifest_says_what_was_asked_and_how_it_was_made(store: Store) -> None:
    manifest = store.verified(RESULT.path)
    assert manifest["identity"] == IDENTITY
    assert set(manifest["files"]) == {"rows.parquet", "vectors.safetensors"}
    assert (manifest["schema_version"], manifest["seconds"]) == (SCHEMA_VERSION, 1.5)


def test_every_file_says_which_schema_it_is_of(store: Store) -> None:
    folder = store.root / RESULT.path
    said = parquet.read_schema(folder / "rows.parquet").metadata
    assert said[b"tvsight_schema_version"] == str(SCHEMA_VERSION).encode()
    with safe_open(folder / "vectors.safetensors", framework="pt") as vectors:
        assert vectors.metadata() == {"tvsight_schema_version": str(SCHEMA_VERSION)}


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

    def read_table(self, file: Path, expected: Schema) -> pd.DataFrame:
        self.rows.append(file.name)
        return self._read_table(file, expected)


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


def test_rows_alone_are_a_result(store: Store) -> None:
    store.save(OTHER, ROWS, None, MADE)
    assert store.holds(OTHER)
    assert files_of(store, OTHER) == {"rows.parquet", "manifest.json"}


def test_a_result_that_was_not_saved_is_not_there(store: Store) -> None:
    assert not store.holds(OTHER)
    assert [path.name for path in store.paths("main_results")] == [RESULT.path.name]
    assert list(store.paths("layer_sweep")) == []


def test_a_key_does_not_depend_on_the_order_of_the_identity() -> None:
    assert Result(dict(reversed(IDENTITY.items()))).key == RESULT.key


@pytest.mark.parametrize("field", IDENTITY)
def test_a_key_depends_on_every_part_of_the_identity(field: str) -> None:
    value = IDENTITY[field]
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
@example("a" * 300, "\x1b[31m", "\u202e" * 300)
def test_a_path_stays_three_folders_below_the_root(experiment: str, model: str, task: str) -> None:
    path = Result(IDENTITY | {"experiment": experiment, "model": model, "task": task}).path
    assert not path.is_absolute()
    assert len(path.parts) == 3
    root = Path("/results")
    assert Path(os.path.normpath(root / path)).parent.parent.parent == root
    assert all(part.isascii() and not part.startswith(".") for part in path.parts)
    assert all(len(part) <= 122 for part in path.parts)


def test_a_hub_id_is_one_folder() -> None:
    assert folder_name("org/model-1.5b_v2") == "org--model-1.5b_v2"


def test_a_result_with_vectors_takes_the_place_of_one_without(store: Store) -> None:
    store.save(OTHER, ROWS, None, MADE)
    assert store.holds(OTHER)
    assert not store.holds(OTHER, with_vectors=True)
    store.save(OTHER, ROWS, VECTORS, MADE)
    assert store.holds(OTHER, with_vectors=True)
    assert not list(store.root.rglob(".new-*"))


def test_a_disk_that_is_full_at_the_rows_leaves_only_earlier_results(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(table: object, path: Path, **options: object) -> None:
        path.write_bytes(b"PAR1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(parquet, "write_table", fail)
    with pytest.raises(UsageError, match="No space left on device"):
        store.save(OTHER, ROWS, VECTORS, MADE)
    assert_holds_only_the_earlier_result(store)


@pytest.mark.parametrize("room", [100, 20_000], ids=["for nothing", "for the rows"])
def test_a_write_that_is_cut_short_leaves_only_earlier_results(store: Store, room: int) -> None:
    large = {"dev": torch.zeros(100, 100, 10)}
    with largest_file(room), pytest.raises(UsageError, match=r"antonyms.* cannot be written"):
        store.save(OTHER, ROWS, large, MADE)
    assert_holds_only_the_earlier_result(store)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_failure_when_all_is_flushed_leaves_only_earlier_results(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=os.strerror(number)):
        store.save(OTHER, ROWS, VECTORS, MADE)
    assert_holds_only_the_earlier_result(store)


def test_a_folder_of_an_odd_name_adds_nothing_to_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "seed=1" / "a%2Fb")
    store.save(RESULT, ROWS, VECTORS, MADE)
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)


def test_files_of_somebody_else_are_no_results(store: Store) -> None:
    for name in ("notes.txt", "antonyms", "antonyms-5b35408", ".DS_Store"):
        (store.root / RESULT.path.parent / name).write_text("")
    drawn = store.root / "tables" / "more" / "antonyms-5b354083980b"
    drawn.mkdir(parents=True)
    assert list(store.paths()) == list(store.paths("main_results")) == [RESULT.path]


def test_a_result_gives_way_to_a_whole_one_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="cannot be written"):
        store.save(RESULT, ROWS.iloc[:1], None, MADE)
    assert_holds_only_the_earlier_result(store)


def test_an_unfinished_folder_is_not_listed(store: Store) -> None:
    (store.root / RESULT.path.with_name(f".new-{OTHER.path.name}-0")).mkdir()
    assert list(store.paths("main_results")) == [RESULT.path]


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


def test_a_lock_keeps_others_out(store: Store) -> None:
    with store.lock(RESULT):
        with pytest.raises(TimeoutError):
            store.lock(RESULT).acquire(timeout=0)
        with store.lock(OTHER):
            pass
    with store.lock(RESULT):
        pass


def files_of(store: Store, result: Result) -> set[str]:
    return {file.name for file in (store.root / result.path).iterdir()}


def assert_holds_only_the_earlier_result(store: Store) -> None:
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)
    folder = store.root / RESULT.path
    assert list(folder.parent.iterdir()) == [folder]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
