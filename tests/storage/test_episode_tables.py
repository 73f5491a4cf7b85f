"""Episodes lie beside the rows of a result, and belong to them."""

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from tests.helpers.damages import edited, flip
from tests.helpers.example_episodes import example_episodes
from tests.helpers.example_store import MADE, OTHER, RESULT, ROWS, VECTORS
from tests.helpers.hostile import WORDS
from tvsight.sharing.archive import export
from tvsight.storage import schemas
from tvsight.storage.episode_tables import tabled
from tvsight.storage.inspection import entries, verify
from tvsight.storage.manifests import EPISODES
from tvsight.storage.store import DamagedResult, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds `RESULT` with its episodes."""
    store = Store(tmp_path / "results")
    store.save(RESULT, ROWS, VECTORS, MADE, example_episodes())
    return store


def test_episodes_come_back_as_they_were_saved(store: Store) -> None:
    found = store.episodes(RESULT.path)
    assert found is not None
    assert found.to_dict("list") == example_episodes().to_dict("list")
    assert found["inputs"].iloc[0] == list(WORDS.values())
    manifest = store.verified(RESULT.path)
    assert set(manifest["files"]) == {"rows.parquet", EPISODES, "vectors.safetensors"}
    assert manifest["sizes"][EPISODES] == (store.root / RESULT.path / EPISODES).stat().st_size
    assert verify(store) == []


def test_a_result_without_episodes_is_as_valid(store: Store) -> None:
    store.save(OTHER, ROWS, None, MADE)
    assert store.holds(OTHER)
    assert store.episodes(OTHER.path) is None


@pytest.mark.parametrize("vectors", ["all", "none"])
def test_an_archive_has_the_episodes(store: Store, tmp_path: Path, vectors: Any) -> None:
    archive = tmp_path / "mine.tar.gz"
    export(store, entries(store)[0], archive, vectors)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "there", filter="data")
    there = Store(tmp_path / "there" / "mine")
    assert verify(there) == []
    assert there.episodes(RESULT.path) is not None


def other(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        cells = table[column].tolist()
        return table.assign(**{column: pd.Series([value, *cells[1:]], dtype=object)})

    return change


CHANGES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "another query": (other("query", "else"), "not those of the rows"),
    "another answer": (other("accepted", [" no"]), "not those of the rows"),
    "no answer": (other("accepted", []), "no accepted answer"),
    "no prompt": (other("prompt", []), "no prompt"),
    "half a demonstration": (other("answers", ["b"]), "lacks its answer"),
    "an episode less": (lambda table: table.iloc[1:], "not those of the rows"),
    "an episode twice": (lambda table: pd.concat([table, table.iloc[:1]]), "not those of the rows"),
}


def seal(folder: Path) -> None:
    """Make the checksums in a manifest hold."""
    files = [file for file in folder.iterdir() if file.name != "manifest.json"]
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    sizes = {file.name: file.stat().st_size for file in files}
    edited(lambda manifest: manifest.update(files=sums, sizes=sizes))(folder)


@pytest.mark.parametrize("change", CHANGES)
def test_episodes_that_do_not_belong_to_the_rows_are_damage(store: Store, change: str) -> None:
    spoil, named = CHANGES[change]
    store.save(RESULT, ROWS, VECTORS, MADE, spoil(example_episodes()))
    with pytest.raises(DamagedResult, match=named):
        store.holds(RESULT)


FILES: dict[str, tuple[Callable[[pyarrow.Table], pyarrow.Table], str]] = {
    "a column less": (lambda table: table.drop_columns(["query"]), "other columns"),
    "another type": (
        lambda table: table.set_column(1, "episode", table["episode"].cast("string")),
        "column episode holds string",
    ),
    "an empty cell": (
        lambda table: table.set_column(2, "query", pyarrow.array([None] * len(table), "string")),
        "empty cells",
    ),
    "an empty word": (
        lambda table: table.set_column(
            3, "accepted", pyarrow.array([[" yes", None]] * len(table), table["accepted"].type)
        ),
        "empty cells",
    ),
}


@pytest.mark.parametrize("change", FILES)
def test_a_file_of_another_form_is_damage(store: Store, change: str) -> None:
    spoil, named = FILES[change]
    file = store.root / RESULT.path / EPISODES
    parquet.write_table(spoil(parquet.read_table(file)), file)
    seal(file.parent)
    with pytest.raises(DamagedResult, match=f"{EPISODES}.*{named}"):
        store.holds(RESULT)


@pytest.mark.parametrize("spoil", [flip, Path.unlink, lambda file: file.write_text("x")])
def test_a_file_that_changed_is_damage(store: Store, spoil: Callable[[Path], object]) -> None:
    spoil(store.root / RESULT.path / EPISODES)
    with pytest.raises(DamagedResult, match=r"episodes\.parquet"):
        store.holds(RESULT)


def test_a_file_that_is_no_parquet_is_damage(store: Store) -> None:
    (store.root / RESULT.path / EPISODES).write_text("x")
    seal(store.root / RESULT.path)
    with pytest.raises(DamagedResult, match="cannot be read as parquet"):
        store.holds(RESULT)


def test_no_episodes_have_the_same_columns() -> None:
    assert list(tabled([], [])) == list(schemas.EPISODES.columns)
