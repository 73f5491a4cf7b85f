import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def checkpoint(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A checkpoint of a family that a test may change."""
    return lambda family: Path(shutil.copytree(tiny_checkpoint(family), tmp_path / "mine"))
