from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.helpers.drafts import draft
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.models.loading import Model, load
from tvsight.protocol.head_effects import KnownHeads


@pytest.fixture(autouse=True)
def drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are written quickly."""
    draft(monkeypatch)


@pytest.fixture(scope="module")
def zero_heads() -> Iterator[None]:
    """Every mean head is zero."""
    with pytest.MonkeyPatch.context() as patch:
        zeros = torch.zeros(DEPTH, HEADS, WIDTH // HEADS)
        patch.setattr(KnownHeads, "means", lambda known, task: zeros)
        yield


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Callable[[str], Path]) -> Model:
    """A tiny model that no test changes."""
    return load(str(tiny_checkpoint("qwen2")), device="cpu")
