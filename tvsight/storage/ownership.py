"""Ownership in a results folder: what tvsight may remove there, and what it puts back.

Own is a folder with our marker, or with the manifest of the result that belongs in its place, and
with nothing of somebody else in it. Whatever lies behind a link is somebody else's.
"""

import json
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tvsight.foreign import DOCUMENT_BYTES, read_text
from tvsight.storage.job_records import Records, result_of
from tvsight.storage.manifests import FILES, MANIFEST, Result, later_writer
from tvsight.storage.store import DAMAGED, RESULT_NAME, DamagedResult, Store
from tvsight.storage.versions import LaterVersion
from tvsight.writing import MARK, MARKER, NEW, discard, put


def place_of(path: Path) -> Path:
    """Where the result in a folder belongs by the folder's name: an unfinished one beside itself,
    one that was moved aside nowhere but under its own name."""
    name = path.name.removeprefix(NEW)
    if path.name.startswith(NEW) or path.parts[0] == DAMAGED:
        name = name[: -MARK - 1]
    return path.with_name(name or path.name)


def owns(root: Path, path: Path) -> bool:
    """Whether tvsight may remove a folder, relative to a results folder."""
    folder = root / path
    if folder.resolve() != root.resolve() / path or not folder.is_dir() or later_writer(folder):
        return False
    is_marked = (folder / MARKER).is_file()
    if is_marked and path.name.startswith(NEW):
        return True
    inside = list(folder.iterdir())
    temporary = {file for file in inside if file.name.startswith(NEW) and (file / MARKER).is_file()}
    if not {file.name for file in inside if file not in temporary} <= FILES | {MARKER}:
        return False
    if any(file.is_symlink() or not file.is_file() for file in inside if file not in temporary):
        return False
    try:
        # Even one that no command reads, such as of half a character, says whose it is.
        manifest = json.loads(read_text(folder / MANIFEST, DOCUMENT_BYTES))
        own, place = Result(manifest["identity"]).path, place_of(path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return is_marked
    return own == place or (path.parts[0] == DAMAGED and own.name == place.name)


def whole(store: Store, path: Path) -> dict[str, Any] | None:
    """The manifest of a result that is whole and belongs where its folder's name says; else None.
    A killed process may have left it under an unfinished name, see `put_back`."""
    try:
        return store.verified(path, place=place_of(path))
    except (DamagedResult, LaterVersion):
        return None


def unfinished(store: Store, of: Path | None = None) -> list[Path]:
    """The folders with unfinished names beside results, relative to the results folder.

    Args:
        of: those of one result.
    """
    name = f"{escape(str(of.parent))}/{NEW}{escape(of.name)}-" if of else f"*/*/{NEW}*-"
    found = (path.relative_to(store.root) for path in store.root.glob(f"{name}{'?' * MARK}"))
    return sorted(path for path in found if RESULT_NAME.fullmatch(place_of(path).name))


def is_redundant(store: Store, path: Path) -> bool:
    """Whether nothing complete is lost with an unfinished folder: it is no whole result, or its
    place holds a whole one with as much in it, or a later one of the same."""
    found = whole(store, path)
    if found is None:
        return True
    there = whole(store, place_of(path))
    return there is not None and _worth(there) >= _worth(found)


def _worth(manifest: dict[str, Any]) -> tuple[int, str]:
    return len(manifest["files"]), str(manifest["written"])


def put_back(store: Store, place: Path) -> None:
    """Put a result that a killed process had completed in its place, and remove what it had not
    completed. The caller holds the lock of the result.

    Raises:
        OSError: when it cannot be moved.
        StorageError: when a damaged result in its place cannot be moved aside.
    """
    target = store.root / place
    for path in unfinished(store, place):
        folder = store.root / path
        if not owns(store.root, path):
            with suppress(OSError):  # killed before it was marked; a folder with files stays
                folder.rmdir()
            continue
        if not is_redundant(store, path):
            if target.exists() and whole(store, place) is None:
                if later_writer(target) is not None:
                    continue
                store.set_aside(place)
            put(folder, target)
            (target / MARKER).unlink(missing_ok=True)
            store.forget(place)
            records = Records(store.root)
            for record in records.all():  # its jobs are of no use any more
                if result_of(record.name) == place.name:
                    records.forget(record.name)
        discard(folder)


def put_all_back(store: Store) -> None:
    """Put back whatever is complete and that no process is measuring, where the folder can be
    written. What is not complete stays, for `clean` to ask about."""
    lost = [path for path in unfinished(store) if not is_redundant(store, path)]
    for place in dict.fromkeys(map(place_of, lost)):
        with suppress(OSError, Timeout), FileLock(store.lock_file(place), blocking=False):
            put_back(store, place)
