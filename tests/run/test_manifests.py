from pathlib import Path

import pytest

from tests.helpers.damages import truncate
from tests.helpers.example_store import CURRENT, IDENTITY, OWN, two_results
from tests.helpers.opened import opened
from tvsight.run.manifests import Manifests
from tvsight.storage.store import Store

MODEL = IDENTITY["model"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return two_results(tmp_path / "results")


def test_a_manifest_is_read_once_until_it_may_have_changed(store: Store) -> None:
    manifests = Manifests()
    with opened(store.root) as counts:
        first, _ = manifests.of(store, MODEL)
        assert manifests.of(store, MODEL) == (first, {})
        manifests.forget(OWN.path)
        assert manifests.of(store, MODEL) == (first, {})
    files = {CURRENT.path: 1, OWN.path: 2}
    assert counts == {path / "manifest.json": count for path, count in files.items()}
    assert first[OWN.path]["identity"] == OWN.identity


def test_what_is_gone_or_cannot_be_used_is_not_among_them(store: Store) -> None:
    manifests = Manifests()
    manifests.of(store, MODEL)
    store.set_aside(OWN.path)
    assert list(manifests.of(store, MODEL)[0]) == [CURRENT.path]
    truncate(store.root / CURRENT.path / "rows.parquet")
    usable, unusable = Manifests().of(store, MODEL)
    assert usable == {}
    assert unusable[CURRENT.path].startswith(f"Damaged, left out: {CURRENT.path}: rows.parquet has")
