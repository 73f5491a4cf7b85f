"""Jobs that a server was handed, on disk."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tvsight.execution.records import JobRecord, Records

RECORD = JobRecord("to_upper-0123-0", "a1", "http://server", "key", "digest", "2026-01-01T00:00:00")


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


@pytest.mark.parametrize("change", [{"version": 2}, {"version": 0}, {"priority": "high"}])
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
    with pytest.raises(OSError, match="No space"):
        records.write(replace(RECORD, job_id="b2"))
    assert records.read(RECORD.name) == RECORD
    assert [path.name for path in records.folder.iterdir()] == [f"{RECORD.name}.json"]


def test_what_a_killed_process_began_to_write_goes_with_the_record(records: Records) -> None:
    records.write(RECORD)
    other = replace(RECORD, name="to_upper-0123-01")
    records.write(other)
    (records.folder / f".{RECORD.name}.json-01234567").write_text("{")
    (records.folder / f".{other.name}.json-01234567").write_text("{")
    records.forget(RECORD.name)
    kept = [f".{other.name}.json-01234567", f"{other.name}.json"]
    assert sorted(path.name for path in records.folder.iterdir()) == kept
