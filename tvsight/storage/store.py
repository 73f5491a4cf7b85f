"""The results folder: rows and vectors in folders that are named by a hash of their identity.

`<results>/<experiment>/<model>/<task>-<key>/` holds `rows.parquet`, `episodes.parquet` and
`vectors.safetensors` where these were kept, and `manifest.json`. A result exists if and only if its
manifest does and its checksums hold. It is written to a marked sibling that takes its place when
complete.
"""

import re
import shutil
import tempfile
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import FileLock, Timeout

from tvsight.errors import StorageError
from tvsight.storage import episode_tables, schemas
from tvsight.storage.contents import (
    FILE_VERSION,
    DamagedResult,
    check_rows,
    check_vectors,
    read_table,
    write_table,
)
from tvsight.storage.manifests import (
    EPISODES,
    ROWS,
    VECTORS,
    Result,
    naming,
    read_manifest,
    write_manifest,
)
from tvsight.storage.schemas import schema
from tvsight.writing import (
    MARKER,
    NEW,
    checksum,
    discard,
    file_state,
    flush,
    folder_name,
    make_marked,
    put,
    reason,
)

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

DAMAGED = ".damaged"
LOCKS = ".locks"
DRAWN = ("tables", "figures")
"""Folders beside the experiments that hold tables and figures."""
RESULT_NAME = re.compile(r".+-[0-9a-f]{12}")
"""The name of a result's folder. Other names are no results."""
State = dict[str, tuple[int, ...]]
"""State of each file of a result, by name. Equal states are unchanged files."""


class _Verified(NamedTuple):
    """A result that was whole when its files had a state."""

    state: State
    manifest: dict[str, Any]
    rows: "pd.DataFrame | None"
    """Kept where a run asked for the result."""


_verified: dict[Path, _Verified] = {}
"""The results that this process has verified, by folder."""


