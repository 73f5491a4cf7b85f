from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.helpers.piece_tokenizer import piece_tokenizer


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[[Iterable[str]], Any]:
    """Makes a tokenizer that knows single characters and the given longer pieces."""
    return piece_tokenizer
