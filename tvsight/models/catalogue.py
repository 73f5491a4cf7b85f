"""The catalogue of models with a short name; `catalogue.json` holds the entries."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue."""

    alias: str
    hub_id: str | None
    """Repository on the model hub; None for the embedded model, whose weights are a package."""
    display_name: str
    parameters: int
    licence: str
    gated: bool
    """Whether the hub requires an accepted licence and a token."""
    group: str
    """`embedded`, `paper` (a model of the paper) or `ndif` (hosted by NDIF)."""


@cache
def catalogue() -> dict[str, CatalogueEntry]:
    """Every entry by alias, in the order of the data file."""
    text = files("tvsight.models").joinpath("catalogue.json").read_text(encoding="utf-8")
    entries = [CatalogueEntry(**fields) for fields in json.loads(text)]
    return {entry.alias: entry for entry in entries}


EMBEDDED = "gemma-3-270m"
"""Alias of the embedded model."""
