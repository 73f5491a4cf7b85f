"""A tiny model, and a vector of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import tvsight
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("gpt2")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> LoadedModel:
    return tvsight.load(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def simulated(checkpoint: Path) -> LoadedModel:
    """The same model, as if it were on a server."""
    return tvsight.load(checkpoint, device="cpu", remote="simulated")


@pytest.fixture(scope="module")
def theta(model: LoadedModel) -> Vector:
    values = 5 * torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(3))
    return Vector(model, "to_upper", values, layer=2)
