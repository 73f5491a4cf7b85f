"""Task vectors of in-context learning (Hendel, Geva and Globerson 2023), on nnsight."""

from typing import Any

__version__ = "0.1.0"
_PLACES = {
    "Vector": "tvsight.library.vector",
    "answer": "tvsight.library.prompting",
    "episodes": "tvsight.library.prompting",
    "extract": "tvsight.library.prompting",
    "load": "tvsight.library.model",
    "measure": "tvsight.library.comparison",
    "read": "tvsight.library.stored",
    "read_vector": "tvsight.library.vector",
    "task": "tvsight.tasks",
    "task_vector": "tvsight.library.learning",
    "template": "tvsight.prompts.templates",
}
__all__ = [*sorted(_PLACES)]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that listing tasks or printing help does not wait for torch.
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
