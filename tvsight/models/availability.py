"""Say which models of the catalogue can be used on this machine, and why others cannot."""

import os

from tvsight.errors import UsageError
from tvsight.models.catalogue import CatalogueEntry, Package
from tvsight.models.packages import CHECKSUMS, checkpoint_path, part_paths

BYTES_PER_PARAMETER = {"cpu": 4, "cuda": 2}
"""float32 on a CPU, bfloat16 on a GPU."""


def availability(entry: CatalogueEntry) -> str:
    """`usable`, or the obstacle: absent weights, or too little memory."""
    from huggingface_hub import try_to_load_from_cache

    place, memory = _memory()
    needed = entry.parameters * BYTES_PER_PARAMETER[place]
    if needed > memory:
        return f"too large for this {place.upper()}: {needed / 1e9:.0f} of {memory / 1e9:.0f} GB"
    if entry.package is not None:
        return _packaged(entry.package)
    if isinstance(try_to_load_from_cache(entry.hub_id, "config.json"), str):
        return "usable: in the local hub cache"
    return "needs a licence and a download" if entry.gated else "needs a download"


def _packaged(package: Package) -> str:
    if (checkpoint_path(package) / CHECKSUMS).is_file():
        return "usable"
    try:
        part_paths(package)
    except UsageError:
        return f"needs {package.install}"
    return "usable: converted on first use"


def _memory() -> tuple[str, int]:
    """The default device, and its memory in bytes."""
    import torch

    if torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        return "cuda", sum(torch.cuda.get_device_properties(d).total_memory for d in devices)
    return "cpu", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
