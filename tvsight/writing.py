"""Write files whole or not at all, even if the process is killed."""

import fcntl
import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from stat import S_IMODE

MARK = 8
"""Random digits in the name of a file that is being written."""
LONGEST_NAME = 100
"""Most characters of a folder's name. It leaves room for endings on any file system."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` at the end of the block.

    It is beside `path` and keeps its suffix. When the block fails, it is removed, and an earlier
    file at `path` stays. Temporary files of `path` that killed processes left are removed too.

    Raises:
        OSError: when the file cannot be written.
    """
    new = path.with_name(f".new-{uuid.uuid4().hex[:MARK]}-{path.name}")
    with _writing_beside(path):
        try:
            new.touch()
            mode = new.stat().st_mode
            new.unlink()
            yield new
            new.chmod(S_IMODE(mode))  # safetensors makes its files private
            flush(new)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Force a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing_beside(path: Path) -> Iterator[None]:
    """Hold a shared lock on the folder of `path` while a file is written there.

    The lock ends with its process. A process that gets it exclusively at first knows that no other
    one writes in the folder, and removes the unfinished files of `path`.
    """
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # another process writes there, or the file system has no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in path.parent.glob(f".new-{'?' * MARK}-{escape(path.name)}"):
                left.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def folder_name(name: str) -> str:
    """A name as the name of one folder that is valid on any system."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name.replace("/", "--")).lstrip(".") or "-"
    if len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{safe[:LONGEST_NAME]}-{digest}"


def reason(error: Exception) -> str:
    """Why a file cannot be written, in the system's words."""
    return str(getattr(error, "strerror", None) or error)


FRESH_NS = 50_000_000
"""File systems keep time in steps of some milliseconds: changes this close may bear one time."""


def file_state(path: Path) -> tuple[int, ...]:
    """Size, times and inode of a file: equal states are the same file, unchanged. The state of a
    file that was changed just now equals no other.

    Raises:
        OSError: when the file is not there.
    """
    found = path.stat()
    now = time.time_ns()
    fresh = now if now - found.st_ctime_ns < FRESH_NS else 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, fresh


def checksum(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
