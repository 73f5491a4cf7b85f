"""Ways to make a vector from demonstrations, one file each.

A method is measured by the protocol of the central comparison: extracted from the prompts of an
episode or a task, applied after every block on dev, and on test after the block that was best
there. docs/adding_a_method.md shows how to write one. Nothing here imports torch, so that a redraw
can name methods; `load` imports the file of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tvsight.methods.method import Method


@dataclass(frozen=True)
class MethodEntry:
    """A method by name, with what its results depend on."""

    key: str
    """Its name in the column `procedure` and on the command line."""
    title: str
    """Its name in tables and figures."""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Named arguments of its function `learn`."""
    module: str = ""
    """The module that defines it as `METHOD`."""
    source: str | None = None
    """A checksum of the user's file or function that defines it; None for those of tvsight."""
    own: "Method | None" = field(default=None, compare=False)
    """The method itself, where a caller in Python brought it."""

    @property
    def identity(self) -> dict[str, Any]:
        """Its part of a result's identity."""
        own = {"method": self.key, "method_settings": dict(self.settings)}
        return own if self.source is None else own | {"method_source": self.source}

    @property
    def further_identity(self) -> dict[str, Any]:
        """The same for an analysis of vectors; empty for the task vector, which it is about unless
        another one is named."""
        return {} if self == TASK_VECTOR else self.identity

    @property
    def further(self) -> "tuple[Method, dict[str, Any]] | tuple[()]":
        """The method and its settings, as further arguments of a job; none for the task vector,
        which jobs make as they go."""
        return () if self.key == "task_vector" else (self.load(), dict(self.settings))

    def load(self) -> "Method":
        """The method itself, by its module where no caller brought it."""
        return self.own or import_module(self.module or f"{__name__}.{self.key}").METHOD


METHODS = {
    entry.key: entry
    for entry in (
        MethodEntry("task_vector", "Task vector"),
        MethodEntry("averaged_vector", "Averaged vector"),
        MethodEntry("mean_state", "Mean state, added"),
        MethodEntry("function_vector", "Function vector", {"heads": 10}),
        MethodEntry("learned_vector", "Learned vector", {"steps": 60, "batch": 8, "rate": 0.3}),
    )
}
"""The methods that tvsight has."""
TASK_VECTOR = METHODS["task_vector"]
"""The vector that every analysis is about, unless another one is named."""
CENTRAL = ("task_vector", "averaged_vector")
"""Those that the central comparison measures itself."""
