"""Jobs that were handed to a server, on disk: a later process picks them up.

`<results>/.jobs/<name>.json`. A record is written when the server has accepted a job and before
it is asked about it, and goes when the result that the job was for is stored.
"""

import json
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

JOBS = ".jobs"
RECORD_VERSION = 1


@dataclass(frozen=True)
class JobRecord:
    """A job as a server knows it. It holds no key."""

    name: str
    """The result that it is for, and its number among the result's jobs."""
    job_id: str
    host: str
    model: str
    """The server's key for the model."""
    digest: str
    """Stands for what was asked: a job for something else is not picked up."""
    submitted: str
    """Time, in UTC."""
    version: int = RECORD_VERSION


class Records:
    """The job records of a results folder."""

    def __init__(self, results: Path) -> None:
        self.folder = results / JOBS

    def read(self, name: str) -> JobRecord | None:
        """The record of a job; None where there is none that can be used."""
        try:
            record = JobRecord(**json.loads(self._path(name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return record if record.version == RECORD_VERSION else None

    def write(self, record: JobRecord) -> None:
        """Write a record: it appears whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(record.name)
        new = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
        try:
            with new.open("w", encoding="utf-8") as file:
                json.dump(asdict(record), file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Remove a record, and what a process that was killed began to write of it."""
        path = self._path(name)
        for unfinished in self.folder.glob(f".{path.name}-*"):
            unfinished.unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def all(self) -> list[JobRecord]:
        """Every record that can be read, oldest first."""
        found = [self.read(path.stem) for path in self.folder.glob("*.json")]
        return sorted(filter(None, found), key=lambda record: record.submitted)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
