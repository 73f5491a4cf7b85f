"""Rows and vectors on disk, keyed by what was asked.

`<results>/<experiment>/<model>/<task>-<key>/` holds `rows.parquet`, `vectors.safetensors` where
vectors were kept, and `manifest.json`. A result exists if and only if its manifest does and the
checksums in it hold. It is written to a sibling folder that is renamed when complete.
"""

import hashlib
import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tvsight.errors import StorageError
from tvsight.storage.contents import (
    FILE_VERSION,
    SCHEMA_VERSION,
    DamagedResult,
    check_rows,
    check_vectors,
    read_rows,
    write_rows,
)
from tvsight.storage.manifests import (
    MANIFEST,
    ROWS,
    VECTORS,
    check_files,
    later_version,
    later_writer,
    manifest_text,
    naming,
    read_manifest,
)
from tvsight.writing import flush

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

DAMAGED = ".damaged"
LOCKS = ".locks"
NEW = ".new-"
"""How the name of a folder or file that is not complete begins."""
DRAWN = ("tables", "figures")
"""Folders beside the experiments that hold what was made from results."""
RESULT_NAME = re.compile(r".+-[0-9a-f]{12}")
"""The folder of a result; anything else beside it is somebody else's."""
LONGEST_NAME = 100
"""Characters of a folder's name, so that it and what is made of it suit any file system."""


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
            StorageError: when they cannot.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # Some bytes, because a full disk still takes an empty file.
            with tempfile.TemporaryFile(dir=self.root, prefix=NEW) as probe:
                probe.write(bytes(4096))
                probe.flush()
        except (OSError, ValueError) as error:
            raise StorageError(
                f"The results folder {self.root} cannot be written: {reason(error)}. "
                "--results names another."
            ) from error

    def lock(self, result: Result) -> FileLock:
        """A lock that one process at a time holds while it measures a result.

        It is free when its process ends, however that ends; its empty file stays.
        """
        folder = self.root / LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{result.path.name}.lock")

    def acquire(self, result: Result) -> FileLock | None:
        """The lock of a result, held; None while another process holds it.

        Raises:
            StorageError: when no lock can be written.
        """
        try:
            lock = self.lock(result)
            lock.acquire(blocking=False)
        except Timeout:
            return None
        except OSError as error:
            raise StorageError(
                f"{self.root / LOCKS} cannot be written: {reason(error)}. Results that were "
                "complete are untouched; repeat the command when there is room."
            ) from error
        return lock

    def holds(self, result: Result, with_vectors: bool = False) -> bool:
        """Whether the result is there and whole.

        Args:
            with_vectors: whether it is of use only if vectors are stored beside its rows.

        Raises:
            DamagedResult: when something is there that is not what its manifest says.
            LaterVersion: when that is so of a result that a later tvsight wrote.
        """
        if not (self.root / result.path).exists():
            return False
        manifest = self.manifest(result.path)
        if with_vectors and VECTORS not in manifest["files"]:
            self.refuse_later(result.path, "its vectors are not stored")
            return False
        return True

    def manifest(self, path: Path) -> dict[str, Any]:
        """The manifest of the result in a folder, after checking all that it promises: checksums,
        the columns and types of the rows, that they are complete, and the shapes of the vectors.

        Raises:
            DamagedResult: with the file and what is wrong with it.
            LaterVersion: when that is so of a result that a later tvsight wrote.
        """
        manifest, folder = self.read_manifest(path), self.root / path
        with naming(self.root, path):
            for name, expected in manifest["files"].items():
                try:
                    holds = _sha256(folder / name) == expected
                except OSError:
                    holds = False
                if not holds:
                    raise DamagedResult(f"{name} is missing or its checksum does not hold")
            rows = read_rows(folder / ROWS, manifest["identity"]["experiment"])
            depth = check_rows(rows, manifest["identity"])
            if VECTORS in manifest["files"]:
                check_vectors(folder / VECTORS, rows, depth)
        return manifest

    def read_manifest(self, path: Path) -> dict[str, Any]:
        """The manifest of the result in a folder; the files that it names are not opened.

        Raises:
            DamagedResult: when it cannot be read, is of an older schema, belongs to another
                result, or a file is missing, is one too many, or has another size.
            LaterVersion: when that is so of a result that a later tvsight wrote.
        """
        folder = self.root / path
        with naming(self.root, path):
            manifest = read_manifest(folder)
            try:
                belongs = Result(manifest["identity"]).path == path
            except (KeyError, TypeError, AttributeError) as error:
                raise DamagedResult(f"{MANIFEST} has no whole identity") from error
            if not belongs:
                raise DamagedResult("the manifest belongs to another result")
            check_files(folder, manifest)
        return manifest

    def save(
        self,
        result: Result,
        rows: "pd.DataFrame",
        vectors: "dict[str, Tensor] | None",
        provenance: dict[str, Any],
    ) -> None:
        """Write a result: it appears whole or not at all.

        One that is there already (without the vectors that are wanted now) gives way to it; killed
        between the two moves, a process leaves neither, and the result is measured again.

        Raises:
            StorageError: when the disk is full or the folder cannot be written; earlier results
                are untouched.
            LaterVersion: when a later tvsight wrote the result that is there.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        target = self.root / result.path
        new, replaced = (
            target.with_name(f"{NEW}{target.name}-{uuid.uuid4().hex[:8]}") for _ in range(2)
        )
        try:
            new.mkdir(parents=True)
            write_rows(rows, new / ROWS)
            if vectors is not None:
                save_file(vectors, new / VECTORS, FILE_VERSION)
            files = {file.name: _sha256(file) for file in sorted(new.iterdir())}
            manifest = {
                "schema_version": SCHEMA_VERSION,
                "identity": result.identity,
                "files": files,
                "sizes": {name: (new / name).stat().st_size for name in files},
                "written": datetime.now(UTC).isoformat(timespec="seconds"),
                **provenance,
            }
            (new / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
            for file in new.iterdir():
                flush(file)
            if target.exists():
                self.refuse_later(result.path, "it would give way to another")
                target.rename(replaced)
            new.rename(target)
            flush(target.parent)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"{result.path} cannot be written: {reason(error)}. Results that were "
                "complete are untouched; repeat the command when there is room."
            ) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(replaced, ignore_errors=True)

    def clear_leftovers(self, result: Result) -> None:
        """Remove what a process that was killed left of a result. To be called under its lock."""
        for folder in (self.root / result.path).parent.glob(f"{NEW}{result.path.name}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def rows(self, path: Path) -> "pd.DataFrame":
        """The rows of a checked result."""
        return read_rows(self.root / path / ROWS, path.parts[0])

    def vectors(self, path: Path) -> "dict[str, Tensor]":
        """The vectors of a checked result, as `tvsight.vectors` describes them."""
        from safetensors.torch import load_file

        return load_file(self.root / path / VECTORS)

    def set_aside(self, path: Path) -> Path:
        """Move a damaged result out of the way, under `.damaged`; returns where it went.

        Raises:
            StorageError: when it cannot be moved.
            LaterVersion: when a later tvsight wrote it.
        """
        self.refuse_later(path, "it would be moved")
        place = self.root / DAMAGED / f"{path.name}-{uuid.uuid4().hex[:8]}"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).rename(place)
        except OSError as error:
            raise StorageError(
                f"{path} is damaged and cannot be moved to {DAMAGED}: {reason(error)}. "
                "Other results are untouched."
            ) from error
        return place.relative_to(self.root)

    def refuse_later(self, path: Path, why: str) -> None:
        """Refuse what would move or replace a result of a later tvsight.

        Raises:
            LaterVersion: when a later tvsight wrote it.
        """
        writer = later_writer(self.root / path)
        if writer is not None:
            raise later_version(path, writer, why)

    def paths(self, experiment: str | None = None, model: str | None = None) -> Iterator[Path]:
        """Folders of the results of an experiment and a model, or of all, whole or not."""
        chosen = ("*" if name is None else folder_name(name) for name in (experiment, model))
        for folder in sorted(self.root.glob(f"{'/'.join(chosen)}/*")):
            path = folder.relative_to(self.root)
            hidden = any(part.startswith(".") for part in path.parts)
            if RESULT_NAME.fullmatch(path.name) and not hidden and path.parts[0] not in DRAWN:
                yield path


def folder_name(name: str) -> str:
    """A name that is one folder on any system."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name.replace("/", "--")).lstrip(".") or "-"
    if len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{safe[:LONGEST_NAME]}-{digest}"


def reason(error: Exception) -> str:
    """Why a file cannot be written, in the system's words."""
    return str(getattr(error, "strerror", None) or error)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
