from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import MeasurementError
from tvsight.methods.method import Method, extract
from tvsight.protocol.conditions import Condition

DECODER: Any = SimpleNamespace(depth=DEPTH, width=WIDTH)
PROMPTS: Any = {"shared": [[1], [2], [3]]}


def returning(found: object) -> Any:
    return lambda decoder, prompts: found


@pytest.mark.parametrize(
    ("of", "found", "message"),
    [
        ("episode", torch.zeros(DEPTH, WIDTH), r"\[5, 32\]; vectors \[3, 5, 32\] of each episode"),
        ("episode", torch.zeros(2, DEPTH, WIDTH), r"\[2, 5, 32\]; vectors \[3, 5, 32\]"),
        ("task", torch.zeros(3, DEPTH, WIDTH), r"\[3, 5, 32\]; vectors \[5, 32\] of each task"),
        ("task", torch.zeros(WIDTH), r"\[32\]; vectors \[5, 32\]"),
        ("task", None, r"NoneType; vectors \[5, 32\]"),
    ],
)
def test_another_shape_is_named(of: Any, found: object, message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        extract(DECODER, PROMPTS, Method(returning(found), of=of))


def test_the_vector_of_a_task_is_that_of_every_episode() -> None:
    vector = torch.randn(DEPTH, WIDTH)
    found = extract(DECODER, PROMPTS, Method(returning(vector), of="task"))
    assert torch.equal(found, torch.stack([vector] * 3))


def test_what_is_needed_and_settings_arrive_by_name() -> None:
    base = Method(returning(torch.ones(3, DEPTH, WIDTH)))

    def scaled(decoder: object, prompts: object, given: Tensor, factor: float) -> Tensor:
        return factor * given

    method = Method(scaled, needs={"given": base})
    found = extract(DECODER, PROMPTS, method, {"factor": 2.5})
    assert torch.equal(found, torch.full((3, DEPTH, WIDTH), 2.5))


@pytest.mark.parametrize(("use", "expected"), [("overwrite", 1.0), ("add", 3.0)])
def test_vectors_are_written_over_states_or_added(use: Any, expected: float) -> None:
    states = torch.full((2, WIDTH), 2.0, dtype=torch.bfloat16)
    placed = Condition("", torch.ones(WIDTH), [0], use).applied(states[:, None])
    assert placed.dtype == torch.bfloat16
    assert placed.unique().tolist() == [expected]


def test_a_method_that_ends_the_program_fails_alone() -> None:
    def ends(decoder: object, prompts: object) -> Tensor:
        raise SystemExit(0)

    with pytest.raises(MeasurementError, match=r"ended the program, exit\(0\)"):
        extract(DECODER, PROMPTS, Method(ends))
