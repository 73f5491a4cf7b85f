"""Damaged results are found, named and moved aside; nothing is read as if it were right."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.damages import DAMAGES, LATER, edited, rows_of, vectors_of
from tests.helpers.example_store import JSON, MADE, OTHER, RESULT, ROWS, VECTORS
from tvsight.errors import StorageError
from tvsight.storage.inspection import check, remove, sorted_out, verify
from tvsight.storage.manifests import OtherSchema
from tvsight.storage.store import DAMAGED, DamagedResult, Store
from tvsight.storage.versions import LaterVersion

NOT_OWN = {
    *("no manifest", "empty manifest", "cut manifest", "manifest of bytes", "a nested manifest"),
    *("manifest that is a list", "manifest that is a folder", "no identity", "another identity"),
    *("an identity without a task", "an identity that is a text", "a file besides"),
    *("rows that are a folder", "a file in its place", "half a character"),
    *(name for name in DAMAGES if name.endswith(" that is none") and name != "a time that is none"),
}
"""Damages after which nothing says that all of the folder is tvsight's."""
KINDS = {"another identity": "misplaced"} | {
    name: "superseded" for name in DAMAGES if "older schema" in name
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_named_and_moved_aside(store: Store, damage: str) -> None:
    store.save(OTHER, ROWS, None, MADE)
    spoil, named = DAMAGES[damage]
    spoil(store.root / RESULT.path)
    with pytest.raises(DamagedResult, match=f"{RESULT.path.name}.*({named})"):
        store.holds(RESULT)
    (finding,) = verify(store)
    assert finding == check(store, RESULT.path)
    assert finding.kind == KINDS.get(damage, "damaged")
    assert finding.is_kept == (damage in NOT_OWN or finding.kind == "misplaced")
    place = store.set_aside(RESULT.path)
    assert place.parts[0] == DAMAGED
    (aside,) = verify(store)
    assert (aside.path, aside.kind, aside.is_aside) == (place, "damaged", True)
    assert aside.size > 0 or "file in its place" in damage
    assert not store.holds(RESULT)
    assert [path.name for path in store.paths("main_results")] == [OTHER.path.name]
    store.save(RESULT, ROWS, VECTORS, MADE)
    assert store.holds(RESULT)


def test_files_that_do_not_say_their_schema_are_of_the_first(store: Store) -> None:
    rows_of(lambda rows: rows)(store.root / RESULT.path)
    vectors_of()(store.root / RESULT.path)
    edited(lambda m: m.update(schema_version=1))(store.root / RESULT.path)
    assert store.holds(RESULT)
    pd.testing.assert_frame_equal(store.rows(RESULT.path), ROWS)


def test_an_older_schema_is_told_apart_and_says_who_wrote_it(store: Store) -> None:
    edited(lambda m: m.update(schema_version=0))(store.root / RESULT.path)
    with pytest.raises(OtherSchema, match=r"written by tvsight 0\.1\.0; .* reads schema"):
        store.read_manifest(RESULT.path)


@pytest.mark.parametrize("later", LATER)
def test_what_a_later_version_wrote_is_neither_moved_nor_replaced(store: Store, later: str) -> None:
    write, named = LATER[later]
    write(store.root / RESULT.path)
    before = contents(store.root)
    told = f"{RESULT.path.name}: .*({named}).*neither moved nor changed"
    with pytest.raises(LaterVersion, match=told):
        store.holds(RESULT)
    assert [(finding.kind, finding.is_kept) for finding in verify(store)] == [("later", True)]
    assert (sorted_out(store), remove(store, verify(store))) == (([], []), 0)
    assert contents(store.root) == before


def test_what_a_later_version_wrote_is_used_where_it_can_be(store: Store) -> None:
    store.save(OTHER, ROWS, None, MADE | {"versions": {"tvsight": "7.5"}})
    assert store.holds(OTHER)
    assert not store.holds(OTHER, with_vectors=True)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_manifest_is_whole_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "any_manifest")
    folder = store.root / RESULT.path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises((DamagedResult, LaterVersion)):
        store.verified(RESULT.path)


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
        with pytest.raises((DamagedResult, LaterVersion)):
            store.verified(RESULT.path)
    finally:
        file.write_text(before)


def test_a_result_can_be_moved_aside_twice_and_not_where_there_is_no_room(store: Store) -> None:
    for _ in range(2):
        store.set_aside(RESULT.path)
        store.save(RESULT, ROWS, VECTORS, MADE)
    assert len(list((store.root / DAMAGED).iterdir())) == 2
    shutil.rmtree(store.root / DAMAGED)
    (store.root / DAMAGED).write_text("")
    with pytest.raises(StorageError, match=r"damaged and cannot be moved to \.damaged"):
        store.set_aside(RESULT.path)
    assert store.holds(RESULT)


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
