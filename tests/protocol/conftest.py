from collections.abc import Callable
from pathlib import Path

import pytest

from tvsight.models.loading import Model, load


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    """A tiny model that no test changes."""
    return load(str(tiny_checkpoint("qwen2")), device="cpu")
