"""Models by name: sources, catalogue and loading, with one standard view."""

from typing import Any

from tvsight.models.catalogue import EMBEDDED, CatalogueEntry, catalogue
from tvsight.models.sources import ModelSource, resolve, weights_identity

__all__ = [
    "EMBEDDED",
    "CatalogueEntry",
    "ModelSource",
    "catalogue",
    "load",
    "resolve",
    "weights_identity",
]


def __getattr__(name: str) -> Any:
    # Loading needs torch; listing and resolving names must not wait for it.
    if name == "load":
        from tvsight.models.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
