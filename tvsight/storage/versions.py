"""Recognise what a later tvsight wrote. This one never moves, replaces or removes it."""

from packaging.version import Version

from tvsight.errors import UsageError
from tvsight.writing import VERSION


class LaterVersion(UsageError):
    """A file of a later tvsight that this one cannot use (exit code 2).

    The program ends, so that nothing takes the place of the file.
    """


def is_later(writer: object) -> bool:
    """Whether a version of tvsight is later than this one. Unknown versions are not."""
    try:
        return Version(str(writer)) > Version(VERSION)
    except ValueError:  # no version, or one of more digits than a number may have
        return False


def later(why: str, writer: object) -> str:
    """What is said of a file that a later tvsight wrote, and why this one cannot use it."""
    return (
        f"{why}. A later tvsight wrote it ({writer}; this is {VERSION}): use that version "
        "here, or name another folder with --results."
    )
