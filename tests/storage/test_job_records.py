"""Jobs that a server was handed, on disk."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import tvsight
from tvsight.errors import StorageError
from tvsight.storage.job_records import RECORD_VERSION, JobRecord, Records
from tvsight.storage.versions import LaterVersion
from tvsight.writing import make_marked

RECORD = JobRecord(
    "to_upper-0123-0",
    "a1",
    "http://server",
    "key",
    "digest",
    "2026-01-01T00:00:00",
    faults=("late", "http://server: 503, later"),
)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path)


def test_a_record_is_read_as_it_was_written_and_gone_when_forgotten(records: Records) -> None:
    records.write(RECORD)
    assert Records(records.folder.parent).read(RECORD.name) == RECORD
    records.forget(RECORD.name)
    assert records.read(RECORD.name) is None
    records.forget(RECORD.name)


def test_records_are_listed_oldest_first_without_what_cannot_be_read(records: Records) -> None:
    for name, year in (("b", 2028), ("a", 2027), ("c", 2026)):
        records.write(replace(RECORD, name=name, submitted=f"{year}-01-01"))
    (records.folder / "d.json").write_text("{")
    assert [record.name for record in records.all()] == ["c", "a", "b"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "{}", '"text"', "\udcff", json.dumps({"name": "n", "job_id": "a1"})],
)
def test_a_damaged_record_is_none(records: Records, text: str) -> None:
    records.write(RECORD)
    path = records.folder / f"{RECORD.name}.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert records.read(RECORD.name) is None
    assert records.all() == []


@pytest.mark.parametrize("change", [{"version": 1}, {"priority": "high"}])
def test_a_record_of_another_version_is_none(records: Records, change: dict[str, Any]) -> None:
    records.write(RECORD)
    (records.folder / f"{RECORD.name}.json").write_text(json.dumps(asdict(RECORD) | change))
    assert records.read(RECORD.name) is None


def test_a_record_that_cannot_be_written_leaves_the_one_before(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError("No space left on device")

    records.write(RECORD)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"No space.*Job b2 runs on http://server"):
        records.write(replace(RECORD, job_id="b2", accepted=True))
    assert records.read(RECORD.name) == RECORD
    assert [path.name for path in records.folder.iterdir()] == [f"{RECORD.name}.json"]


def test_what_a_killed_process_began_to_write_goes_with_the_record(records: Records) -> None:
    records.write(RECORD)
    other = replace(RECORD, name="to_upper-0123-01")
    records.write(other)
    foreign = f".new-89abcdef-{RECORD.name}.json"
    (records.folder / foreign).mkdir()
    (records.folder / foreign / "notes").write_text("")
    for name in (RECORD.name, other.name):
        make_marked(records.folder / f".new-01234567-{name}.json")
    records.forget(RECORD.name)
    kept = [f".new-01234567-{other.name}.json", foreign, f"{other.name}.json"]
    assert sorted(path.name for path in records.folder.iterdir()) == kept


def change(records: Records, **fields: object) -> None:
    file = records.folder / f"{RECORD.name}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_a_record_comes_back_and_says_its_version_and_writer(records: Records) -> None:
    records.write(RECORD)
    assert records.read(RECORD.name) == RECORD
    assert records.all() == [RECORD]
    written = json.loads((records.folder / f"{RECORD.name}.json").read_text())
    assert (written["version"], written["written_by"]) == (RECORD_VERSION, tvsight.__version__)
    assert list(records.unusable()) == []
    records.forget(RECORD.name)
    assert (records.read(RECORD.name), records.all()) == (None, [])


def test_records_of_before_versions_of_writers_were_noted_are_read(records: Records) -> None:
    records.write(RECORD)
    file = records.folder / f"{RECORD.name}.json"
    fields = json.loads(file.read_text())
    del fields["written_by"]
    file.write_text(json.dumps(fields))
    assert records.read(RECORD.name) == replace(RECORD, written_by="of an unknown version")


@pytest.mark.parametrize("fields", [{"version": 3}, {"version": 2.5}, {"more": "x"}])
def test_a_record_of_a_later_version_is_refused_with_the_tvsight_that_wrote_it(
    records: Records, fields: dict[str, object]
) -> None:
    records.write(RECORD)
    change(records, **fields, written_by="9.1")
    assert records.all() == list(records.unusable()) == []
    with pytest.raises(LaterVersion, match=r"later tvsight wrote it \(9\.1; this is"):
        records.read(RECORD.name)
    ((path, why),) = records.later()
    assert path.name == f"{RECORD.name}.json"
    assert "9.1" in why


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b"[" * 10**5, b'{"version": 2}', b"null"]
)
def test_a_record_that_cannot_be_read_is_not_picked_up(records: Records, content: bytes) -> None:
    records.write(RECORD)
    (records.folder / f"{RECORD.name}.json").write_bytes(content)
    assert (records.read(RECORD.name), records.all()) == (None, [])
    assert [why for _, why in records.unusable()] == ["no readable job record"]


def test_a_record_of_wrong_kinds_or_another_job_is_not_picked_up(records: Records) -> None:
    records.write(RECORD)
    for wrong in ({"submitted": 3}, {"accepted": "yes"}, {"faults": "late"}):
        records.write(RECORD)
        change(records, **wrong)
        assert records.read(RECORD.name) is None
    records.write(RECORD)
    change(records, submitted="2026", name="../x")
    assert [why for _, why in records.unusable()] == ["the job record of another job"]


def test_a_record_that_cannot_be_written_is_an_error_that_names_the_job(tmp_path: Path) -> None:
    (tmp_path / ".jobs").write_text("")
    with pytest.raises(StorageError, match=r"\.jobs cannot be written.*Job a1 runs on"):
        Records(tmp_path).write(replace(RECORD, accepted=True))
    with pytest.raises(StorageError, match=r"\.jobs cannot be written: [^.]*\.$"):
        Records(tmp_path).write(RECORD)
