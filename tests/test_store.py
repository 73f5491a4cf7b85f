import errno
import hashlib
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet
from safetensors import safe_open
from safetensors.torch import save_file

from tests.example_rows import task_rows
from tvsight.errors import StorageError, UsageError
from tvsight.store import (
    DAMAGED,
    SCHEMA_VERSION,
    DamagedResult,
    OtherSchema,
    Result,
    Store,
    folder_name,
)

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
VECTORS = {"dev": torch.randn(2, 6, 4).half(), "test": torch.randn(3, 6, 4).half()}
MADE = {"versions": {"tvsight": "0.1.0"}, "seconds": 1.5}
ROWS = (
    task_rows("antonyms", (1, 3, 2, 1), model="org/model-1b", n=3)
    .query("procedure != 'icl' or split != 'dev'")
    .reset_index(drop=True)
)
"""Two dev episodes and three test episodes, six blocks."""

names = st.text(min_size=1) | st.text(alphabet="./\\a é\n", min_size=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


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


def test_every_file_says_which_schema_it_is_of(store: Store) -> None:
    folder = store.root / RESULT.path
    said = parquet.read_schema(folder / "rows.parquet").metadata
    assert said[b"tvsight_schema_version"] == str(SCHEMA_VERSION).encode()
    with safe_open(folder / "vectors.safetensors", framework="pt") as vectors:
        assert vectors.metadata() == {"tvsight_schema_version": str(SCHEMA_VERSION)}


def test_files_that_do_not_say_their_schema_are_of_the_first(store: Store) -> None:
    rows_of(lambda rows: rows)(store.root / RESULT.path)
    vectors_of()(store.root / RESULT.path)
    assert SCHEMA_VERSION == 1
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)


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


def resealed(spoil: Callable[[Path], object]) -> Callable[[Path], object]:
    """A damage after which the checksums in the manifest are made to hold."""

    def damage(folder: Path) -> None:
        spoil(folder)
        names = ("rows.parquet", "vectors.safetensors")
        sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
        edited(lambda manifest: manifest.update(files=sums))(folder)

    return damage


def rows_of(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], object]:
    """Other rows, sealed."""
    return resealed(lambda f: change(ROWS.copy()).to_parquet(f / "rows.parquet", index=False))


def vectors_of(**change: torch.Tensor) -> Callable[[Path], object]:
    """Other vectors, sealed."""
    return resealed(lambda f: save_file(VECTORS | change, f / "vectors.safetensors"))


def rows_with(metadata: dict[bytes, bytes]) -> Callable[[Path], object]:
    """The same rows in a file that says more of itself, sealed."""
    table = pyarrow.Table.from_pandas(ROWS, preserve_index=False)
    changed = table.replace_schema_metadata({**table.schema.metadata, **metadata})
    return resealed(lambda f: parquet.write_table(changed, f / "rows.parquet"))


def episode_twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.iloc[[0]]], ignore_index=True)


