import errno
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pandas as pd
import pytest
import torch

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
    """A store that holds `RESULT` with vectors and `OTHER` without; no test changes it."""
    store = Store(tmp_path_factory.mktemp("archive") / "results")
    store.save(RESULT, ROWS, VECTORS, MADE)
    store.save(OTHER, ROWS, None, MADE)
    return store


def unpack(archive: Path, folder: Path) -> Store:
    """Unpack with the strictest rules that the standard library has."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            assert opened.testzip() is None
            opened.extractall(folder)
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return Store(inside)


def names(archive: Path) -> list[str]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    with tarfile.open(archive) as tar:
        assert all(member.isreg() and member.mode == 0o644 for member in tar.getmembers())
        return tar.getnames()


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_unpacks_to_a_results_folder(store: Store, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"mine.{kind}"
    export(store, entries(store)[0], archive)
    there = unpack(archive, tmp_path / "there")
    assert there.root.name == "mine"
    assert verify(there) == []
    assert there.holds(RESULT)
    assert there.holds(OTHER)
    assert there.read_manifest(RESULT.path) == store.read_manifest(RESULT.path)
    pd.testing.assert_frame_equal(there.rows(RESULT.path), ROWS)
    vectors = there.vectors(RESULT.path)
    assert all(torch.equal(vectors[name], VECTORS[name]) for name in VECTORS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_part_that_figures_need_is_put_in_place_of_all(
    store: Store, tmp_path: Path, kind: str
) -> None:
    archive = tmp_path / f"mine.{kind}"
    export(store, entries(store)[0], archive, "figures", {RESULT.path: 4})
    there = unpack(archive, tmp_path / "there")
    assert verify(there) == []
    expected = part(VECTORS, 4)
    found = there.vectors(RESULT.path)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    pd.testing.assert_frame_equal(there.rows(RESULT.path), ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_without_vectors_the_manifests_name_none(store: Store, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"mine.{kind}"
    export(store, entries(store)[0], archive, vectors="none")
    assert not any("vectors" in name for name in names(archive))
    there = unpack(archive, tmp_path / "there")
    assert verify(there) == []
    assert there.holds(RESULT)
    assert not any(entry.has_vectors for entry in entries(there)[0])


def test_only_chosen_results_are_in_it(store: Store, tmp_path: Path) -> None:
    chosen = [entry for entry in entries(store)[0] if entry.path == OTHER.path]
    export(store, chosen, tmp_path / "mine.zip")
    assert names(tmp_path / "mine.zip") == [
        f"mine/{OTHER.path}/{name}" for name in ("rows.parquet", "manifest.json")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_results_make_the_same_bytes(store: Store, tmp_path: Path, kind: str) -> None:
    for folder in ("a", "b"):
        chosen = entries(store)[0]
        export(store, chosen[::-1] if folder == "b" else chosen, tmp_path / folder / f"x.{kind}")
    assert (tmp_path / "a" / f"x.{kind}").read_bytes() == (
        tmp_path / "b" / f"x.{kind}"
    ).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", WORDS)
def test_members_are_plain_relative_paths(tmp_path: Path, word: str, kind: str) -> None:
    store, text = Store(tmp_path / "results"), WORDS[word]
    hostile = Result(IDENTITY | {"model": text, "task": text, "experiment": "main_results"})
    store.save(hostile, ROWS.assign(model=text, task=text), None, MADE)
    assert verify(store) == []
    archive = tmp_path / f"..{text[:30].replace('/', '').replace(chr(0), '')}.{kind}"
    export(store, entries(store)[0], archive)
    for name in names(archive):
        path = PurePosixPath(name)
        assert name.isascii()
        assert len(path.parts) == 5
        assert not path.is_absolute()
        assert not {"..", "."} & set(path.parts)
        assert not any(mark in name for mark in "\\:\x00\n\r\x1b")
    assert unpack(archive, tmp_path / "there").holds(hostile)


@pytest.mark.parametrize("name", ["mine", "mine.rar", ".zip", ".tar.gz", "mine.tar"])
def test_another_ending_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"ends in \.tar\.gz, \.tgz, \.zip was expected"):
        export(store, entries(store)[0], tmp_path / name)


def test_an_archive_that_is_there_is_not_written_over(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_text("x")
    with pytest.raises(UsageError, match="there is such a file already"):
        export(store, entries(store)[0], tmp_path / "mine.zip")
    assert (tmp_path / "mine.zip").read_text() == "x"


def test_nothing_is_no_archive(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No result was chosen"):
        export(store, [], tmp_path / "mine.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_leaves_no_archive(
    store: Store, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = entries(store)[0]

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        export(store, chosen, tmp_path / f"mine.{kind}")
    monkeypatch.undo()
    monkeypatch.setattr(io, "BytesIO", interrupt)
    monkeypatch.setattr(json, "dumps", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(store, chosen, tmp_path / f"mine.{kind}")
    assert list(tmp_path.iterdir()) == []


def interrupt(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt
