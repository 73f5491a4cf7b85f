"""Job records: jobs on a server, on disk, so that a later process picks them up.

A record is `<results>/.jobs/<name>.json`. It is written before the job is sent, and removed when
the job's result is stored, or when it can never be.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tvsight import __version__
from tvsight.errors import StorageError
from tvsight.foreign import read_json
from tvsight.storage.versions import LaterVersion, is_later
from tvsight.writing import clear_unfinished, whole_file

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
    written_by: str = __version__
    """Version of tvsight."""

    @property
    def asked(self) -> str:
        """A hash of the job and its model. The result brings it back."""
        return hashlib.sha256(f"{self.model} {self.digest}".encode()).hexdigest()[:16]

    def is_for_same(self, other: "JobRecord") -> bool:
        """Whether the other record is of the same job, model and server."""
        mine = (self.host, self.model, self.digest)
        return mine == (other.host, other.model, other.digest)


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
        if isinstance(record, LaterVersion):
            raise record
        return record if isinstance(record, JobRecord) else None

    def unusable(self) -> Iterator[tuple[Path, str | LaterVersion]]:
        """The files that are no usable records, and why; `LaterVersion` of those that a later
        tvsight wrote."""
        for path in self._paths():
            why = self._read(path)
            if not isinstance(why, JobRecord):
                yield path, why

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
    def _read(path: Path) -> JobRecord | LaterVersion | str:
        """The record in a file, or the reason why it is none."""
        writer: object = None
        version: object = None
        why = "no readable job record"
        try:
            fields = read_json(path)
            writer = fields.get("written_by", "of an unknown version")
            version = fields["version"]
            if version != RECORD_VERSION:
                why = (
                    f"job record of version {version!r}, written by tvsight {writer}; tvsight "
                    f"{__version__} reads version {RECORD_VERSION}"
                )
                raise ValueError(why)
            record = JobRecord(**{"written_by": writer} | fields)
            kinds = {"version": int, "accepted": bool, "faults": list}
            if not all(isinstance(v, kinds.get(name, str)) for name, v in fields.items()):
                raise TypeError(why)
            record = replace(record, faults=tuple(map(str, record.faults)))
        except (ValueError, KeyError, TypeError, AttributeError):
            is_newer = isinstance(version, int | float) and version > RECORD_VERSION
            if not is_newer and not is_later(writer):
                return why
            return LaterVersion(
                f"{path.name}: {why}. A later tvsight wrote it ({writer}; this is {__version__}): "
                "use that version here, or name another folder with --results."
            )
        return record if record.name == path.stem else "the job record of another job"

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def is_record(path: Path) -> bool:
    """Whether some version of tvsight wrote a file. It appears whole, so what cannot be read is
    somebody else's."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    known = isinstance(fields, dict) and "version" in fields
    return known and not path.is_symlink() and bool({"written_by", "job_id"} & fields.keys())
