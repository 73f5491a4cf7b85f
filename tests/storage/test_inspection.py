import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks.store import copies
from tests.helpers.damages import edited, flip, truncate
from tests.helpers.example_store import (
    CURRENT,
    IDENTITY,
    MADE,
    NAME,
    OTHER,
    OWN,
    RESULT,
    ROWS,
    VECTORS,
    record,
    removable,
    two_results,
    unfinished,
)
from tests.helpers.opened import opened
from tvsight.errors import StorageError, UsageError
from tvsight.storage.inspection import Finding, entries, leftovers, remove, sorted_out, verify
from tvsight.storage.schemas import schema
from tvsight.storage.store import DAMAGED, Result, Store
from tvsight.tasks import packaged_tasks
from tvsight.tasks.matching import SCORING_VERSION
from tvsight.writing import make_marked

OLD_PAIRS = RESULT
OLD_SCORING = Result(CURRENT.identity | {"scoring": 0})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return two_results(tmp_path / "results")


@contextmanager
def held_elsewhere(store: Store, result: Result) -> Iterator[None]:
    """Another process measures a result."""
    code = (
        "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); "
        "print('held', flush=True); sys.stdin.read()"
    )
    lock = store.lock(result).lock_file
    command = [sys.executable, "-c", code, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()


def told(findings: list[Finding]) -> dict[str, str]:
    return {finding.path.name: finding.kind for finding in findings}


def test_entries_say_what_is_there_and_a_whole_folder_has_no_findings(store: Store) -> None:
    with store.lock(CURRENT):  # its file stays, as after every run
        pass
    assert verify(store) == removable(store) == []
    found, unusable = entries(store)
    assert unusable == []
    vectors = {entry.identity["task"]: entry.has_vectors for entry in found}
    assert vectors == {"antonyms": True, "my_task": False}
    (entry,) = [entry for entry in found if entry.path == CURRENT.path]
    assert entry.key == CURRENT.key
    assert entry.size == disk(store.root / entry.path)
    (store.root / OWN.path / "manifest.json").write_text("")
    found, unusable = entries(store)
    assert [entry.path for entry in found] == [CURRENT.path]
    assert [(f.path, f.kind, f.reason) for f in unusable] == [
        (OWN.path, "damaged", "no readable manifest.json")
    ]


def test_looking_for_what_can_go_reads_each_result_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    verified = Store.verified

    def reading(self: Store, path: Path) -> dict[str, Any]:
        read.append(path)
        return verified(self, path)

    monkeypatch.setattr(Store, "verified", reading)
    seen: list[Path] = []
    sorted_out(store, seen.append)
    assert read == seen == list(store.paths())


def test_what_a_killed_run_leaves_is_left_over(store: Store) -> None:
    path = unfinished(store, RESULT)
    for probe in (store.root / ".new-0", store.root / "tables" / ".new-0-a.csv"):
        make_marked(probe)
    assert {".new-0", ".new-0-a.csv"}.isdisjoint(told(verify(store)))  # somebody may write there
    for probe in (store.root / ".new-0", store.root / "tables" / ".new-0-a.csv"):
        os.utime(probe, (time.time() - 7200,) * 2)
    assert told(verify(store)) == {
        path.name: "left over",
        f"{RESULT.path.name}.lock": "left over",
        ".new-0": "left over",
        ".new-0-a.csv": "left over",
    }
    assert remove(store, removable(store)) == 4
    assert verify(store) == []
    assert store.holds(CURRENT)
    assert store.holds(OWN)


def test_what_a_process_works_on_is_not_left_over(store: Store) -> None:
    unfinished(store, RESULT)
    (store.root / ".new-now").write_text("")
    job, later = record(store, f"{NAME}-0"), record(store, f"{RESULT.path.name}-0")
    with held_elsewhere(store, RESULT), held_elsewhere(store, CURRENT):
        assert list(leftovers(store)) == []
    left = {finding.path.name for finding in leftovers(store)}
    assert job.name in left
    assert later.name not in left


def test_what_a_process_begins_after_the_question_stays(store: Store) -> None:
    path = unfinished(store, RESULT)
    lock = Path(store.lock(RESULT).lock_file)
    findings = removable(store)
    with held_elsewhere(store, RESULT):
        assert remove(store, findings) == 0
        assert path.exists()
        assert lock.exists()


def test_records_of_jobs_go_when_their_result_is_stored_or_they_cannot_be_read(
    store: Store,
) -> None:
    waiting, stored = record(store, f"{RESULT.path.name}-0"), record(store, f"{NAME}-12")
    for name, version in (("older", 1), ("later", 9)):
        fields = json.dumps(
            {"version": version, "written_by": f"{version}.5" if version > 1 else "0.0.9"}
        )
        (store.root / ".jobs" / f"{name}.json").write_text(fields)
    reasons = {finding.path.name: finding.reason for finding in verify(store)}
    assert set(reasons) == {"older.json", "later.json", stored.name}
    assert "written by tvsight 9.5" in reasons["later.json"]
    remove(store, removable(store))
    left = {path.name for path in (store.root / ".jobs").iterdir()}
    assert left == {waiting.name, "later.json"}


NOW = {name: packaged_tasks()[name].checksum for name in ("to_upper", "to_lower")}
PAIR = {"experiment": "another", "task": "to_upper→to_lower", "task_data": NOW["to_upper"]}
CONTROLS = CURRENT.identity | {"experiment": "controls"}
VERSION = schema("controls").version
SUPERSEDED: dict[str, tuple[dict[str, Any], str]] = {
    "other pairs": (OLD_PAIRS.identity, "other pairs of antonyms than this tvsight has"),
    "older scoring": (OLD_SCORING.identity, f"scoring 0; this is {SCORING_VERSION}"),
    "another revision": (CURRENT.identity | {"weights": "sha256:34", "seed": 4}, ""),
    "an earlier version": (CONTROLS, f"version 1 of its experiment; this is {VERSION}"),
    "this version": (CONTROLS | {"version": VERSION}, ""),
    "further pairs": (IDENTITY | PAIR | {"sources": {"to_lower": NOW["to_lower"]}}, ""),
    "other pairs of its own": (
        IDENTITY | PAIR | {"task_data": "others", "sources": {"to_lower": NOW["to_lower"]}},
        "other pairs of to_upper than this tvsight has",
    ),
    "other further pairs": (
        IDENTITY | PAIR | {"sources": {"to_lower": "others"}},
        "other pairs of to_lower than this tvsight has",
    ),
}


@pytest.mark.parametrize("case", SUPERSEDED)
def test_results_that_nothing_asks_for_any_more_are_superseded(store: Store, case: str) -> None:
    identity, why = SUPERSEDED[case]
    rows = ROWS.assign(task=identity["task"])
    if identity["experiment"] == "controls":
        rows = rows.assign(source=None).astype({"source": "str"})
    store.save(Result(identity), rows, None, MADE)
    assert [finding.reason for finding in removable(store)] == ([why] if why else [])
    assert verify(store) == []
    remove(store, removable(store))
    kept = set() if why else {Result(identity).path}
    assert set(store.paths()) == {CURRENT.path, OWN.path} | kept
    store.save(Result(identity), rows, None, MADE | {"versions": {"tvsight": "7.5"}})
    assert removable(store) == []


def test_cleaning_frees_what_it_says_and_nothing_else(store: Store) -> None:
    store.save(OTHER, ROWS, None, MADE)
    truncate(store.root / OTHER.path / "rows.parquet")
    store.set_aside(OTHER.path)
    store.save(OLD_PAIRS, ROWS, VECTORS, MADE)
    outside = store.root.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (store.root / DAMAGED / "link").symlink_to(outside)
    (store.root / "notes").write_text("mine")
    before = disk(store.root)
    findings = removable(store)
    freed = remove(store, findings)
    assert freed == sum(finding.size for finding in findings) == before - disk(store.root)
    assert (outside / "kept").exists()
    assert (store.root / "notes").exists()
    assert set(store.paths()) == {CURRENT.path, OWN.path}


def test_what_cannot_be_removed_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.set_aside(OWN.path)

    def fail(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tvsight.writing.shutil.rmtree", fail)
    with pytest.raises(StorageError, match="cannot be removed: Read-only file system"):
        remove(store, removable(store))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for look in (entries, verify, sorted_out):
        with pytest.raises(UsageError, match="a results folder was expected"):
            look(Store(tmp_path / "absent"))


def disk(folder: Path) -> int:
    return sum(
        file.lstat().st_size for file in folder.rglob("*") if not file.is_dir() or file.is_symlink()
    )


@pytest.mark.parametrize(
    "make",
    [lambda lock: lock.symlink_to("/dev/zero"), lambda lock: lock.symlink_to("none"), Path.mkdir],
    ids=["a link", "a dead link", "a folder"],
)
def test_a_lock_that_is_no_file_is_named_and_kept(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    store = two_results(tmp_path)
    lock = Path(store.lock(OTHER).lock_file)
    make(lock)
    with pytest.raises(StorageError, match=re.escape(f"{lock} cannot be written")):
        store.acquire(OTHER)
    assert lock.name not in [found.path.name for found in removable(store)]
    remove(store, removable(store))
    assert os.path.lexists(lock)


def test_a_quick_look_finds_what_is_missing_or_of_another_size_and_opens_manifests_alone(
    store: Store, tmp_path: Path
) -> None:
    folder = store.root / CURRENT.path
    flip(folder / "rows.parquet")
    assert verify(store, quick=True) == []  # bytes that changed are not seen
    assert told(verify(store)) == {NAME: "damaged"}
    edited(lambda m: m.pop("sizes"))(folder)  # early versions did not say how large files are
    seen: list[Path] = []
    assert verify(store, seen.append, quick=True) == []
    assert seen == list(store.paths())
    (store.root / OWN.path / "rows.parquet").unlink()
    (folder / "vectors.safetensors").write_bytes(b"")
    found = {finding.path: finding.reason for finding in verify(store, quick=True)}
    assert found[OWN.path] == "rows.parquet is missing"
    assert found[CURRENT.path] == "vectors.safetensors is empty, too large, or is no file"
    (folder / "vectors.safetensors").write_bytes(b"x")
    edited(lambda m: m.update(sizes={"vectors.safetensors": 2}))(folder)
    (_, finding) = sorted(verify(store, quick=True), key=lambda finding: finding.reason[0])
    assert finding.reason == "vectors.safetensors has 1 bytes, not 2"


@pytest.mark.parametrize("look", [entries, partial(verify, quick=True)])
def test_a_look_opens_each_manifest_once_and_no_other_file(
    look: Callable[[Store], object], tmp_path: Path
) -> None:
    store = Store(tmp_path / "results")
    copied = list(islice(copies(two_results(tmp_path / "reference"), store), 40))
    with store.lock(CURRENT), opened(store.root) as counts:
        look(store)
    assert counts == {path / "manifest.json": 1 for path in copied}
