"""Models by name: sources, catalogue and loading, with one standard view."""

from tvsight.models.catalogue import EMBEDDED, CatalogueEntry, catalogue
from tvsight.models.sources import ModelSource, resolve, weights_identity

__all__ = ["EMBEDDED", "CatalogueEntry", "ModelSource", "catalogue", "resolve", "weights_identity"]
