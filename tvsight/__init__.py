"""Task vectors of in-context learning (Hendel, Geva and Globerson 2023), on nnsight."""

from typing import TYPE_CHECKING, Any

from tvsight.writing import VERSION

if TYPE_CHECKING:  # what type checkers and completion read
    from tvsight.library.comparison import measure as measure
    from tvsight.library.inside import attention as attention
    from tvsight.library.inside import lens as lens
    from tvsight.library.learning import read_vector as read_vector
    from tvsight.library.learning import task_vector as task_vector
    from tvsight.library.model import LoadedModel as LoadedModel
    from tvsight.library.model import load as load
    from tvsight.library.prompting import answer as answer
    from tvsight.library.prompting import episodes as episodes
    from tvsight.library.prompting import extract as extract
    from tvsight.library.stored import read as read
    from tvsight.library.vector import Vector as Vector
    from tvsight.library.vector import sweep as sweep
    from tvsight.prompts.templates import template as template
    from tvsight.tasks import Task as Task
    from tvsight.tasks import task as task

__version__ = VERSION
_NAMES = {
    "tvsight.library.comparison": ["measure"],
    "tvsight.library.inside": ["attention", "lens"],
    "tvsight.library.learning": ["read_vector", "task_vector"],
    "tvsight.library.model": ["LoadedModel", "load"],
    "tvsight.library.prompting": ["answer", "episodes", "extract"],
    "tvsight.library.stored": ["read"],
    "tvsight.library.vector": ["Vector", "sweep"],
    "tvsight.prompts.templates": ["template"],
    "tvsight.tasks": ["Task", "task"],
}
_PLACES = {name: place for place, names in _NAMES.items() for name in names}
__all__ = [*sorted(_PLACES)]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]


if not TYPE_CHECKING:  # so that a type checker refuses a name that is not there

    def __getattr__(name: str) -> Any:
        # Imported on first use: listing tasks or printing help does not wait for torch.
        if name in _PLACES:
            from importlib import import_module

            return getattr(import_module(_PLACES[name]), name)
        from tvsight.library.habits import missing

        raise missing("tvsight", name, __all__)
