"""Where a measurement runs. Experiments hand over a function; only this file knows the place."""

from collections.abc import Callable
from typing import Any, TypeVar

import nnsight

from tvsight.models.decoder import Decoder

Result = TypeVar("Result")


def run(decoder: Decoder, function: Callable[..., Result], *arguments: Any) -> Result:
    """`function(decoder, *arguments)` in one nnsight session: every trace in it is one job.

    Args:
        function: takes the decoder and plain Python, returns tensors and plain Python.
    """
    with decoder.nn.session():
        result = nnsight.save(function(decoder, *arguments))
    return result
