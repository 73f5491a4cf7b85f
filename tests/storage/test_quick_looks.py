"""Looks at a results folder that read its manifests alone."""

import re
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.store import copies
from tests.helpers.damages import edited, flip, truncate
from tests.helpers.example_store import CURRENT, NAME, OWN, two_results
from tests.helpers.opened import opened
from tvsight.storage.inspection import Finding, entries, verify
from tvsight.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return two_results(tmp_path / "results")


def told(findings: list[Finding]) -> dict[str, str]:
    return {finding.path.name: finding.kind for finding in findings}


def test_a_quick_look_finds_what_is_missing_or_of_another_size_and_opens_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*arguments: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("tvsight.storage.store.checksum", opened)
    monkeypatch.setattr("tvsight.storage.store.read_table", opened)
    seen: list[Path] = []
    assert verify(store, seen.append, quick=True) == []
    assert seen == list(store.paths())
    (store.root / OWN.path / "rows.parquet").unlink()
    truncate(store.root / CURRENT.path / "vectors.safetensors")
    found = {finding.path: finding.reason for finding in verify(store, quick=True)}
    assert found[OWN.path] == "rows.parquet is missing"
    assert re.fullmatch(r"vectors\.safetensors has \d+ bytes, not \d+", found[CURRENT.path])


@pytest.mark.parametrize("look", [entries, partial(verify, quick=True)])
def test_a_look_opens_each_manifest_once_and_no_other_file(
    look: Callable[[Store], object], tmp_path: Path
) -> None:
    store = Store(tmp_path / "results")
    copied = list(islice(copies(two_results(tmp_path / "reference"), store), 40))
    with store.lock(CURRENT), opened(store.root) as counts:
        look(store)
    assert counts == {path / "manifest.json": 1 for path in copied}


@pytest.mark.parametrize("name", ["rows.parquet", "vectors.safetensors"])
def test_a_quick_look_does_not_see_bytes_that_changed(store: Store, name: str) -> None:
    flip(store.root / CURRENT.path / name)
    assert verify(store, quick=True) == []
    assert told(verify(store)) == {NAME: "damaged"}
    with (store.root / CURRENT.path / name).open("ab") as file:
        file.write(b"more")
    assert told(verify(store, quick=True)) == {NAME: "damaged"}


def test_a_quick_look_takes_manifests_that_do_not_say_how_large_files_are(store: Store) -> None:
    edited(lambda m: m.pop("sizes"))(store.root / CURRENT.path)
    assert verify(store, quick=True) == verify(store) == []
    (store.root / CURRENT.path / "vectors.safetensors").write_bytes(b"")
    (finding,) = verify(store, quick=True)
    assert finding.reason == "vectors.safetensors is empty, too large, or is no file"
