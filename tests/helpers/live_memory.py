"""The bytes of the tensors that exist at one time, counted operation by operation."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

Result = TypeVar("Result")


def peak_bytes(run: Callable[[], Result], held: Iterable[torch.Tensor]) -> tuple[int, Result]:
    """The most bytes of new tensors at one time while `run` runs, and its result.

    Args:
        held: tensors that exist before, such as weights, whose views count nothing.
    """
    with _Counting(held) as counting:
        result = run()
    return counting.peak, result


class _Counting(TorchDispatchMode):
    def __init__(self, held: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in held}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        for value in tree_iter(found):
            if isinstance(value, torch.Tensor):
                self._count(value.untyped_storage())
        self.peak = max(self.peak, self.now)
        return found

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self._sizes.pop(key)
