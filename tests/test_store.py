import errno
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tvsight.errors import UsageError
from tvsight.experiments.rows import COLUMN_TYPES
from tvsight.store import DAMAGED, SCHEMA_VERSION, DamagedResult, Result, Store, folder_name

IDENTITY: dict[str, Any] = {
    "experiment": "main_results",
    "model": "org/model-1b",
    "task": "antonyms",
    "task_data": "0f",
    "template": "{x}->{y}\n",
    "episodes": None,
    "scoring": 1,
    "shots": 5,
    "seed": 0,
    "weights": "sha256:12",
    "dtype": "float32",
}
RESULT = Result(IDENTITY)
OTHER = Result(IDENTITY | {"seed": 1})
VECTORS = {"dev": torch.randn(3, 2, 4).half(), "test": torch.randn(2, 2, 4).half()}
MADE = {"versions": {"tvsight": "0.1.0"}, "seconds": 1.5}
ROWS = pd.DataFrame(
    {
        name: [None, 3] if kind == "Int64" else [None, True] if kind == "boolean" else [1, 0]
        for name, kind in COLUMN_TYPES.items()
    }
).astype(COLUMN_TYPES)

names = st.text(min_size=1) | st.text(alphabet="./\\a é\n", min_size=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds `RESULT`."""
    store = Store(tmp_path / "results")
    store.save(RESULT, ROWS, VECTORS, MADE)
    return store


def test_rows_come_back_with_their_types(store: Store) -> None:
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)


def test_vectors_come_back_bit_by_bit(store: Store) -> None:
    found = store.vectors(RESULT.path)
    assert set(found) == {"dev", "test"}
    assert all(torch.equal(found[name], VECTORS[name]) for name in VECTORS)
    assert {values.dtype for values in found.values()} == {torch.float16}


def test_a_manifest_says_what_was_asked_and_how_it_was_made(store: Store) -> None:
    manifest = store.manifest(RESULT.path)
    assert manifest["identity"] == IDENTITY
    assert set(manifest["files"]) == {"rows.parquet", "vectors.safetensors"}
    assert (manifest["schema_version"], manifest["seconds"]) == (SCHEMA_VERSION, 1.5)


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


@given(names, names, names)
@example("..", "../..", "/etc")
@example("...", "a/../../b", ".")
def test_a_path_stays_three_folders_below_the_root(experiment: str, model: str, task: str) -> None:
    path = Result(IDENTITY | {"experiment": experiment, "model": model, "task": task}).path
    assert not path.is_absolute()
    assert len(path.parts) == 3
    root = Path("/results")
    assert Path(os.path.normpath(root / path)).parent.parent.parent == root
    assert all(part.isascii() and not part.startswith(".") for part in path.parts)


def test_a_hub_id_is_one_folder() -> None:
    assert folder_name("org/model-1.5b_v2") == "org--model-1.5b_v2"


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A damage to the fields of a manifest."""

    def damage(folder: Path) -> None:
        file = folder / "manifest.json"
        manifest = json.loads(file.read_text())
        change(manifest)
        file.write_text(json.dumps(manifest))

    return damage


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def turn_into_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def turn_into_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json"),
    "empty manifest": (lambda f: (f / "manifest.json").write_text(""), "manifest.json"),
    "cut manifest": (lambda f: truncate(f / "manifest.json"), "manifest.json"),
    "manifest of bytes": (lambda f: (f / "manifest.json").write_bytes(b"\xff\x00"), "manifest"),
    "manifest that is a list": (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json"),
    "manifest that is a folder": (lambda f: turn_into_a_folder(f / "manifest.json"), "manifest"),
    "no identity": (edited(lambda m: m.pop("identity")), "manifest"),
    "no versions": (edited(lambda m: m.pop("versions")), "manifest"),
    "a list of files": (edited(lambda m: m.update(files=["rows.parquet"])), "manifest"),
    "no files": (edited(lambda m: m.update(files={})), "rows.parquet|manifest"),
    "another identity": (edited(lambda m: m["identity"].update(seed=7)), "another result"),
    "an older schema": (edited(lambda m: m.update(schema_version=0)), r"schema 0.*tvsight 0\.1\.0"),
    "cut rows": (lambda f: truncate(f / "rows.parquet"), r"rows\.parquet"),
    "a flipped bit in rows": (lambda f: flip(f / "rows.parquet"), r"rows\.parquet"),
    "no rows": (lambda f: (f / "rows.parquet").unlink(), r"rows\.parquet"),
    "rows that are a folder": (lambda f: turn_into_a_folder(f / "rows.parquet"), r"rows\.parquet"),
    "a flipped bit in vectors": (lambda f: flip(f / "vectors.safetensors"), "vectors"),
    "no vectors": (lambda f: (f / "vectors.safetensors").unlink(), "vectors"),
    "a file in its place": (turn_into_a_file, "manifest.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_named_and_moved_aside(store: Store, damage: str) -> None:
    store.save(OTHER, ROWS, None, MADE)
    spoil, named = DAMAGES[damage]
    spoil(store.root / RESULT.path)
    with pytest.raises(DamagedResult, match=f"{RESULT.path.name}.*({named})"):
        store.holds(RESULT)
    place = store.set_aside(RESULT.path)
    assert place.parts[0] == DAMAGED
    assert (store.root / place).exists()
    assert not store.holds(RESULT)
    assert [path.name for path in store.paths("main_results")] == [OTHER.path.name]
    store.save(RESULT, ROWS, VECTORS, MADE)
    assert store.holds(RESULT)


def test_the_same_result_can_be_moved_aside_twice(store: Store) -> None:
    first = store.set_aside(RESULT.path)
    store.save(RESULT, ROWS, VECTORS, MADE)
    second = store.set_aside(RESULT.path)
    assert len(list((store.root / DAMAGED).iterdir())) == len({first, second}) == 2


def test_a_disk_that_is_full_at_the_rows_leaves_only_earlier_results(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(frame: pd.DataFrame, path: Path, **options: object) -> None:
        path.write_bytes(b"PAR1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    with pytest.raises(UsageError, match="No space left on device"):
        store.save(OTHER, ROWS, VECTORS, MADE)
    assert_holds_only_the_earlier_result(store)


@pytest.mark.parametrize("room", [100, 20_000], ids=["for nothing", "for the rows"])
def test_a_write_that_is_cut_short_leaves_only_earlier_results(store: Store, room: int) -> None:
    large = {"dev": torch.zeros(100, 100, 10)}
    with largest_file(room), pytest.raises(UsageError, match=r"antonyms.* cannot be written"):
        store.save(OTHER, ROWS, large, MADE)
    assert_holds_only_the_earlier_result(store)


def test_a_result_is_not_written_over(store: Store) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
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
