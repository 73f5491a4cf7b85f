"""Blocks that take their time on a server, or fail there. They travel by source.

In the rehearsal, which is recognised by its model's vocabulary, they do neither.
"""

from time import sleep
from typing import Any

from tvsight.models.random import TINY
from tvsight.protocol.measure import measure as measure_at_once

SECONDS = 5.0
REHEARSAL_VOCABULARY = TINY["vocab_size"]
COMPLAINT = "this block cannot be run"


def measure(decoder: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
    """`main_results.measure`, after a while."""
    if decoder.vocabulary > REHEARSAL_VOCABULARY:
        sleep(SECONDS)
    return measure_at_once(decoder, *arguments, **named)


def broken(decoder: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
    if decoder.vocabulary > REHEARSAL_VOCABULARY:
        raise ValueError(COMPLAINT)
    return measure_at_once(decoder, *arguments, **named)


def doubled(decoder: Any, means: dict[str, Any], progress: Any) -> dict[str, Any]:
    """Vectors that the job brings, `[depth, width]` each, after they were where the model is."""
    for vectors in means.values():
        assert vectors.shape == (decoder.depth, decoder.width)
    return {name: (2 * vectors.to(decoder.device)).cpu() for name, vectors in means.items()}
