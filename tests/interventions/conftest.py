import pytest
import torch

from tests.helpers.tiny_models import RANDOM_SHAPE
from tvsight.interventions.decoder import Decoder
from tvsight.models.random import random_llama


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """A small Llama with random weights."""
    return random_llama(RANDOM_SHAPE, "cpu", torch.float32)
