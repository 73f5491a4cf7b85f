"""Read and validate the manifest of a result."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tvsight import __version__
from tvsight.run.revisions import asked_names
from tvsight.storage.contents import SCHEMA_VERSION, DamagedResult
from tvsight.storage.versions import LaterVersion, is_later
from tvsight.writing import whole_file

ROWS, VECTORS, MANIFEST = "rows.parquet", "vectors.safetensors", "manifest.json"


class OtherSchema(DamagedResult):
    """A result of a schema that this tvsight does not read."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in the folder of a result, with all fields that every manifest has.

    Raises:
        DamagedResult: when it cannot be read, is of another schema, or lacks a field.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = manifest["schema_version"]
        if type(version) is not int:
            raise TypeError(version)
        writer = _writer(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedResult(f"no readable {MANIFEST}") from error
    if version != SCHEMA_VERSION:
        raise OtherSchema(
            f"schema {version}, written by tvsight {writer}; tvsight {__version__} reads schema "
            f"{SCHEMA_VERSION}"
        )
    try:
        complete = (
            ROWS in dict(manifest["files"])
            and isinstance(manifest["files"], dict)
            and isinstance(manifest["identity"], dict)
            and isinstance(manifest["versions"]["tvsight"], str)
            and datetime.fromisoformat(manifest["written"]).tzinfo is not None
        )
        lacking: Exception | None = None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        complete, lacking = False, error
    if not complete:
        raise DamagedResult(f"{MANIFEST} lacks identity, versions, time or {ROWS}") from lacking
    return manifest


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Whether the files beside a manifest are those that it names, and as large; they are not
    opened. (Manifests of early versions do not say how large.)

    Raises:
        DamagedResult: with what is wrong.
    """
    named, sizes = manifest["files"], manifest.get("sizes", {})
    there = [file for file in folder.iterdir() if not file.name.startswith(".")]
    found = {file.name: file.stat().st_size if file.is_file() else 0 for file in there}
    for name in sorted(named.keys() ^ (found.keys() - {MANIFEST})):
        known = name in named and name in (ROWS, VECTORS)
        problem = "is missing" if known else "has no place in a result"
        raise DamagedResult(f"{name} {problem}")
    if not isinstance(sizes, dict):
        raise DamagedResult(f"{MANIFEST} does not say how large the files are")
    for name in named:
        if not found[name]:
            raise DamagedResult(f"{name} is empty, or is no file")
        if found[name] != sizes.get(name, found[name]):
            raise DamagedResult(f"{name} has {found[name]} bytes, not {sizes[name]}")


def later_writer(folder: Path) -> str | None:
    """The tvsight that wrote the result in a folder, if it is later than this one: by its version,
    or by its schema. What cannot be read as JSON is nobody's."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        schema, writer = manifest.get("schema_version"), _writer(manifest)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    is_newer = isinstance(schema, int | float) and schema > SCHEMA_VERSION
    return writer if is_newer or is_later(writer) else None


@contextmanager
def naming(root: Path, path: Path) -> Iterator[None]:
    """Put the folder of a result before what is wrong with it.

    What this tvsight finds wrong with a later one's result may be right by the later one's rules:
    `DamagedResult` becomes `LaterVersion` then.
    """
    try:
        yield
    except DamagedResult as damage:
        writer = later_writer(root / path)
        if writer is None:
            raise type(damage)(f"{path}: {damage}") from damage
        raise later_version(path, writer, str(damage)) from damage


def later_version(path: Path, writer: str, why: str) -> LaterVersion:
    """The refusal to use, move or replace a result that a later tvsight wrote."""
    return LaterVersion(
        f"{path}: {why}. A later tvsight wrote it ({writer}; this is {__version__}): use that "
        "version here, or name another folder with --results. It was neither moved nor changed."
    )


def note_asked(folder: Path, manifest: dict[str, Any], revision: str) -> None:
    """Note a further name under which the revision of a stored hub model was asked for.

    Raises:
        OSError: when it cannot be written; the manifest is then as it was.
    """
    names = asked_names(manifest)
    if revision in names:
        return
    source = manifest.get("source")
    known = source if isinstance(source, dict) else {}
    told = manifest | {"source": known | {"asked": [*names, revision]}}
    with whole_file(folder / MANIFEST) as new:
        new.write_text(manifest_text(told), encoding="utf-8")


def manifest_text(manifest: dict[str, Any]) -> str:
    """A manifest as it stands in its file."""
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _writer(manifest: dict[str, Any]) -> str:
    return str(dict(manifest.get("versions") or {}).get("tvsight", "of an unknown version"))
