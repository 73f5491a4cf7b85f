"""KV cache: beginnings of prompts with keys and values, from which any number of rows continue."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


class Prefixes:
    """Beginnings of prompts with their keys and values, one per row, padded on the left."""

    def __init__(self, cache: DynamicCache, mask: Tensor) -> None:
        self.cache = cache
        self.mask = mask

    @property
    def length(self) -> int:
        """Number of cached tokens of every row, padding included."""
        return self.mask.shape[1]

    def rows(self, rows: Sequence[int]) -> "Prefixes":
        """The given rows in the given order, repetitions allowed, for one continuation."""
        index = torch.tensor(rows)
        place = cache(index.to)  # once: a copy for each block would wait for the GPU each time
        chosen = copy(self.cache)
        chosen.layers = [_chosen(layer, index, place) for layer in self.cache.layers]
        return Prefixes(chosen, self.mask[index])

    def growing(self) -> "Prefixes":
        """The same rows with keys and values of their own, for any number of continuations."""
        grown = copy(self.cache)
        grown.layers = [
            layer.copied() if isinstance(layer, ChosenRows) else layer for layer in grown.layers
        ]
        return Prefixes(grown, self.mask)

    def mask_with(self, mask: Tensor) -> Tensor:
        """The mask of these prefixes followed by continuations with `mask` `[rows, tokens]`."""
        return torch.cat([self.mask, mask], dim=1)


class ChosenRows(DynamicLayer):
    """Some rows of a cached block, which are copied when the block runs, together with its new
    token: once, and not at all where the block is skipped."""

    def __init__(self, whole: DynamicLayer, index: Tensor) -> None:
        DynamicLayer.__init__(self)  # a server makes the class anew, where super() is lost
        self.whole = whole
        self.index = index
        self.is_sliding = whole.is_sliding
        self.is_initialized = whole.is_initialized

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """The keys and values of these rows followed by new ones `[rows, heads, tokens, width]`."""
        if not self.is_initialized:
            return key_states, value_states
        return self._with(self.whole.keys, key_states), self._with(self.whole.values, value_states)

    def copied(self) -> DynamicLayer:
        """These rows as a cache of their own, of the same kind as the whole one."""
        chosen = copy(self.whole)
        chosen.batch_select_indices(self.index)
        return chosen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The length and offset of the cache, as of the whole one."""
        return self.whole.get_mask_sizes(query_length)

    def get_seq_length(self) -> int:
        """The number of tokens seen, as of the whole cache."""
        return self.whole.get_seq_length()

    def get_max_length(self) -> int:
        """The longest cache, as of the whole one."""
        return self.whole.get_max_length()

    def _with(self, cached: Tensor, new: Tensor) -> Tensor:
        tokens = new.shape[-2]
        # Room for the new tokens, made before the rows are chosen: there are more of these.
        together = pad(cached, (0, 0, 0, tokens)).index_select(0, self.index)
        together[:, :, -tokens:] = new
        return together


def _chosen(layer: Any, index: Tensor, place: Callable[[torch.device], Tensor]) -> Any:
    """Some rows of a block's cache. Only the two kinds that hold keys and values alone wait.

    Args:
        place: gives `index` on a device.
    """
    if type(layer) in (DynamicLayer, DynamicSlidingWindowLayer):
        return ChosenRows(layer, index if layer.keys is None else place(layer.keys.device))
    chosen = copy(layer)
    chosen.batch_select_indices(index)
    return chosen
