"""The embedded model, and the mark of tests that need it."""

import pytest

from tvsight.errors import UsageError
from tvsight.models.catalogue import EMBEDDED, Package, catalogue
from tvsight.models.packages import part_paths


def _package() -> Package:
    package = catalogue()[EMBEDDED].package
    assert package is not None
    return package


def missing() -> str | None:
    """Why the embedded model cannot be used; None where it is installed."""
    try:
        part_paths(PACKAGE)
    except UsageError as error:
        return str(error)
    return None


PACKAGE = _package()
needs_embedded = pytest.mark.skipif(missing() is not None, reason=missing() or "")
