"""Files that appear whole or not at all, whatever ends the process that writes them."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

MARK = 8
"""Random digits in the name of a file that is being written."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A place to write to; what is there at the end replaces `path`.

    The place is beside `path` and keeps its suffix. When the block fails, it goes and an earlier
    file at `path` stays as it was. What processes that were killed left of the same file goes too.

    Raises:
        OSError: when it cannot be written.
    """
    new = path.with_name(f".new-{uuid.uuid4().hex[:MARK]}-{path.name}")
    with _writing_beside(path):
        try:
            yield new
            flush(new)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Make sure that a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing_beside(path: Path) -> Iterator[None]:
    """Hold a lock on a folder that all who write files there share; it falls with its process.

    Who gets it alone, for a moment, knows that unfinished files there are nobody's, and removes
    those of `path`.
    """
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # somebody writes there, or the file system has no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in path.parent.glob(f".new-{'?' * MARK}-{escape(path.name)}"):
                left.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
