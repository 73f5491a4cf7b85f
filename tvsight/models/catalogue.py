"""The catalogue of models with a short name; `catalogue.json` holds the entries."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Package:
    """Quantised weights in data-only packages: one GGUF file, whole or in parts."""

    alias: str
    display_name: str
    licence: str
    name: str
    """The distribution whose version is recorded; the first one of several."""
    file: str
    """Name of the GGUF file."""
    sha256: str
    """Of the GGUF file."""
    part: str
    """Path of a part below the installed packages, with its `{number}` from 1 or `{index}` from 0.
    """
    parts: int
    disk: float
    """Room for the conversion in the cache directory, in GB."""
    memory: float
    """Memory of the conversion, in GB."""
    install: str
    """The command that installs all of it."""


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue."""

    alias: str
    hub_id: str
    """Repository on the model hub."""
    display_name: str
    parameters: int
    licence: str
    gated: bool
    """Whether the hub requires an accepted licence and a token."""
    group: str
    """`package`, `paper` (a model of the paper) or `ndif` (hosted by NDIF)."""
    package: Package | None = None
    """The weights that the alias stands for; those of the hub id where it is None."""


@cache
def catalogue() -> dict[str, CatalogueEntry]:
    """Every entry by alias, in the order of the data file."""
    text = files("tvsight.models").joinpath("catalogue.json").read_text(encoding="utf-8")
    entries = [_entry(**fields) for fields in json.loads(text)]
    return {entry.alias: entry for entry in entries}


def _entry(package: dict[str, Any] | None = None, **fields: Any) -> CatalogueEntry:
    if package is None:
        return CatalogueEntry(**fields)
    shared = {name: fields[name] for name in ("alias", "display_name", "licence")}
    return CatalogueEntry(**fields, package=Package(**shared, **package))


EMBEDDED = "gemma-3-270m"
"""Alias of the embedded model, which is measured by default."""
HOSTED = "gpt-j-6b"
"""Alias of the model that is measured by default on a server, where that runs it: one of the paper,
which NDIF holds and whose licence nobody has to accept."""
