"""Blocks that take their time on a server, or fail there. They travel by source.

In the rehearsal, which is recognised by its model's depth, they do neither.
"""

from time import sleep
from typing import Any

from tvsight.experiments.main_results import measure as measure_at_once
from tvsight.models.random import TINY

SECONDS = 3.0
REHEARSAL_DEPTH = TINY["num_hidden_layers"]
COMPLAINT = "this block cannot be run"


def measure(decoder: Any, *arguments: Any) -> dict[str, Any]:
    """`main_results.measure`, after a while."""
    if decoder.depth > REHEARSAL_DEPTH:
        sleep(SECONDS)
    return measure_at_once(decoder, *arguments)


def broken(decoder: Any, *arguments: Any) -> dict[str, Any]:
    if decoder.depth > REHEARSAL_DEPTH:
        raise ValueError(COMPLAINT)
    return measure_at_once(decoder, *arguments)
