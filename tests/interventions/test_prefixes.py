"""Rows of cached beginnings: the numbers of the rows are on each block's device."""

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from tvsight.interventions.prefixes import ChosenRows, Prefixes


def layer(device: str | None) -> DynamicLayer:
    """The cache of a block; None: nothing is cached yet."""
    made = DynamicLayer()
    if device is not None:
        made.update(torch.zeros(3, 2, 5, 4, device=device), torch.zeros(3, 2, 5, 4, device=device))
    return made


def test_numbers_of_rows_are_placed_once_for_each_device() -> None:
    cache = DynamicCache()
    cache.layers = [layer("meta"), layer("cpu"), layer("meta"), layer(None)]
    mask = torch.tensor([[1] * 5, [0] * 5, [1] * 5])
    chosen = Prefixes(cache, mask).rows([1, 0, 1, 2])
    assert chosen.mask.sum(dim=1).tolist() == [0, 5, 0, 5]
    found = [one.index for one in chosen.cache.layers if isinstance(one, ChosenRows)]
    assert [index.device.type for index in found] == ["meta", "cpu", "meta", "cpu"]
    assert found[0] is found[2]
    assert found[1].tolist() == found[3].tolist() == [1, 0, 1, 2]
