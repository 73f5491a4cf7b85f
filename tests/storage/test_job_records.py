"""Jobs that a server was handed, on disk."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tvsight.errors import StorageError
from tvsight.storage.job_records import JobRecord, Records
from tvsight.storage.versions import LaterVersion
from tvsight.writing import make_marked

FAULTS = ("late", "http://server: 503, later")
TIME = "2026-01-01T00:00:00"
RECORD = JobRecord("to_upper-0123-0", "a1", "http://server", "key", "digest", TIME, faults=FAULTS)
UNREADABLE = "no readable job record"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Records that hold `RECORD`."""
    records = Records(tmp_path)
    records.write(RECORD)
    return records


def file_of(records: Records) -> Path:
    return records.folder / f"{RECORD.name}.json"


def change(records: Records, fields: dict[str, Any]) -> None:
    file_of(records).write_text(json.dumps(asdict(RECORD) | fields))


def test_a_record_is_read_as_it_was_written_and_gone_when_forgotten(records: Records) -> None:
    assert Records(records.folder.parent).read(RECORD.name) == RECORD
    assert (records.all(), list(records.unusable())) == ([RECORD], [])
    for _ in range(2):
        records.forget(RECORD.name)
        assert (records.read(RECORD.name), records.all()) == (None, [])


def test_records_are_listed_oldest_first_without_what_cannot_be_read(records: Records) -> None:
    for name, year in (("b", 2028), ("a", 2027)):
        records.write(replace(RECORD, name=name, submitted=f"{year}-01-01"))
    (records.folder / "d.json").write_text("{")
    assert [record.name for record in records.all()] == [RECORD.name, "a", "b"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b"{}", b'"text"', b"\xff", b"[" * 10**5, b'{"version": 2}', b"null"],
)
def test_a_record_that_cannot_be_read_is_not_picked_up(records: Records, content: bytes) -> None:
    file_of(records).write_bytes(content)
    assert (records.read(RECORD.name), records.all()) == (None, [])
    assert [found.why for _, found in records.unusable()] == [UNREADABLE]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"version": 1}, "job record of version 1"),
        ({"priority": "high"}, UNREADABLE),
        ({"submitted": 3}, UNREADABLE),
        ({"accepted": "yes"}, UNREADABLE),
        ({"faults": "late"}, UNREADABLE),
        ({"name": "../x"}, "the job record of another job"),
    ],
)
def test_a_record_of_another_form_is_not_picked_up(
    records: Records, fields: dict[str, Any], why: str
) -> None:
    change(records, fields)
    assert records.read(RECORD.name) is None
    ((_, found),) = records.unusable()
    assert found.why.startswith(why)
    assert found.kind == "left over"


def test_records_of_before_versions_of_writers_were_noted_are_read(records: Records) -> None:
    fields = asdict(RECORD)
    del fields["written_by"]
    file_of(records).write_text(json.dumps(fields))
    assert records.read(RECORD.name) == replace(RECORD, written_by="of an unknown version")


@pytest.mark.parametrize("fields", [{"version": 3}, {"version": 2.5}, {"more": "x"}])
def test_a_record_of_a_later_version_is_refused_with_the_tvsight_that_wrote_it(
    records: Records, fields: dict[str, object]
) -> None:
    change(records, {**fields, "written_by": "9.1"})
    assert records.all() == []
    with pytest.raises(LaterVersion, match=r"later tvsight wrote it \(9\.1; this is"):
        records.read(RECORD.name)
    ((path, found),) = records.unusable()
    assert (path, found.kind) == (file_of(records), "later")


def test_a_record_that_cannot_be_written_leaves_the_one_before(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"No space.*Job b2 runs on http://server"):
        records.write(replace(RECORD, job_id="b2", accepted=True))
    with pytest.raises(StorageError, match=r"\.jobs cannot be written: [^.]*\.$"):
        records.write(replace(RECORD, job_id="b2"))
    assert records.read(RECORD.name) == RECORD
    assert list(records.folder.iterdir()) == [file_of(records)]


def test_what_a_killed_process_began_to_write_goes_with_the_record(records: Records) -> None:
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
