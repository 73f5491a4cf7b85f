"""Foreign input: files and JSON that other people, programs and servers wrote.

A file is read only where it is a plain file of a limited size: a named pipe may wait without end,
and a device never ends. JSON is taken only where all its texts can be written as UTF-8, its numbers
are finite, no key hides another, and nothing lies deep.
"""

import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any, NoReturn

MAX_DEPTH = 50
"""Most lists and objects of JSON that lie within each other."""
MAX_DIGITS = 300
"""Most digits of a whole number: the most that a float can hold."""
DOCUMENT_BYTES = 10_000_000
"""Most bytes of a document about something else: a manifest, a job record, an index."""
HALF = re.compile(r".{0,30}[\ud800-\udfff]")
"""Half of a surrogate pair, which JSON can spell and no file can hold, with what is before it."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
}


class Unusable(ValueError):
    """Foreign input that cannot be used. The text says why, without the name of a file."""


def check_file(path: Path, most: int) -> None:
    """Check that a path leads to a plain file, before anything opens it.

    Args:
        most: bytes that it may have.

    Raises:
        Unusable: when it is something else, larger, or not there.
    """
    try:
        found = os.stat(path)
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error
    except ValueError as error:
        raise Unusable("not the name of a file") from error
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise Unusable(f"{kind}, where a file was expected")
    if found.st_size > most:
        raise Unusable(f"larger than {most // 1_000_000} MB")


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file, see `check_file`."""
    check_file(path, most)
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error


def read_text(path: Path, most: int) -> str:
    """The text of a UTF-8 file, with line breaks as `\\n`, see `check_file`."""
    try:
        text = read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable(
            f"not UTF-8 text (byte {error.start}). Save it in the encoding UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, most: int = DOCUMENT_BYTES) -> Any:
    """The JSON of a file, see `check_file` and `parsed`."""
    return parsed(read_text(path, most))


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        json.JSONDecodeError, UnicodeDecodeError: when it is no JSON.
        Unusable: when it is JSON, but not as the module says.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_refused,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError as error:
        raise Unusable("too deep") from error
    level = [value]
    for _ in range(MAX_DEPTH):
        half = HALF.search("\n".join(one for one in level if isinstance(one, str)))
        if half:
            raise Unusable(f"half of a character, {half[0]!a}")
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return value
    raise Unusable("too deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise Unusable(f"the key {key[:60]!a} is there twice")
        content[key] = value
    return content


def _refused(text: str) -> NoReturn:
    raise Unusable(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    return value if math.isfinite(value := float(text)) else _refused(text[:MAX_DIGITS])


def _whole(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else _refused(f"{text[:9]}…")