def set_cell(column: str, value: object, row: int = 0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[row, column] = value
        return rows

    return change


HALF = torch.zeros(2, 6, 4).half()
CONTENTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no parquet": (resealed(lambda f: (f / "rows.parquet").write_text("x")), "read as parquet"),
    "cut parquet": (resealed(lambda f: truncate(f / "rows.parquet")), "read as parquet"),
    "no column": (rows_of(lambda r: r.drop(columns="margin")), "other columns"),
    "another column": (rows_of(lambda r: r.assign(more=1)), "other columns"),
    "another order": (rows_of(lambda r: r[r.columns[::-1]]), "other columns"),
    "texts for numbers": (rows_of(lambda r: r.astype({"margin": str})), "column margin holds"),
    "numbers for marks": (rows_of(lambda r: r.astype({"correct": int})), "column correct holds"),
    "an empty cell": (rows_of(set_cell("query", None)), "column query has empty cells"),
    "no rows at all": (rows_of(lambda r: r.iloc[:0]), "of another model"),
    "another model": (rows_of(lambda r: r.assign(model="m")), "of another model"),
    "another task": (rows_of(lambda r: r.assign(task="t")), "of another task"),
    "one split": (rows_of(lambda r: r[r["split"] == "dev"]), "splits dev and test"),
    "a third split": (rows_of(set_cell("split", "train")), "splits dev and test"),
    "no number": (rows_of(set_cell("margin", float("nan"))), "column margin|finite"),
    "infinity": (rows_of(set_cell("log_probability", float("-inf"))), "finite number"),
    "a probability above one": (rows_of(set_cell("log_probability", 0.1)), "is above 0"),
    "a negative margin": (rows_of(set_cell("margin", -1.0)), "margin below"),
    "an episode twice": (rows_of(episode_twice), "have one twice"),
    "an episode less": (rows_of(lambda r: r.drop(index=4)), "lack an episode"),
    "episodes from one": (rows_of(lambda r: r.assign(episode=r["episode"] + 1)), "0 to"),
    "two queries": (rows_of(set_cell("query", "other")), "several queries"),
    "no ICL": (rows_of(lambda r: r[r["procedure"] != "icl"]), "lack a procedure"),
    "another procedure": (
        rows_of(lambda r: r.assign(procedure=r["procedure"].replace("icl", "iclr"))),
        "lack a procedure",
    ),
    "no layers": (rows_of(lambda r: r.assign(layer=None).astype(ROWS.dtypes)), "one twice"),
    "no layers on test": (
        rows_of(lambda r: r.assign(layer=r["layer"].where(r["split"] == "dev"))),
        "no layer",
    ),
    "not said": (
        rows_of(lambda r: r.assign(layer_identified=None).astype(ROWS.dtypes)),
        "layer was identified",
    ),
    "a block less": (
        rows_of(lambda r: r[~(r["layer"].eq(2).fillna(False) & (r["split"] == "dev"))]),
        "blocks are missing",
    ),
    "no safetensors": (resealed(lambda f: (f / "vectors.safetensors").write_text("x")), "vectors"),
    "cut vectors": (resealed(lambda f: truncate(f / "vectors.safetensors")), "vectors"),
    "a block less in vectors": (
        vectors_of(dev=HALF[:, :5].contiguous()),
        r"dev has the shape \[2, 5, 4\]; \[2, 6, 4\] was expected",
    ),
    "an episode less in vectors": (vectors_of(test=HALF), r"\[3, 6, 4\] was expected"),
    "flat vectors": (vectors_of(dev=HALF.flatten()), r"shape \[48\]"),
    "empty vectors": (vectors_of(dev=HALF[..., :0].contiguous()), r"shape \[2, 6, 0\]"),
    "two widths": (vectors_of(dev=HALF[..., :2].contiguous()), r"\[3, 6, 2\] was expected"),
    "wide numbers": (vectors_of(dev=HALF.float()), "half precision"),
    "rows of another schema": (
        rows_with({b"tvsight_schema_version": b"7"}),
        "rows.parquet is of schema 7, the manifest of 1",
    ),
    "vectors of another schema": (
        resealed(
            lambda f: save_file(VECTORS, f / "vectors.safetensors", {"tvsight_schema_version": "7"})
        ),
        "vectors.safetensors is of schema 7, the manifest of 1",
    ),
    "a third tensor": (vectors_of(train=HALF), "does not hold dev and test"),
}
"""What checksums do not show."""

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
    "an identity without a task": (edited(lambda m: m["identity"].pop("task")), "identity"),
    "an identity that is a text": (edited(lambda m: m.update(identity="x")), "identity"),
    "no schema": (edited(lambda m: m.pop("schema_version")), "manifest"),
    "a schema that is a text": (edited(lambda m: m.update(schema_version="x")), "manifest"),
    "a nested manifest": (lambda f: (f / "manifest.json").write_text("[" * 10**5), "manifest"),
    "a time that is none": (edited(lambda m: m.update(written="today")), "time"),
    "a file elsewhere": (edited(lambda m: m["files"].update({"../../../x": "0"})), "no place"),
    "a file besides": (lambda f: (f / "more.parquet").write_text(""), "more.parquet has no place"),
    "vectors that are not named": (edited(lambda m: m["files"].popitem()), "no place"),
    "a newer schema": (
        edited(lambda m: m.update(schema_version=9, versions={"tvsight": "7.5"})),
        r"schema 9.*tvsight 7\.5",
    ),
    "an older schema of unknown version": (
        edited(lambda m: (m.update(schema_version=0), m.pop("versions"))),
        "schema 0.*of an unknown version",
    ),
    "an older schema": (edited(lambda m: m.update(schema_version=0)), r"schema 0.*tvsight 0\.1\.0"),
    "cut rows": (lambda f: truncate(f / "rows.parquet"), r"rows\.parquet"),
    "a flipped bit in rows": (lambda f: flip(f / "rows.parquet"), r"rows\.parquet"),
    "no rows": (lambda f: (f / "rows.parquet").unlink(), r"rows\.parquet"),
    "rows that are a folder": (lambda f: turn_into_a_folder(f / "rows.parquet"), r"rows\.parquet"),
    "a flipped bit in vectors": (lambda f: flip(f / "vectors.safetensors"), "vectors"),
    "no vectors": (lambda f: (f / "vectors.safetensors").unlink(), "vectors"),
    "a file in its place": (turn_into_a_file, "manifest.json"),
    **CONTENTS,
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


