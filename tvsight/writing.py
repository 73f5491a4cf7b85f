"""Files that appear whole or not at all, whatever ends the process that writes them."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A place to write to; what is there at the end replaces `path`.

    The place is beside `path` and keeps its suffix. When the block fails, it goes and an earlier
    file at `path` stays as it was.

    Raises:
        OSError: when it cannot be written.
    """
    new = path.with_name(f".new-{uuid.uuid4().hex[:8]}-{path.name}")
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
