"""Task vectors as they are stored: all of them, or the part that figures need.

A run stores `dev` and `test`: θ of every episode after every block, `[episodes, depth, width]` in
half precision. An archive may hold a part instead: `mean`, `[depth, width]`, the mean θ over the
dev episodes, and `at_<block>`, `[test episodes, width]`, θ after one block, both in half precision;
`dev_norms` and `test_norms`, `[episodes, depth]`, the length of each θ, in single precision.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tvsight.errors import UsageError, integer
from tvsight.storage.contents import AT
from tvsight.storage.manifests import Key

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.storage.store import State, Store


_kept: "dict[Path, tuple[State, dict[str, Tensor]]]" = {}
"""What this process has read, by folder of the result: the state of its files, and tensors under
the names of a part, with the mean in single precision. Some megabytes of the largest models."""


class TaskVectors:
    """The vectors of some results, by model and task.

    A process reads a file once for all means and norms, and once for each block, and again when the
    file has changed.

    Args:
        store: where they are.
        paths: folders of verified results that have vectors, as an `Outcome` has them.
    """

    def __init__(self, store: "Store", paths: Mapping[Key, Path]) -> None:
        self._store = store
        self.paths = paths

    def mean(self, model: str, task: str) -> "Tensor":
        """The mean θ over the dev episodes after every block, `[depth, width]`."""
        return self._read(model, task)["mean"].float().clone()

    def norms(self, model: str, task: str, split: str) -> "Tensor":
        """The length of θ of each episode of a split after every block, `[episodes, depth]`."""
        return self._read(model, task)[f"{split}_norms"].clone()

    def after(self, block: int, model: str, task: str) -> "Tensor":
        """θ of each test episode after one block, `[episodes, width]`.

        Raises:
            UsageError: when the model has no such block, or only a part of the vectors is stored
                and this is not in it.
        """
        read = self._read(model, task, block)
        if f"{AT}{block}" not in read:
            there = next(name for name in read if name.startswith(AT)).removeprefix(AT)
            raise UsageError(
                f"Of {task} the vectors after block {there} are stored, not after {block}: ask for "
                f"--layer {there}, or measure into a folder of your own with --results."
            )
        return read[f"{AT}{block}"].float()

    def _read(self, model: str, task: str, block: int | None = None) -> "dict[str, Tensor]":
        path = self.paths[Key(model, task)]
        folder = (self._store.root / path).absolute()
        state = self._store.state(path)
        known, kept = _kept.get(folder, (None, {}))
        if known != state:
            kept = {}
        if not kept or (block is not None and f"{AT}{block}" not in kept):
            kept = kept | _summary(self._store.vectors(path), block, model)
            _kept[folder] = state, kept
        return kept


def part(vectors: "dict[str, Tensor]", block: int) -> "dict[str, Tensor]":
    """The part of all vectors of a result that figures need; a part stays as it is.

    Args:
        block: the one whose vectors are kept.

    Raises:
        UsageError: when there is no such block.
    """
    if "dev" not in vectors:
        return vectors
    summary = _summary(vectors, block, "this model")
    return summary | {"mean": summary["mean"].half()}


def _summary(vectors: "dict[str, Tensor]", block: int | None, model: str) -> "dict[str, Tensor]":
    """The part of all vectors, with the mean in single precision; a part stays as it is."""
    if "dev" not in vectors:
        return vectors
    dev = vectors["dev"].float()
    summary = {
        "mean": dev.mean(dim=0),
        "dev_norms": dev.norm(dim=-1),
        "test_norms": vectors["test"].float().norm(dim=-1),
    }
    if block is not None:
        depth = dev.shape[1]
        number = integer(block)
        if number is None or not 0 <= number < depth:
            raise UsageError(f"Block {block}: {model} has blocks 0 to {depth - 1}.")
        summary[f"{AT}{number}"] = vectors["test"][:, number].clone()
    return summary
