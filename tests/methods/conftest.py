"""Two tiny models, one of which normalises its attention's output, and prompts for them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.method_prompts import Split, method_prompts
from tests.helpers.reference_heads import HeadsReference
from tvsight.models.loading import Model, load


class Case(NamedTuple):
    """A model, the same in plain PyTorch, and prompts."""

    model: Model
    reference: HeadsReference
    prompts: Split


@pytest.fixture(scope="package", params=["qwen2", "gemma3"])
def case(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Case:
    checkpoint = tiny_checkpoint(request.param)
    model = load(str(checkpoint), device="cpu")
    return Case(model, HeadsReference(checkpoint), method_prompts(model))
