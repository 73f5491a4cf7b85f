"""Task vectors as they are stored: all of them, or the part that figures need.

A run stores `dev` and `test`, θ of every episode after every block, `[episodes, depth, width]` in
half precision. That is much to send around, so an archive may hold a part of it instead: `mean`,
`[depth, width]`, the mean θ over the dev episodes, and `at_<block>`, `[test episodes, width]`, θ
after one block, both in half precision; `dev_norms` and `test_norms`, `[episodes, depth]`, how long
each θ was, in single precision.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from tvsight.errors import UsageError, integer

if TYPE_CHECKING:
    from torch import Tensor

    from tvsight.storage.store import Store

WHOLE = {"dev", "test"}
NORMS = {"dev_norms", "test_norms"}
PART = {"mean", *NORMS}
AT = "at_"
"""How the name of vectors after one block begins; its number follows."""


class TaskVectors:
    """The vectors of some results, by model and task.

    Args:
        store: where they are.
        paths: folders of checked results that have vectors, as an `Outcome` has them.
    """

    def __init__(self, store: "Store", paths: dict[tuple[str, str], Path]) -> None:
        self._store = store
        self.paths = paths

    def mean(self, model: str, task: str) -> "Tensor":
        """The mean θ over the dev episodes after every block, `[depth, width]`."""
        stored = self._stored(model, task)
        return stored["dev"].float().mean(dim=0) if "dev" in stored else stored["mean"].float()

    def norms(self, model: str, task: str, split: str) -> "Tensor":
        """The length of θ of each episode of a split after every block, `[episodes, depth]`."""
        stored = self._stored(model, task)
        return stored[split].float().norm(dim=-1) if split in stored else stored[f"{split}_norms"]

    def after(self, block: int, model: str, task: str) -> "Tensor":
        """θ of each test episode after one block, `[episodes, width]`.

        Raises:
            UsageError: when the model has no such block, or only a part of the vectors is stored
                and this is not in it.
        """
        stored = self._stored(model, task)
        if "test" in stored:
            return _after(block, stored["test"], model).float()
        if f"{AT}{block}" not in stored:
            there = next(name for name in stored if name.startswith(AT)).removeprefix(AT)
            raise UsageError(
                f"Of {task} the vectors after block {there} are stored, not after {block}: ask for "
                f"--layer {there}, or measure into a folder of your own with --results."
            )
        return stored[f"{AT}{block}"].float()

    def _stored(self, model: str, task: str) -> "dict[str, Tensor]":
        return self._store.vectors(self.paths[model, task])


def part(vectors: "dict[str, Tensor]", block: int) -> "dict[str, Tensor]":
    """The part of all vectors of a result that figures need; a part stays as it is.

    Args:
        block: the one whose vectors are kept.

    Raises:
        UsageError: when there is no such block.
    """
    if "dev" not in vectors:
        return vectors
    dev, test = vectors["dev"].float(), vectors["test"].float()
    return {
        "mean": dev.mean(dim=0).half(),
        "dev_norms": dev.norm(dim=-1),
        "test_norms": test.norm(dim=-1),
        f"{AT}{block}": _after(block, vectors["test"], "this model").clone(),
    }


def _after(block: int, vectors: "Tensor", model: str) -> "Tensor":
    """`[episodes, width]` of vectors `[episodes, depth, width]`."""
    depth, number = vectors.shape[1], integer(block)
    if number is None or not 0 <= number < depth:
        raise UsageError(f"Block {block}: {model} has blocks 0 to {depth - 1}.")
    return vectors[:, number]
