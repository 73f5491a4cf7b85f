"""Recognise what a later tvsight wrote. This one never moves, replaces or removes it."""

from packaging.version import Version

from tvsight import __version__
from tvsight.errors import UsageError


class LaterVersion(UsageError):
    """A file of a later tvsight that this one cannot use (exit code 2).

    The program ends, so that nothing takes the place of the file.
    """


def is_later(writer: object) -> bool:
    """Whether a version of tvsight is later than this one. Unknown versions are not."""
    try:
        return Version(str(writer)) > Version(__version__)
    except ValueError:  # no version, or one of more digits than a number may have
        return False
