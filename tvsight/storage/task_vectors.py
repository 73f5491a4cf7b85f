"""Task vectors as they are stored: all of them, or the part that figures need.

A run stores `dev` and `test`: θ of every episode after every block, `[episodes, depth, width]` in
half precision. An archive may hold a part instead: `mean`, `[depth, width]`, the mean θ over the
dev episodes, and `at_<block>`, `[test episodes, width]`, θ after one block, both in half precision;
`dev_norms` and `test_norms`, `[episodes, depth]`, the length of each θ, in single precision.

The vectors of another method are stored in the same way, whole. Where a method makes one for each
task, it stands for all episodes: `dev` and `test` are `[1, depth, width]`, and what is read of them
has one row.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvsight.errors import UsageError, integer
from tvsight.storage.contents import AT, NORMS
from tvsight.storage.manifests import VECTORS, Key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tvsight.storage.store import Store

Files = tuple[Path, frozenset[Any]]
"""The folder of a result, and the state of its files. What this process has read of it is kept by
these."""
MOST_KEPT = 500
"""Most results of which something is kept. It is some megabytes of the largest models."""


class TaskVectors:
    """The vectors of some results, by model and task.

    A process opens a file once for all means and norms, once for each block, and again when the
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
        return _means(*self._files(model, task))["mean"].float().clone()

    def norms(self, model: str, task: str, split: str) -> "Tensor":
        """The length of θ of each episode of a split after every block, `[episodes, depth]`."""
        return _means(*self._files(model, task))[f"{split}_norms"].clone()

    def distances(self, model: str, task: str, split: str, origin: "Tensor") -> "Tensor":
        """The length of θ minus `origin` `[depth, width]`, `[episodes, depth]`.

        Raises:
            UsageError: when only a part of the vectors is stored.
        """
        vectors = self._store.vectors(self.paths[Key(model, task)])
        if split not in vectors:
            raise UsageError(
                f"Of {task} only the vectors that figures need are stored: measure into a folder "
                "of your own with --results."
            )
        return (vectors[split].float() - origin).norm(dim=-1)

    def after(self, block: int, model: str, task: str) -> "NDArray[np.float32]":
        """θ of each test episode after one block, `[episodes, width]`.

        Raises:
            UsageError: when the model has no such block, or only a part of the vectors is stored
                and this is not in it.
        """
        return _after(*self._files(model, task), block, model, task).copy()

    def _files(self, model: str, task: str) -> Files:
        path = self.paths[Key(model, task)]
        state = frozenset(self._store.state(path).items())
        return (self._store.root / path).absolute(), state


@lru_cache(MOST_KEPT)
def _means(folder: Path, state: frozenset[Any]) -> "dict[str, Tensor]":
    """Means and norms, see `_summary`."""
    from safetensors.torch import load_file

    return _summary(load_file(folder / VECTORS))


def part(vectors: "dict[str, Tensor]", block: int) -> "dict[str, Tensor]":
    """The part of all vectors of a result that figures need; a part stays as it is.

    Args:
        block: the one whose vectors are kept.

    Raises:
        UsageError: when there is no such block.
    """
    if "dev" not in vectors:
        return vectors
    number = _number(block, vectors["dev"].shape[1], "this model")
    summary = _summary(vectors)
    block_vector = {f"{AT}{number}": vectors["test"][:, number].clone()}
    return summary | block_vector | {"mean": summary["mean"].half()}


def _summary(vectors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """The mean, in single precision, and the norms; those of a part stay as they are."""
    if "dev" not in vectors:
        return {name: vectors[name] for name in ("mean", *NORMS)}
    dev = vectors["dev"].float()
    return {
        "mean": dev.mean(dim=0),
        "dev_norms": dev.norm(dim=-1),
        "test_norms": vectors["test"].float().norm(dim=-1),
    }


@lru_cache(MOST_KEPT)
def _after(
    folder: Path, state: frozenset[Any], block: int, model: str, task: str
) -> "NDArray[np.float32]":
    """Vectors after one block, read as an array, so that figures need no torch."""
    from safetensors import safe_open

    with safe_open(folder / VECTORS, framework="numpy") as vectors:
        names = set(vectors.keys())
        if "test" in names:
            test = vectors.get_slice("test")
            number = _number(block, test.get_shape()[1], model)
            after: NDArray[np.float16] = test[:, number]
        elif f"{AT}{block}" in names:
            after = vectors.get_tensor(f"{AT}{block}")
        else:
            there = next(name for name in names if name.startswith(AT)).removeprefix(AT)
            raise UsageError(
                f"Of {task} the vectors after block {there} are stored, not after {block}: ask for "
                f"--layer {there}, or measure into a folder of your own with --results."
            )
    return after.astype("float32")


def _number(block: int, depth: int, model: str) -> int:
    """The number of a block.

    Raises:
        UsageError: when there is no such block.
    """
    number = integer(block)
    if number is None or not 0 <= number < depth:
        raise UsageError(f"Block {block}: {model} has blocks 0 to {depth - 1}.")
    return number
