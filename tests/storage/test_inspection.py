import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.damages import DAMAGES, LATER, truncate
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
from tvsight.errors import StorageError, UsageError
from tvsight.storage.inspection import (
    Entry,
    Finding,
    check,
    entries,
    leftovers,
    remove,
    sorted_out,
    verify,
)
from tvsight.storage.schemas import schema
from tvsight.storage.store import DAMAGED, Result, Store
from tvsight.tasks import packaged_tasks
from tvsight.tasks.matching import SCORING_VERSION
from tvsight.writing import make_marked

NOT_OWN = {
    *("no manifest", "empty manifest", "cut manifest", "manifest of bytes", "a nested manifest"),
    *("manifest that is a list", "manifest that is a folder", "no identity", "another identity"),
    *("an identity without a task", "an identity that is a text", "a file besides"),
    *("rows that are a folder", "a file in its place", "half a character"),
    *(name for name in DAMAGES if name.endswith(" that is none") and name != "a time that is none"),
}
"""Damages after which nothing says that all of the folder is tvsight's."""
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


def test_entries_say_what_is_there(store: Store) -> None:
    found, unusable = entries(store)
    assert unusable == []
    vectors = {entry.identity["task"]: entry.has_vectors for entry in found}
    assert vectors == {"antonyms": True, "my_task": False}
    (entry,) = [entry for entry in found if entry.path == CURRENT.path]
    assert entry.key == CURRENT.key
    on_disk = sum(file.stat().st_size for file in (store.root / entry.path).iterdir())
    assert entry.size == on_disk


def test_what_has_no_usable_manifest_is_named(store: Store) -> None:
    (store.root / OWN.path / "manifest.json").write_text("")
    found, unusable = entries(store)
    assert [entry.path for entry in found] == [CURRENT.path]
    assert [(f.path, f.kind, f.reason) for f in unusable] == [
        (OWN.path, "damaged", "no readable manifest.json")
    ]


def test_a_whole_folder_has_no_findings(store: Store) -> None:
    with store.lock(CURRENT):  # its file stays, as after every run
        pass
    assert verify(store) == removable(store) == []


@pytest.mark.parametrize("spoilt", DAMAGES)
def test_verify_names_every_damage_and_no_other_result(store: Store, spoilt: str) -> None:
    DAMAGES[spoilt][0](store.root / CURRENT.path)
    (finding,) = verify(store)
    assert finding.path == CURRENT.path
    assert finding == check(store, CURRENT.path)
    assert isinstance(check(store, OWN.path), Entry)
    kinds = {"another identity": "misplaced"}
    assert finding.kind == kinds.get(
        spoilt, "superseded" if "older schema" in spoilt else "damaged"
    )
    found, kept = sorted_out(store)
    assert (found, kept) == (([], [finding]) if spoilt in NOT_OWN else ([finding], []))


@pytest.mark.parametrize("later", LATER)
def test_what_a_later_version_wrote_is_named_and_kept(store: Store, later: str) -> None:
    LATER[later][0](store.root / CURRENT.path)
    aside = store.root / DAMAGED / f"{CURRENT.path.name}-01234567"
    shutil.copytree(store.root / CURRENT.path, aside)  # an early version moved those there
    before = disk(store.root)
    assert told(verify(store)) == {CURRENT.path.name: "later", aside.name: "damaged"}
    assert removable(store) == []
    assert remove(store, verify(store)) == 0
    assert disk(store.root) == before


def test_a_later_versions_data_of_a_task_is_not_superseded(store: Store) -> None:
    made = MADE | {"versions": {"tvsight": "7.5"}}
    store.save(OLD_PAIRS, ROWS, None, made)
    assert removable(store) == []


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


def test_what_was_moved_aside_is_told_apart(store: Store) -> None:
    place = store.set_aside(OWN.path)
    (finding,) = verify(store)
    assert (finding.path, finding.kind, finding.is_aside) == (place, "damaged", True)
    assert finding.size > 0


def test_what_a_killed_run_leaves_is_left_over(store: Store) -> None:
    path = unfinished(store, RESULT)
    for probe in (store.root / ".new-0", store.root / "tables" / ".new-0-a.csv"):
        make_marked(probe)
        os.utime(probe, (0, 0))
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


def test_results_that_nothing_asks_for_any_more_are_superseded(store: Store) -> None:
    kept = Result(CURRENT.identity | {"weights": "sha256:34", "dtype": "bfloat16", "seed": 4})
    for result in (OLD_PAIRS, OLD_SCORING, kept):
        store.save(result, ROWS, None, MADE)
    found = {finding.path: finding.reason for finding in removable(store)}
    assert found == {
        OLD_PAIRS.path: "other pairs of antonyms than this tvsight has",
        OLD_SCORING.path: f"scoring 0; this is {SCORING_VERSION}",
    }
    assert verify(store) == []
    remove(store, removable(store))
    assert set(store.paths()) == {CURRENT.path, OWN.path, kept.path}


def test_results_of_an_earlier_version_of_their_experiment_are_superseded(store: Store) -> None:
    now = schema("controls").version
    of_first = CURRENT.identity | {"experiment": "controls"}
    rows = ROWS.assign(source=None).astype({"source": "str"})
    for identity in (of_first, of_first | {"version": now}):
        store.save(Result(identity), rows, None, MADE)
    (found,) = removable(store)
    assert found.reason == f"version 1 of its experiment; this is {now}"


@pytest.mark.parametrize("old", ["to_upper", "to_lower"])
def test_what_further_tasks_enter_is_superseded_with_any_of_them(store: Store, old: str) -> None:
    now = {name: packaged_tasks()[name].checksum for name in ("to_upper", "to_lower")}
    then = now | {old: "other pairs"}
    for data in (now, then):
        of_pair = {"task": "to_upper→to_lower", "task_data": data["to_upper"]}
        more = {"experiment": "another", "sources": {"to_lower": data["to_lower"]}}
        rows = ROWS.assign(task=of_pair["task"])
        store.save(Result(IDENTITY | of_pair | more), rows, None, MADE)
    (found,) = removable(store)
    assert found.reason == f"other pairs of {old} than this tvsight has"


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


def test_a_recent_file_is_not_left_over(store: Store) -> None:
    probe = store.root / ".new-0"
    make_marked(probe)
    for age, left in ((10, 0), (7200, 1)):
        os.utime(probe, (time.time() - age, time.time() - age))
        assert len(list(leftovers(store))) == left


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
