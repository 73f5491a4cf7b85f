"""The files that are opened while a block lasts."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_watching: list[Counter[Path]] = []


@contextmanager
def opened(folder: Path) -> Iterator[Counter[Path]]:
    """How often each file of a folder is opened, by its path in the folder. Files that a library
    opens without Python are not counted."""
    counts: Counter[Path] = Counter()
    _watching.append(counts)
    try:
        yield counts
    finally:
        _watching.remove(counts)
        for path in list(counts):
            count = counts.pop(path)
            if path.is_relative_to(folder) and not path.is_dir():
                counts[path.relative_to(folder)] = count


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event == "open" and isinstance(arguments[0], str | bytes | Path):
        path = Path(os.fsdecode(arguments[0]))
        for counts in _watching:
            counts[path] += 1


sys.addaudithook(_note)  # it cannot be removed again