def test_another_schema_is_told_apart_and_says_how_to_read_it(store: Store) -> None:
    for version, older in ((0, True), (SCHEMA_VERSION + 1, False)):
        edited(lambda m, version=version: m.update(schema_version=version))(
            store.root / RESULT.path
        )
        with pytest.raises(
            OtherSchema, match=r"written by tvsight 0\.1\.0; .* reads schema"
        ) as found:
            store.read_manifest(RESULT.path)
        assert found.value.is_older == older


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_manifest_is_whole_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "any_manifest")
    folder = store.root / RESULT.path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(DamagedResult):
        store.manifest(RESULT.path)


FIELDS = ["schema_version", "identity", "files", "written", "versions"]


@given(st.sampled_from(FIELDS), JSON)
def test_any_field_of_a_manifest_is_right_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: object
) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "any_field")
    if not (store.root / RESULT.path).exists():
        store.save(RESULT, ROWS, VECTORS, MADE)
    file = store.root / RESULT.path / "manifest.json"
    before = file.read_text()
    edited(lambda m: m.update({field: value}))(file.parent)
    try:
        with pytest.raises(DamagedResult):
            store.manifest(RESULT.path)
    finally:
        file.write_text(before)


def test_damage_that_cannot_be_moved_aside_is_an_error(store: Store) -> None:
    (store.root / DAMAGED).write_text("")
    with pytest.raises(StorageError, match=r"damaged and cannot be moved to \.damaged"):
        store.set_aside(RESULT.path)
    assert store.holds(RESULT)


def test_a_result_with_vectors_takes_the_place_of_one_without(store: Store) -> None:
    store.save(OTHER, ROWS, None, MADE)
    assert store.holds(OTHER)
    assert not store.holds(OTHER, with_vectors=True)
    store.save(OTHER, ROWS, VECTORS, MADE)
    assert store.holds(OTHER, with_vectors=True)
    assert not list(store.root.rglob(".new-*"))


def test_the_same_result_can_be_moved_aside_twice(store: Store) -> None:
    first = store.set_aside(RESULT.path)
    store.save(RESULT, ROWS, VECTORS, MADE)
    second = store.set_aside(RESULT.path)
    assert len(list((store.root / DAMAGED).iterdir())) == len({first, second}) == 2


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
