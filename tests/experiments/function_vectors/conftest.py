from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.function_vector_case import Case, make_case


@pytest.fixture(scope="module", params=["qwen2", "gemma3"])
def case(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Case:
    return make_case(tiny_checkpoint(request.param))
