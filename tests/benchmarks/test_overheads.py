"""The time of a library call beside a forward of its tokens."""

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.overheads import _applied
from tvsight.models.loading import load
from tvsight.tasks import packaged_tasks


def test_a_vector_is_applied_beside_a_forward_of_the_same_tokens(
    tiny_checkpoint: Callable[[str], Path],
) -> None:
    model = load(str(tiny_checkpoint("gpt2")), device="cpu")
    told = _applied(model, packaged_tasks()["to_upper"])
    found = re.fullmatch(r"([\d.]+) x \(([\d.]+) ms, ([\d.]+) ms\)", told)
    assert found is not None
    times, call, forward = map(float, found.groups())
    assert call > forward > 0
    assert abs(times - call / forward) < 0.1 * times
