"""Write files and folders whole or not at all, even if the process is killed, and over nothing that
somebody else wrote."""

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from stat import S_IMODE

VERSION = "0.1.0"
"""Of tvsight, which its files name as their writer."""
NEW = ".new-"
"""Prefix of the names of folders that are not complete."""
MARK = 8
"""Random digits in the name of such a folder."""
MARKER = ".tvsight"
"""An empty file in a folder that tvsight made and may remove."""
NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
LONGEST_NAME = 100
"""Most characters of a folder's name. It leaves room for endings on any file system."""


@contextmanager
def whole_file(path: Path, is_own: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """A temporary file that replaces `path` at the end of the block.

    It has the name of `path`, in a marked folder beside it. When the block fails, it is removed,
    and an earlier file at `path` stays. What killed processes left of `path` is removed too.

    Args:
        is_own: see `refuse_foreign`.

    Raises:
        OSError: when the file cannot be written, or something else is there.
    """
    refuse_foreign(path, is_own)
    folder = path.with_name(f"{NEW}{uuid.uuid4().hex[:MARK]}-{path.name}")
    new = folder / path.name
    with _writing_beside(path):
        try:
            make_marked(folder)
            new.touch()
            mode = new.stat().st_mode
            new.unlink()
            yield new
            new.chmod(S_IMODE(mode))  # safetensors makes its files private
            flush(new)
            refuse_foreign(path, is_own)  # it may have come meanwhile
            new.replace(path)
        finally:
            discard(folder)


def refuse_foreign(path: Path, is_own: Callable[[Path], bool] | None) -> None:
    """Check that a file may be written at `path`: nothing is there, or an empty file, or one that
    tvsight wrote. A link is somebody else's, whatever it leads to.

    Args:
        is_own: whether a file has the form of those that are written here; None takes any.

    Raises:
        OSError: when it may not.
    """
    if is_own is None or not os.path.lexists(path) or (path.is_dir() and not path.is_symlink()):
        return
    if path.is_symlink() or not path.is_file() or (path.stat().st_size and not is_own(path)):
        why = f"tvsight did not write {path.name}, which is there; move it, or name another file"
        raise FileExistsError(errno.EEXIST, why)


def has(mark: bytes, within: int = 0) -> Callable[[Path], bool]:
    """A test of files: whether one begins with a mark, or holds it within its first bytes."""

    def is_own(path: Path) -> bool:
        with path.open("rb") as file:
            return mark in file.read(max(within, len(mark)))

    return is_own


def make_marked(folder: Path) -> None:
    """Make a folder that says from its first moment that it is tvsight's.

    Raises:
        OSError: when it cannot be made.
    """
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def remove_marked(folder: Path) -> None:
    """Remove a folder of tvsight. What a process that is killed meanwhile leaves of it is marked.

    Raises:
        OSError: when it cannot be removed, or is not there.
    """
    with suppress(OSError):  # a full disk takes no marker
        (folder / MARKER).touch()
    for file in folder.iterdir():
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        elif file.name != MARKER:
            file.unlink()
    shutil.rmtree(folder)


def discard(folder: Path) -> None:
    """Remove a folder of tvsight as far as that is possible, if it is there. Ctrl-C meanwhile takes
    effect afterwards."""
    try:
        with suppress(OSError):
            remove_marked(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_unfinished(path: Path) -> None:
    """Remove what killed processes left of a file, and nothing of somebody else."""
    for left in path.parent.glob(f"{NEW}{'?' * MARK}-{escape(path.name)}"):
        if left.is_symlink() or not left.is_dir():
            continue
        with suppress(OSError):
            if (left / MARKER).is_file():
                remove_marked(left)
            else:  # killed before it was marked; a folder with files in it stays
                left.rmdir()


def put(new: Path, target: Path) -> None:
    """Put a folder in the place of another, which is at `new` afterwards; or of none.

    It is one step where the file system can exchange names. Elsewhere the folder that gives way
    is for a moment beside its place, under a name like that of `new`.

    Raises:
        OSError: when it cannot be moved; everything is then as it was.
    """
    if not os.path.lexists(target):
        new.rename(target)
    elif not _exchanged(new, target):
        aside = new.with_name(f"{new.name[:-MARK]}{uuid.uuid4().hex[:MARK]}")
        target.rename(aside)
        try:
            new.rename(target)
        except OSError:
            aside.rename(target)
            raise
        aside.rename(new)
    flush(target.parent)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux); returns whether the system can.

    Raises:
        OSError: when it can, and fails.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if rename is None:
        return False
    if rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return True
    number = ctypes.get_errno()
    if number in NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(one))


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
            clear_unfinished(path)
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
