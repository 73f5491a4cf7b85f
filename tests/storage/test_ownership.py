"""Only what tvsight wrote is removed, and a kill at any step loses nothing complete."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import random_folders
from tests.helpers.example_store import CURRENT, MADE, ROWS, VECTORS, removable, two_results
from tvsight import writing
from tvsight.sharing import pull
from tvsight.storage.inspection import remove, sorted_out, verify
from tvsight.storage.job_records import JobRecord, Records
from tvsight.storage.ownership import put_all_back
from tvsight.storage.store import Store
from tvsight.writing import MARKER

KILLED = 9
STEPS = ("mkdir", "rename", "unlink", "rmdir", "fsync")


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do some work in a process that ends before one of its steps on the disk.

    Returns:
        Whether it had so many steps.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    code = 1
    try:
        count = 0

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def counting(*given: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count > step:
                    os._exit(KILLED)
                return call(*given, **named)

            return counting

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        writing._exchanged = counted(writing._exchanged)
        work()
        code = 0
    finally:
        os._exit(code)


@pytest.fixture(params=[True, False], ids=["exchanged in one step", "without renameat2"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Store:
    """A store that holds `CURRENT` without vectors, where a system can exchange names or not."""
    if not request.param:
        monkeypatch.setattr(writing.ctypes, "CDLL", lambda *_, **__: object())
    store = Store(tmp_path / "results")
    store.save(CURRENT, ROWS, None, MADE)
    return store


def saving(store: Store, tmp_path: Path) -> Callable[[], object]:
    return lambda: store.save(CURRENT, ROWS, VECTORS, MADE)


def pulling(store: Store, tmp_path: Path) -> Callable[[], object]:
    incoming, theirs = Store(store.root / ".new-incoming"), tmp_path / "theirs"
    if not theirs.exists():
        two_results(theirs)
    shutil.copytree(theirs, incoming.root)
    (incoming.root / MARKER).touch()
    return lambda: pull.take(store, incoming, CURRENT.path, pull.Pulled())


@pytest.mark.parametrize("begin", [saving, pulling])
@pytest.mark.parametrize("first", ["start", "clean"])
def test_a_kill_at_any_step_loses_no_complete_result(
    store: Store, tmp_path: Path, begin: Any, first: str
) -> None:
    before = tmp_path / "before"
    shutil.copytree(store.root, before)
    steps, kept = 0, {False: 0, True: 0}
    while True:
        shutil.rmtree(store.root)
        shutil.copytree(before, store.root)
        was_killed = killed_at(steps, begin(store, tmp_path))
        if first == "clean":
            remove(store, removable(store))
        put_all_back(store)
        remove(store, removable(store))
        assert store.holds(CURRENT), f"lost when killed at step {steps}"
        kept[store.holds(CURRENT, with_vectors=True)] += 1
        left = store.root.glob(f"*/*/.new-{CURRENT.path.name}-*/*")
        assert list(left) == [], f"left when killed at step {steps}"
        if not was_killed:
            break
        steps += 1
    assert steps > 3
    assert kept[True] > 1, "one that was complete was not put back"


def test_a_result_under_an_unfinished_name_is_named_kept_and_put_back(store: Store) -> None:
    left = store.root / CURRENT.path.with_name(f".new-{CURRENT.path.name}-01234567")
    (store.root / CURRENT.path).rename(left)
    ((found,), (kept,)) = verify(store), sorted_out(store)[1]
    assert (found, found.is_kept) == (kept, True)
    assert removable(store) == []
    records = Records(store.root)
    for name in (CURRENT.path.name, "antonyms-0123456789ab"):
        records.write(JobRecord(f"{name}-0", "id", "http://host", "m", "d", "2026-01-01"))
    put_all_back(store)
    assert store.holds(CURRENT)
    assert verify(store) == []
    assert [record.name for record in records.all()] == ["antonyms-0123456789ab-0"]


def test_one_that_is_being_measured_is_not_put_back(store: Store) -> None:
    left = store.root / CURRENT.path.with_name(f".new-{CURRENT.path.name}-01234567")
    (store.root / CURRENT.path).rename(left)
    with store.lock(CURRENT):
        put_all_back(store)
        assert left.exists()


def test_a_whole_result_in_a_foreign_place_is_misplaced_and_kept(store: Store) -> None:
    places = ["main_results/mine", "mine/org--model-1b"]
    for place in places:
        shutil.copytree(store.root / CURRENT.path, store.root / place / CURRENT.path.name)
    shutil.copytree(store.root / CURRENT.path, store.root / CURRENT.path.with_name("x-" + "0" * 12))
    found, kept = sorted_out(store)
    assert (found, [one.kind for one in kept]) == ([], ["misplaced"] * 3)


def test_a_misplaced_result_stays_after_a_run_has_moved_it_aside(store: Store) -> None:
    place = CURRENT.path.with_name("antonyms-" + "0" * 12)
    shutil.copytree(store.root / CURRENT.path, store.root / place)
    aside = store.set_aside(place)
    assert [kept.path for kept in sorted_out(store)[1]] == [aside]


@pytest.mark.parametrize("is_link", [False, True])
def test_nothing_is_written_into_what_is_not_ours_before_it_is_moved_aside(
    store: Store, tmp_path: Path, is_link: bool
) -> None:
    """Its name and its files may be those of a result; no manifest says that they are."""
    place = store.root / CURRENT.path
    (place / "manifest.json").write_text("{}")
    there = place.rename(tmp_path / "elsewhere") if is_link else place
    if is_link:
        place.symlink_to(there)
    names = {file.name for file in there.iterdir()}
    aside = store.set_aside(CURRENT.path)
    assert {file.name for file in (store.root / aside).iterdir()} == names
    remove(store, removable(store))
    assert (store.root / aside / "manifest.json").read_text() == "{}"


@pytest.mark.parametrize("seed", range(int(os.environ.get("FUZZED_FOLDERS", "100")) // 20))
def test_clean_removes_own_leftovers_and_nothing_else(tmp_path: Path, seed: int) -> None:
    made, counts = random_folders.samples(tmp_path / "made"), dict.fromkeys(("f", "i", "o"), 0)
    for number in range(20):
        store = Store(tmp_path / str(number) / "results")
        store.root.mkdir(parents=True)
        drawn = random.Random(f"{seed} {number}")
        contents = random_folders.fill(store, made, drawn)
        remove(store, removable(store))
        for path in contents.foreign:
            assert os.path.lexists(path), (seed, number, path)
        put_all_back(store)
        for place, belongs in contents.intact.items():
            there = place if (place / "manifest.json").exists() else belongs
            names = {file.name for file in there.iterdir()}
            assert {"rows.parquet", "manifest.json"} <= names, (seed, number, place)
            assert (there / "rows.parquet").stat().st_size > 100, (seed, number, place)
        own = {path for path in contents.own if path.parent == path.parent.resolve()}
        left = {path for path in own if os.path.lexists(path)}
        assert left <= set(contents.intact.values()), (seed, number)
        counts["f"] += len(contents.foreign)
        counts["i"] += len(contents.intact)
        counts["o"] += len(contents.own)
        shutil.rmtree(store.root.parent)
    print(counts)
    assert min(counts.values()) > 3
