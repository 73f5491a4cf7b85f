"""Blocks of steering: each owns what it adds to a model, and takes nothing else away."""

from typing import Any

from torch import Tensor

from tvsight.errors import UsageError
from tvsight.interventions.steering import steered
from tvsight.library.model import LoadedModel


class Steering:
    """A block in which a vector is added at every generated position.

    Blocks may end in any order: each adds one entry to a list, an edit of the nnsight model or,
    for a remote model, what its jobs bring along, and removes this entry alone.

    Raises:
        UsageError: when it is entered a second time.
    """

    def __init__(self, model: LoadedModel, layer: int, vector: Tensor) -> None:
        self.model = model
        self.layer = layer
        self.vector = vector
        self._owned: tuple[list[Any], Any] | None = None

    def __enter__(self) -> None:
        if self._owned is not None:
            raise UsageError(
                "steering: this block was entered before; each `with` needs a call of steering() "
                "of its own."
            )
        model, nn = self.model, self.model.decoder.nn
        if model.remote:
            self._owned = model.added, (self.layer, self.vector)
        else:
            self._owned = nn._edits, steered(model.decoder, self.layer, self.vector)._edits[-1]
        entries, own = self._owned
        entries.append(own)

    def __exit__(self, *_: object) -> None:
        if self._owned is not None:
            entries, own = self._owned
            # It may be gone: ended before, or all edits were cleared.
            entries[:] = [entry for entry in entries if entry is not own]
