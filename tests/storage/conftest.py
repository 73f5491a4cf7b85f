from pathlib import Path

import pytest

from tests.helpers.example_store import example_store
from tvsight.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds `RESULT`."""
    return example_store(tmp_path / "results")
