import errno
import json
import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pytest
import torch

from tests.helpers.example_episodes import example_episodes
from tests.helpers.example_store import IDENTITY, MADE, OTHER, RESULT, ROWS, VECTORS
from tests.helpers.hostile import WORDS
from tvsight.errors import UsageError
from tvsight.sharing.archive import export
from tvsight.storage.inspection import entries, verify
from tvsight.storage.store import Result, Store
from tvsight.storage.task_vectors import part

KINDS = ("tar.gz", "tgz", "zip")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that holds `RESULT` with vectors and `OTHER` with episodes; no test changes it."""
    store = Store(tmp_path_factory.mktemp("archive") / "results")
    store.save(RESULT, ROWS, VECTORS, MADE)
    store.save(OTHER, ROWS, None, MADE, example_episodes())
    return store


def unpack(archive: Path, folder: Path) -> tuple[Store, list[str]]:
    """Unpack with the strictest rules that the standard library has.

    Returns:
        What was in it, and the names of its members.
    """
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            assert zipped.testzip() is None
            zipped.extractall(folder)
            names = zipped.namelist()
    else:
        with tarfile.open(archive) as tar:
            assert all(member.isreg() and member.mode == 0o644 for member in tar.getmembers())
            tar.extractall(folder, filter="data")
            names = tar.getnames()
    (inside,) = folder.iterdir()
    assert verify(Store(inside)) == []
    return Store(inside), names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("vectors", "expected"), [("all", VECTORS), ("figures", part(VECTORS, 4)), ("none", None)]
)
def test_an_archive_unpacks_to_a_results_folder(
    store: Store, tmp_path: Path, kind: str, vectors: Any, expected: dict[str, torch.Tensor] | None
) -> None:
    archive = tmp_path / f"mine.{kind}"
    export(store, entries(store)[0], archive, vectors, {RESULT.path: 4})
    there, names = unpack(archive, tmp_path / "there")
    assert there.root.name == "mine"
    assert there.holds(RESULT, with_vectors=expected is not None)
    assert there.read_manifest(OTHER.path) == store.read_manifest(OTHER.path)
    assert there.episodes(OTHER.path) is not None
    pd.testing.assert_frame_equal(there.rows(RESULT.path), ROWS)
    if expected is None:
        assert not any("vectors" in name for name in names)
    else:
        found = there.vectors(RESULT.path)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_only_chosen_results_are_in_it_each_with_its_manifest_last(
    store: Store, tmp_path: Path
) -> None:
    chosen = [entry for entry in entries(store)[0] if entry.path == RESULT.path]
    export(store, chosen, tmp_path / "mine.zip")
    files = ("rows.parquet", "vectors.safetensors", "manifest.json")
    _, names = unpack(tmp_path / "mine.zip", tmp_path / "there")
    assert names == [f"mine/{RESULT.path}/{name}" for name in files]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_results_make_the_same_bytes(store: Store, tmp_path: Path, kind: str) -> None:
    chosen, files = entries(store)[0], [tmp_path / name / f"x.{kind}" for name in "ab"]
    for order, file in zip((chosen, chosen[::-1]), files, strict=True):
        export(store, order, file)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", WORDS)
def test_members_are_plain_relative_paths(tmp_path: Path, word: str, kind: str) -> None:
    store, text = Store(tmp_path / "results"), WORDS[word]
    hostile = Result(IDENTITY | {"model": text, "task": text, "experiment": "main_results"})
    store.save(hostile, ROWS.assign(model=text, task=text), None, MADE)
    assert verify(store) == []
    archive = tmp_path / f"..{text[:30].replace('/', '').replace(chr(0), '')}.{kind}"
    export(store, entries(store)[0], archive)
    there, names = unpack(archive, tmp_path / "there")
    assert there.holds(hostile)
    for path in map(PurePosixPath, names):
        assert str(path).isascii()
        assert len(path.parts) == 5
        assert not path.is_absolute()
        assert not {"..", "."} & set(path.parts)
        assert not any(mark in str(path) for mark in "\\:\x00\n\r\x1b")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "ends in") for name in ("mine", "mine.rar", ".zip", ".tar.gz", "mine.tar")),
        ("there.zip", "there is such a file already"),
    ],
)
def test_another_ending_or_a_file_that_is_there_is_refused(
    store: Store, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "there.zip").write_text("x")
    with pytest.raises(UsageError, match=said):
        export(store, entries(store)[0], tmp_path / name)
    assert (tmp_path / "there.zip").read_text() == "x"
    with pytest.raises(UsageError, match="No result was chosen"):
        export(store, [], tmp_path / "mine.zip")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_leaves_no_archive(
    store: Store, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = entries(store)[0]
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    failures = ((os, "fsync", full, UsageError), (json, "dumps", KeyboardInterrupt(), None))
    for owner, name, raised, expected in failures:

        def fail(*given: object, error: BaseException = raised, **options: object) -> None:
            raise error

        monkeypatch.setattr(owner, name, fail)
        with pytest.raises(expected or type(raised)):
            export(store, chosen, tmp_path / f"mine.{kind}")
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
