"""Manifests: the identity of a result, read, validated and changed."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tvsight.foreign import read_json
from tvsight.storage.contents import OLDEST_SCHEMA, SCHEMA_VERSION, DamagedResult
from tvsight.storage.schemas import MAPPINGS, NUMBERS, TEXTS
from tvsight.storage.versions import LaterVersion, is_later, later
from tvsight.writing import VERSION, checksum, folder_name, whole_file

ROWS, VECTORS, MANIFEST = "rows.parquet", "vectors.safetensors", "manifest.json"
EPISODES = "episodes.parquet"
MOST_BYTES = 100_000_000_000
"""Of a file of a result. A file with holes may say that it is larger than any disk."""
ODD = (TypeError, ValueError, LookupError, ArithmeticError, MemoryError)
"""Errors of checks for which a manifest says a list where a number was expected, say."""
EPISODES_FILE = "episodes_file"
"""The field with the SHA-256 of the episodes of each task in the file that was given, by name."""
FILES = {ROWS, EPISODES, VECTORS, MANIFEST}
"""Names of all files of a result."""


class Key(NamedTuple):
    """A model and a task, by name."""

    model: str
    task: str

    def __str__(self) -> str:
        return f"{self.model} / {self.task}"


@dataclass(frozen=True)
class Result:
    """The identity of a result, and its folder in the store."""

    identity: dict[str, Any]
    """All that changes a number: experiment, model, weights, dtype, task, template, seed, ..."""

    @property
    def key(self) -> str:
        """A hash of the identity, of twelve hexadecimal digits."""
        text = json.dumps(self.identity, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """Folder of the result, relative to the results folder."""
        names = (self.identity["experiment"], self.identity["model"])
        return Path(*map(folder_name, names), f"{folder_name(self.identity['task'])}-{self.key}")


class OtherSchema(DamagedResult):
    """A result of a schema that this tvsight does not read."""


class Misplaced(DamagedResult):
    """A result in the place of another, or in a folder that somebody has renamed."""


def read_manifest(root: Path, path: Path, place: Path | None = None) -> dict[str, Any]:
    """The manifest in the folder of a result, relative to a results folder. It has all fields that
    every manifest has, and the files beside it are those that it names; they are not opened.

    Args:
        place: where the result belongs, by default where it is.

    Raises:
        DamagedResult: with what is wrong.
        Misplaced: when nothing is, but that it belongs elsewhere.
        LaterVersion: when that is so of a result that a later tvsight wrote.
    """
    with naming(root, path):
        manifest, own = _read(root / path)
        _check_files(root / path, manifest)
        if own != (place or path):
            raise Misplaced(f"the manifest belongs to another result, {own}")
    return manifest


def _read(folder: Path) -> tuple[dict[str, Any], Path]:
    """The manifest in a folder, and the place of the result that it names."""
    try:
        manifest: dict[str, Any] = read_json(folder / MANIFEST)
        version = manifest["schema_version"]
        if type(version) is not int:
            raise TypeError(version)
        writer = _writer(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedResult(f"no readable {MANIFEST}") from error
    if not OLDEST_SCHEMA <= version <= SCHEMA_VERSION:
        raise OtherSchema(
            f"schema {version}, written by tvsight {writer}; tvsight {VERSION} reads schemas "
            f"{OLDEST_SCHEMA} to {SCHEMA_VERSION}"
        )
    try:
        identity = manifest["identity"]
        kinds = {
            **dict.fromkeys(TEXTS, str),
            **dict.fromkeys(NUMBERS, int),
            **dict.fromkeys(MAPPINGS, dict),
        }
        complete = (
            isinstance(manifest["files"], dict)
            and ROWS in manifest["files"]
            and isinstance(manifest.get("sizes", {}), dict)
            and isinstance(manifest.get(EPISODES_FILE) or {}, dict)
            and all(type(identity.get(name)) in (kind, type(None)) for name, kind in kinds.items())
            and isinstance(manifest["versions"]["tvsight"], str)
            and _is_time(manifest["written"])
        )
        own = Result(identity).path
    except (ValueError, KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise DamagedResult(f"{MANIFEST} lacks identity, versions, time or {ROWS}")
    return manifest, own


def _is_time(text: str) -> bool:
    """Whether a text is a time, with its zone, that every archive can hold."""
    time = datetime.fromisoformat(text)
    return time.tzinfo is not None and 1980 < time.year < 2107


def _check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Check that the files beside a manifest are those that it names, of the size that it says.
    Manifests of early versions say no sizes."""
    there = [file for file in folder.iterdir() if not file.name.startswith(".")]
    sizes = {file.name: file.stat().st_size if file.is_file() else 0 for file in there}
    for name in sorted(manifest["files"].keys() | sizes.keys()):
        if name not in FILES or (name not in manifest["files"] and name != MANIFEST):
            raise DamagedResult(f"{name} has no place in a result")
        if name not in sizes:
            raise DamagedResult(f"{name} is missing")
        if not 0 < sizes[name] <= MOST_BYTES:
            raise DamagedResult(f"{name} is empty, too large, or is no file")
        size = manifest.get("sizes", {}).get(name, sizes[name])
        if sizes[name] != size:
            raise DamagedResult(f"{name} has {sizes[name]} bytes, not {size}")


