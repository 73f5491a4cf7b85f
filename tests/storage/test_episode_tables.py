"""Episodes lie beside the rows of a result, and belong to them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from tests.helpers.damages import edited, flip
from tests.helpers.example_episodes import example_episodes
from tests.helpers.example_store import MADE, OTHER, RESULT, ROWS, VECTORS
from tests.helpers.hostile import WORDS
from tvsight.storage import schemas
from tvsight.storage.episode_tables import tabled
from tvsight.storage.inspection import verify
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
    store.save(OTHER, ROWS, None, MADE)
    assert store.episodes(OTHER.path) is None
    assert verify(store) == []
    assert list(tabled([], [])) == list(schemas.EPISODES.columns)


def other(column: str, value: object) -> Callable[[Path], object]:
    """Another value in the first cell of a column."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        cells = table[column].tolist()
        return table.assign(**{column: pd.Series([value, *cells[1:]], dtype=object)})

    return table_of(change)


def table_of(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], object]:
    return lambda file: Store(file.parents[3]).save(
        RESULT, ROWS, VECTORS, MADE, change(example_episodes())
    )


def sealed(change: Callable[[pyarrow.Table], pyarrow.Table] | str) -> Callable[[Path], object]:
    """Another content of the file, with a manifest whose checksums hold."""

    def damage(file: Path) -> None:
        if isinstance(change, str):
            file.write_text(change)
        else:
            parquet.write_table(change(parquet.read_table(file)), file)
        files = [file for file in file.parent.iterdir() if file.name != "manifest.json"]
        sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        sizes = {file.name: file.stat().st_size for file in files}
        edited(lambda manifest: manifest.update(files=sums, sizes=sizes))(file.parent)

    return damage


def cell(number: int, name: str, value: object) -> Callable[[Path], object]:
    return sealed(
        lambda table: table.set_column(
            number, name, pyarrow.array([value] * len(table), table[name].type)
        )
    )


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "another query": (other("query", "else"), "not those of the rows"),
    "another answer": (other("accepted", [" no"]), "not those of the rows"),
    "no answer": (other("accepted", []), "no accepted answer"),
    "no prompt": (other("prompt", []), "no prompt"),
    "half a demonstration": (other("answers", ["b"]), "lacks its answer"),
    "an episode less": (table_of(lambda table: table.iloc[1:]), "not those of the rows"),
    "an episode twice": (
        table_of(lambda table: pd.concat([table, table.iloc[:1]])),
        "not those of the rows",
    ),
    "a column less": (sealed(lambda table: table.drop_columns(["query"])), "other columns"),
    "another type": (
        sealed(lambda table: table.set_column(1, "episode", table["episode"].cast("string"))),
        "column episode holds string",
    ),
    "an empty cell": (cell(2, "query", None), "empty cells"),
    "an empty word": (cell(3, "accepted", [" yes", None]), "empty cells"),
    "no parquet": (sealed("x"), "cannot be read as parquet"),
    "a flipped bit": (flip, "checksum"),
    "no file": (Path.unlink, "is missing"),
    "another size": (lambda file: file.write_text("x"), "1 bytes"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_episodes_of_another_form_or_of_other_rows_are_damage(store: Store, damage: str) -> None:
    spoil, named = DAMAGES[damage]
    spoil(store.root / RESULT.path / EPISODES)
    with pytest.raises(DamagedResult, match=named):
        store.holds(RESULT)
