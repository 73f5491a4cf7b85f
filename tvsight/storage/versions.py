"""Tell what a later tvsight wrote: this one never moves, replaces or removes it."""

from packaging.version import InvalidVersion, Version

from tvsight import __version__
from tvsight.errors import UsageError


class LaterVersion(UsageError):
    """A file of a later tvsight that this one cannot use (exit code 2).

    The program and the library end there, so that nothing is put in its place.
    """


def is_later(writer: object) -> bool:
    """Whether the tvsight of a version is later than this one; an unknown version is not."""
    try:
        return Version(str(writer)) > Version(__version__)
    except InvalidVersion:
        return False
