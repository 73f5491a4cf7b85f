"""Task vectors of in-context learning (Hendel, Geva and Globerson 2023), on nnsight."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["answer", "episodes", "extract", "load", "task", "template"]

_PLACES = {
    "answer": "tvsight.library",
    "episodes": "tvsight.library",
    "extract": "tvsight.library",
    "load": "tvsight.models.loading",
    "task": "tvsight.tasks",
    "template": "tvsight.prompts.templates",
}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that listing tasks or printing help does not wait for torch.
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
