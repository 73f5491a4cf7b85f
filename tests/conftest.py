"""Fixtures that several test files use."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.helpers import tiny_models


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint directory of a family (one of `tiny_models.FAMILIES`), built on first use."""
    root = tmp_path_factory.mktemp("checkpoints")
    return cache(lambda family: tiny_models.build(family, root / family))
