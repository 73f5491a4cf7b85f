"""Two tiny models, one of which normalises its attention's output, and what is learnt for them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.helpers.method_prompts import Split, method_prompts
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.experiments.function_vectors.measure import Learnt
from tvsight.models.loading import Model, load

EVERY = [(layer, head) for layer in range(DEPTH) for head in range(HEADS)]


class Case(NamedTuple):
    """A model, the same in plain PyTorch, prompts, and means and rankings of three tasks."""

    model: Model
    reference: HeadsReference
    prompts: Split
    learnt: Learnt


@pytest.fixture(scope="package", params=["qwen2", "gemma3"])
def case(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Case:
    checkpoint = tiny_checkpoint(request.param)
    model = load(str(checkpoint), device="cpu")
    generator = torch.Generator().manual_seed(0)
    shape = (3, DEPTH, HEADS, model.decoder.attention.head_width)
    orders = [torch.randperm(len(EVERY), generator=generator).tolist() for _ in range(3)]
    learnt: Learnt = {
        "means": 2 * torch.randn(shape, generator=generator),
        "ranking": [[EVERY[place] for place in order] for order in orders],
        "own": 1,
        "counts": [1, 3, 5],
        "heads": 3,
        "random_heads": [EVERY[2:5], EVERY[9:12]],
        "seed": 7,
    }
    assert model.decoder.width == WIDTH
    return Case(model, HeadsReference(checkpoint), method_prompts(model), learnt)
