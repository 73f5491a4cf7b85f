"""Job records: jobs on a server, on disk, so that a later process picks them up.

A record is `<results>/.jobs/<name>.json`. It is written before the job is sent, and removed when
the job's result is stored, or when it can never be.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from tvsight.errors import StorageError
from tvsight.foreign import read_json
from tvsight.storage.versions import LaterVersion, is_later, later
from tvsight.writing import VERSION, clear_unfinished, whole_file

JOBS = ".jobs"
RECORD_VERSION = 2


@dataclass(frozen=True)
class JobRecord:
    """A job as a server knows it. It holds no key."""

    name: str
    """The name of the result that needs it, and its number among the jobs of that result."""
    job_id: str
    host: str
    model: str
    """The server's key for the model."""
    digest: str
    """A hash of the job. A job of another hash is not picked up."""
    submitted: str
    """Time, in UTC."""
    accepted: bool = False
    """Whether the server has confirmed the job."""
    faults: tuple[str, ...] = ()
    """Failures that were followed by another try, oldest first."""
    version: int = RECORD_VERSION
    written_by: str = VERSION
    """Version of tvsight."""

    @property
    def asked(self) -> str:
        """A hash of the job and its model. The result brings it back."""
        return hashlib.sha256(f"{self.model} {self.digest}".encode()).hexdigest()[:16]

    def is_for_same(self, other: "JobRecord") -> bool:
        """Whether the other record is of the same job, model and server."""
        mine = (self.host, self.model, self.digest)
        return mine == (other.host, other.model, other.digest)


class Unusable(NamedTuple):
    """A file that is no usable record: records appear whole, so what cannot be read is foreign."""

    kind: Literal["later", "left over", "foreign"]
    why: str


def result_of(name: str) -> str:
    """The name of the result that needs a job."""
    return name.rpartition("-")[0]


class Records:
    """The job records of a results folder."""

    def __init__(self, results: Path) -> None:
        self.folder = results / JOBS

    def read(self, name: str) -> JobRecord | None:
        """The record of a job; None where no usable one is there.

        Raises:
            LaterVersion: for a record of a later tvsight, whose job may still run.
        """
        record = self._read(self._path(name))
        if isinstance(record, JobRecord):
            return record
        if record.kind == "later":
            raise LaterVersion(f"{JOBS}/{name}.json: {record.why}")
        return None

    def unusable(self) -> "Iterator[tuple[Path, Unusable]]":
        """The files that are no usable records, and why."""
        for path in self._paths():
            if isinstance(found := self._read(path), Unusable):
                yield path, found

    def write(self, record: JobRecord) -> None:
        """Write a record. It appears whole or not at all.

        Raises:
            StorageError: when it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self._path(record.name)) as new:
                new.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
        except OSError as error:
            what = f"{self.folder} cannot be written: {error.strerror or error}."
            if record.accepted:
                what += (
                    f" Job {record.job_id} runs on {record.host}; the next run looks for it only "
                    "if an earlier record of it is there."
                )
            raise StorageError(what) from error

    def forget(self, name: str) -> None:
        """Remove a record, and what a killed process began to write of it.

        Raises:
            StorageError: when it cannot be removed.
        """
        path = self._path(name)
        try:
            clear_unfinished(path)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror or error}") from error

    def all(self) -> list[JobRecord]:
        """Every record that can be read, oldest first."""
        read = map(self._read, self._paths())
        records = [record for record in read if isinstance(record, JobRecord)]
        return sorted(records, key=lambda record: record.submitted)

    def _paths(self) -> list[Path]:
        files = self.folder.glob("*.json")
        return sorted(path for path in files if not path.name.startswith("."))

    @staticmethod
    def _read(path: Path) -> "JobRecord | Unusable":
        why = "no readable job record"
        try:
            fields = dict(read_json(path))
        except (ValueError, TypeError):
            return Unusable("foreign", why)
        writer, version = fields.get("written_by", "of an unknown version"), fields.get("version")
        kinds = {"version": int, "accepted": bool, "faults": list}
        try:
            record = JobRecord(**{"written_by": writer} | fields)
            if version == RECORD_VERSION and all(
                isinstance(of, kinds.get(name, str)) for name, of in fields.items()
            ):
                record = replace(record, faults=tuple(map(str, record.faults)))
                is_own = record.name == path.stem
                return record if is_own else Unusable("left over", "the job record of another job")
        except TypeError:  # a field is missing, or one is too many
            pass
        if version not in (None, RECORD_VERSION):
            why = (
                f"job record of version {version!r}, written by tvsight {writer}; tvsight "
                f"{VERSION} reads version {RECORD_VERSION}"
            )
        if is_later(writer) or (isinstance(version, int | float) and version > RECORD_VERSION):
            return Unusable("later", later(why, writer))
        is_own = "version" in fields and bool({"written_by", "job_id"} & fields.keys())
        return Unusable("left over" if is_own and not path.is_symlink() else "foreign", why)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