def later_writer(folder: Path) -> str | None:
    """The version of tvsight that wrote the result in a folder, where that is later than this one
    or wrote a later schema; None otherwise, and where no manifest can be read."""
    try:
        manifest = read_json(folder / MANIFEST)
        schema, writer = manifest.get("schema_version"), _writer(manifest)
    except (ValueError, TypeError, AttributeError):
        return None
    is_newer = isinstance(schema, int | float) and schema > SCHEMA_VERSION
    return writer if is_newer or is_later(writer) else None


@contextmanager
def naming(root: Path, path: Path) -> Iterator[None]:
    """Put the folder of a result before the text of a `DamagedResult`.

    Of a result that a later tvsight wrote the error becomes `LaterVersion`: it may be whole by the
    rules of that version.
    """
    try:
        yield
    except (DamagedResult, *ODD) as error:
        odd = DamagedResult(f"what {MANIFEST} says of it cannot be checked")
        damage = error if isinstance(error, DamagedResult) else odd
        writer = later_writer(root / path)
        if writer is None:
            raise type(damage)(f"{path}: {damage}") from error
        told = later(f"{path}: {damage}", writer)
        raise LaterVersion(f"{told} It was neither moved nor changed.") from error


def write_manifest(folder: Path, result: Result, provenance: dict[str, Any]) -> None:
    """Write the manifest of a result whose other files are in a folder.

    Raises:
        OSError: when it cannot be written.
    """
    files = {file.name: checksum(file) for file in sorted(folder.glob("[!.]*"))}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "identity": result.identity,
        "files": files,
        "sizes": {name: (folder / name).stat().st_size for name in files},
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance,
    }
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")


def note_asked(folder: Path, manifest: dict[str, Any], revision: str) -> None:
    """Note a further name under which the revision of a hub model was asked for.

    Raises:
        OSError: when it cannot be written; the manifest is then as it was.
    """
    names = asked_names(manifest)
    if revision in names:
        return
    source = manifest.get("source")
    known = source if isinstance(source, dict) else {}
    changed = manifest | {"source": known | {"asked": [*names, revision]}}
    with whole_file(folder / MANIFEST) as new:
        new.write_text(manifest_text(changed), encoding="utf-8")


def asked_names(manifest: dict[str, Any]) -> list[str]:
    """The names of the revision under which a hub model was asked for: branches, tags, commits.
    Manifests of early versions have none."""
    source = manifest.get("source")
    asked = source.get("asked") if isinstance(source, dict) else None
    return [str(name) for name in asked] if isinstance(asked, list) else []


def manifest_text(manifest: dict[str, Any]) -> str:
    """The text of a manifest."""
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _writer(manifest: dict[str, Any]) -> str:
    return str(dict(manifest.get("versions") or {}).get("tvsight", "of an unknown version"))
