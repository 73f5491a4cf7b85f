"""Errors meant for the person who caused them.

Each message says what was given, what was expected, and what to do next. The command line
prints them without a stack trace.
"""

import difflib
import operator
import reprlib
import textwrap
from collections.abc import Iterable
from typing import Any

TOLD = 60
"""Characters of a value of the wrong kind that its error shows."""


class TvsightError(Exception):
    """Base of every error that tvsight raises on purpose."""


class UsageError(TvsightError):
    """The request cannot be carried out as written (exit code 2)."""


class StorageError(UsageError):
    """The results folder cannot be written: a full disk, a quota, a read-only folder (exit code 2).

    It ends a run: what another task measures could not be stored either. Earlier results stay.
    """


class RefusedError(UsageError):
    """A server refuses what each task of a run would ask again: a key, a precision (exit code 2).

    It ends a run. What the server was handed before is remembered.
    """


class ServerError(TvsightError):
    """A server cannot be reached or does not do its work; trying later may help (exit code 3)."""


class MeasurementError(TvsightError):
    """A measurement gave numbers that cannot be right (the task fails, the run goes on)."""


class ShortOfMemory(UserWarning):
    """Fewer rows than planned were computed at once, because they did not fit a device's memory."""


class Remark(UserWarning):
    """Something about a request that a person should know, though it can be carried out."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names closest to a mistyped `name`, or an empty string."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)
    if not close:
        return ""
    return " Did you mean " + " or ".join(repr(lowered[candidate]) for candidate in close) + "?"


def unexpected(name: str, expected: str, value: object) -> UsageError:
    """The error for a value of the wrong kind, given under a parameter's `name`."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        told = f"{value.dtype} {list(value.shape)}"
    else:
        told = textwrap.shorten(reprlib.repr(value), TOLD, placeholder="...")
    return UsageError(f"{name}: expected {expected}, got {type(value).__name__} {told}.")


def integer(value: Any) -> int | None:
    """A whole number of any library as an `int`; None for all else, `True` and `2.0` included."""
    if isinstance(value, bool) or "bool" in str(getattr(value, "dtype", "")):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