class Store:
    """The results folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def prepare(self) -> None:
        """Check that results can be written, before anything is measured.

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
        """The lock that a process holds while it measures a result. It is released when the process
        exits; its empty file stays."""
        file = self.lock_file(result.path)
        file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(file)

    def lock_file(self, path: Path) -> Path:
        """The file of the lock of a result."""
        return self.root / LOCKS / f"{path.name}.lock"

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
            raise unwritable(error.filename or self.root / LOCKS, error) from error
        return lock

    def holds(
        self, result: Result, with_vectors: bool = False, scores: Collection[str] = ()
    ) -> bool:
        """Whether the result is there and whole. Its rows are kept in memory for `rows`.

        Args:
            with_vectors: whether a result without vectors does not count.
            scores: columns without which a result does not count.

        Raises:
            DamagedResult: when something is there that is not what its manifest says.
            LaterVersion: when that is so of a result that a later tvsight wrote.
        """
        if not (self.root / result.path).exists():
            return False
        manifest = self.verified(result.path, keep_rows=True)
        if with_vectors and VECTORS not in manifest["files"]:
            return False
        return not scores or set(scores) <= set(self.rows(result.path))

    def verified(
        self, path: Path, keep_rows: bool = False, place: Path | None = None
    ) -> dict[str, Any]:
        """The manifest of the result in a folder, after checking all that it promises: checksums,
        the columns and types of the rows, that they are complete, and the shapes of the vectors.

        A process checks a result once, and again when a file of it has changed.

        Args:
            keep_rows: keep the rows in memory for `rows`.
            place: where the result belongs, by default where it is.

        Raises:
            DamagedResult: with the file and what is wrong with it.
            LaterVersion: when that is so of a result that a later tvsight wrote.
        """
        folder = (self.root / path).absolute()
        state = self.state(path)  # of the files as they are read, or as they were before
        known = _verified.get(folder)
        if known is None or known.state != state:
            manifest, rows = self._verify(path, place)
            known = _verified[folder] = _Verified(state, manifest, rows if keep_rows else None)
        return known.manifest

    def state(self, path: Path) -> State:
        """The state of the files in the folder of a result. A folder that cannot be read differs
        from itself."""
        try:
            return {file.name: file_state(file) for file in (self.root / path).iterdir()}
        except OSError:
            return {"": (uuid.uuid4().int,)}

    def _verify(self, path: Path, place: Path | None) -> "tuple[dict[str, Any], pd.DataFrame]":
        manifest = read_manifest(self.root, path, place)
        folder = self.root / path
        with naming(self.root, path):
            _check_sums(folder, manifest["files"])
            rows = read_table(folder / ROWS, schema(manifest["identity"]["experiment"]))
            depth = check_rows(rows, manifest["identity"])
            if EPISODES in manifest["files"]:
                episode_tables.check(read_table(folder / EPISODES, schemas.EPISODES), rows)
            if VECTORS in manifest["files"]:
                check_vectors(folder / VECTORS, rows, depth)
        return manifest, rows

    def read(
        self, path: Path, only: Collection[str] | None = None
    ) -> "tuple[dict[str, Any], pd.DataFrame]":
        """The manifest and rows of the result in a folder, verified as by `verified`.

        Args:
            only: columns to read. The manifest, names and sizes of files, the checksum of rows and
                the types of these columns are verified then.
        """
        if only is None:
            return self.verified(path), self.rows(path)
        manifest = self.read_manifest(path)
        with naming(self.root, path):
            _check_sums(self.root / path, {ROWS: manifest["files"][ROWS]})
            return manifest, self.rows(path, only)

    def read_manifest(self, path: Path) -> dict[str, Any]:
        """The manifest of the result in a folder. The files that it names are not opened.

        Raises:
            DamagedResult: when it cannot be read, is of an older schema, belongs to another
                result, or a file is missing, is one too many, or has another size.
            LaterVersion: when that is so of a result that a later tvsight wrote.
        """
        return read_manifest(self.root, path)

    def save(
        self,
        result: Result,
        rows: "pd.DataFrame",
        vectors: "dict[str, Tensor] | None",
        provenance: dict[str, Any],
        episodes: "pd.DataFrame | None" = None,
    ) -> None:
        """Write a result. It appears whole or not at all.

        It replaces one that is there already (without the vectors or scores that are wanted now),
        and takes over its vectors where there are no new ones. Whenever the process is killed, one
        of the two is whole; `leftovers.put_back` finds it.

        Raises:
            StorageError: when the disk is full or the folder cannot be written; earlier results
                are untouched.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        target = self.root / result.path
        new = target.with_name(f"{NEW}{target.name}-{uuid.uuid4().hex[:8]}")
        try:
            make_marked(new)
            write_table(rows, new / ROWS)
            if episodes is not None:
                write_table(episodes, new / EPISODES, schemas.EPISODES)
            if vectors is not None:
                save_file(vectors, new / VECTORS, FILE_VERSION)
                shutil.copymode(new / ROWS, new / VECTORS)  # safetensors makes it private
            elif (target / VECTORS).exists():
                shutil.copyfile(target / VECTORS, new / VECTORS)
            write_manifest(new, result, provenance)
            for file in new.iterdir():
                flush(file)
            (new / MARKER).unlink()  # from here on the manifest says whose it is
            put(new, target)
        except (OSError, SafetensorError) as error:
            raise unwritable(result.path, error) from error
        finally:
            discard(new)

    def rows(self, path: Path, only: Collection[str] | None = None) -> "pd.DataFrame":
        """The rows of a verified result, or some of its columns."""
        known = _verified.get((self.root / path).absolute())
        if known is not None and known.rows is not None and known.state == self.state(path):
            rows = known.rows
            return rows.copy() if only is None else rows[[name for name in rows if name in only]]
        return read_table(self.root / path / ROWS, schema(path.parts[0]), only)

    def forget(self, path: Path) -> None:
        """Keep nothing of a result in memory. Its next use verifies it again."""
        _verified.pop((self.root / path).absolute(), None)

    def episodes(self, path: Path) -> "pd.DataFrame | None":
        """The episodes of a verified result (see `storage.episode_tables`); None without any."""
        file = self.root / path / EPISODES
        return read_table(file, schemas.EPISODES) if file.exists() else None

    def vectors(self, path: Path) -> "dict[str, Tensor]":
        """The vectors of a verified result, as `storage.task_vectors` describes them."""
        from safetensors.torch import load_file

        return load_file(self.root / path / VECTORS)

    def set_aside(self, path: Path) -> Path:
        """Move a damaged result to `.damaged`; returns its place, relative to the results folder.

        Raises:
            StorageError: when it cannot be moved.
        """
        place = self.root / DAMAGED / f"{path.name}-{uuid.uuid4().hex[:8]}"
        folder = self.root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(place)
        except OSError as error:
            raise StorageError(
                f"{path} is damaged and cannot be moved to {DAMAGED}: {reason(error)}. "
                "Other results are untouched."
            ) from error
        return place.relative_to(self.root)

    def paths(self, experiment: str | None = None, model: str | None = None) -> Iterator[Path]:
        """The folders of the results of an experiment and a model, or of all, whole or not."""
        names = ["*" if name is None else folder_name(name) for name in (experiment, model)]
        for folder in sorted(self.root.glob(f"{'/'.join(names)}/*")):
            path = folder.relative_to(self.root)
            hidden = any(part.startswith(".") for part in path.parts)
            if RESULT_NAME.fullmatch(path.name) and not hidden and path.parts[0] not in DRAWN:
                yield path


def _check_sums(folder: Path, expected: dict[str, str]) -> None:
    """Check that files have their SHA-256."""
    for name, wanted in expected.items():
        try:
            holds = checksum(folder / name) == wanted
        except OSError:
            holds = False
        if not holds:
            raise DamagedResult(f"{name} is missing or its checksum does not hold")


def unwritable(path: Path | str, error: Exception) -> StorageError:
    """The error for something in a results folder that cannot be written."""
    return StorageError(
        f"{path} cannot be written: {reason(error)}. Results that were complete are untouched; "
        "repeat the command when there is room."
    )
