"""Rows and vectors on disk, keyed by what was asked.

`<results>/<experiment>/<model>/<task>-<key>/` holds `rows.parquet`, `vectors.safetensors` where
vectors were kept, and `manifest.json`. A result exists if and only if its manifest does and the
checksums in it hold. It is written to a sibling folder that is renamed when complete.
"""

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tvsight.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

SCHEMA_VERSION = 1
ROWS, VECTORS, MANIFEST = "rows.parquet", "vectors.safetensors", "manifest.json"
DAMAGED = ".damaged"
LOCKS = ".locks"


class DamagedResult(Exception):
    """A stored result that does not hold what its manifest says."""


@dataclass(frozen=True)
class Result:
    """A place in the store: what was asked, and the folder where its answer is or will be."""

    identity: dict[str, Any]
    """All that changes a number: experiment, model, weights, dtype, task, template, seed, ..."""

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that stand for the identity."""
        text = json.dumps(self.identity, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """Folder of the result, relative to the results folder."""
        names = (self.identity["experiment"], self.identity["model"])
        return Path(*map(folder_name, names), f"{folder_name(self.identity['task'])}-{self.key}")


class Store:
    """The results folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def prepare(self) -> None:
        """Make sure that results can be written, before anything is measured.

        Raises:
            UsageError: when they cannot.
        """
        probe = self.root / f".probe-{uuid.uuid4().hex}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"The results folder {self.root} cannot be written: {error.strerror or error}. "
                "--results names another."
            ) from error

    def lock(self, result: Result) -> FileLock:
        """A lock that one process at a time holds while it measures a result; it goes with it."""
        folder = self.root / LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{result.path.name}.lock")

    def holds(self, result: Result) -> bool:
        """Whether the result is there and whole.

        Raises:
            DamagedResult: when something is there that is not what its manifest says.
        """
        if not (self.root / result.path).exists():
            return False
        manifest = self.manifest(result.path)
        if manifest["identity"] != result.identity:
            raise DamagedResult(f"{result.path}: the manifest belongs to another result")
        return True

    def manifest(self, path: Path) -> dict[str, Any]:
        """The manifest of the result in a folder, after checking every file that it names.

        Raises:
            DamagedResult: with the file and what is wrong with it.
        """
        folder = self.root / path
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            version, files = manifest["schema_version"], dict(manifest["files"])
            writer = manifest["versions"]["tvsight"]
            complete = {"identity", "written"} <= manifest.keys() and ROWS in files
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedResult(f"{path}: no readable {MANIFEST}") from error
        if version != SCHEMA_VERSION:
            raise DamagedResult(
                f"{path}: schema {version}, written by tvsight {writer}; this is {SCHEMA_VERSION}"
            )
        if not complete:
            raise DamagedResult(f"{path}: {MANIFEST} lacks identity, time or {ROWS}")
        for name, expected in files.items():
            if not (folder / name).is_file() or _sha256(folder / name) != expected:
                raise DamagedResult(f"{path}: {name} is missing or its checksum does not hold")
        return manifest

    def save(
        self,
        result: Result,
        rows: "pd.DataFrame",
        vectors: "dict[str, Tensor] | None",
        provenance: dict[str, Any],
    ) -> None:
        """Write a result: it appears whole or not at all.

        Raises:
            UsageError: when the disk is full or the folder cannot be written; earlier results
                are untouched.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        target = self.root / result.path
        new = target.with_name(f".new-{target.name}-{uuid.uuid4().hex[:8]}")
        try:
            new.mkdir(parents=True)
            rows.to_parquet(new / ROWS, index=False)
            if vectors is not None:
                save_file(vectors, new / VECTORS)
            files = {file.name: _sha256(file) for file in sorted(new.iterdir())}
            manifest = {
                "schema_version": SCHEMA_VERSION,
                "identity": result.identity,
                "files": files,
                "written": datetime.now(UTC).isoformat(timespec="seconds"),
                **provenance,
            }
            text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
            (new / MANIFEST).write_text(text, encoding="utf-8")
            for file in new.iterdir():
                _flush(file)
            new.rename(target)
            _flush(target.parent)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"{result.path} cannot be written: {reason}. Results that were "
                "complete are untouched; repeat the command when there is room."
            ) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def clear_leftovers(self, result: Result) -> None:
        """Remove what a process that was killed left of a result. To be called under its lock."""
        for folder in (self.root / result.path).parent.glob(f".new-{result.path.name}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def rows(self, path: Path) -> "pd.DataFrame":
        """The rows of a checked result."""
        import pandas as pd

        return pd.read_parquet(self.root / path / ROWS)

    def vectors(self, path: Path) -> "dict[str, Tensor]":
        """The vectors of a checked result."""
        from safetensors.torch import load_file

        return load_file(self.root / path / VECTORS)

    def set_aside(self, path: Path) -> Path:
        """Move a damaged result out of the way, under `.damaged`; returns where it went."""
        place = self.root / DAMAGED / f"{path.name}-{uuid.uuid4().hex[:8]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).rename(place)
        return place.relative_to(self.root)

    def paths(self, experiment: str) -> Iterator[Path]:
        """Folders of the results of an experiment, whole or not."""
        for folder in sorted(self.root.glob(f"{folder_name(experiment)}/*/*")):
            if not folder.name.startswith("."):
                yield folder.relative_to(self.root)


def folder_name(name: str) -> str:
    """A name that is one folder on any system."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name.replace("/", "--")).lstrip(".") or "-"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
