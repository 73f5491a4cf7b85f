from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import MeasurementError
from tvsight.execution import run
from tvsight.experiments.measuring import (
    Patch,
    at,
    best_layer,
    check_no_op,
    distinct,
    patch_together,
    read_together,
)
from tvsight.interventions.answers import Answers, answers
from tvsight.interventions.application import apply_vectors, cache_prompts
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import load

PROMPTS = [[0, 70, 71, 72], [0, 80, 81], [0, 70, 71, 72, 90, 91]]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def decoder(tiny_checkpoint: Callable[[str], Path]) -> Decoder:
    return load(str(tiny_checkpoint("qwen2")), device="cpu").decoder


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def read(token: list[int], margin: list[float] | None = None) -> Answers:
    """Answers with these tokens, decided unless a margin says otherwise."""
    margins = torch.tensor(margin or [1.0] * len(token))
    return {
        "token": torch.tensor(token),
        "log_probability": -torch.ones(len(token)),
        "margin": margins,
        "rank": torch.ones(len(token), dtype=torch.long),
    }


def grid(*shape: int) -> Answers:
    """Answers whose every value names its place."""
    places = torch.arange(torch.Size(shape).numel()).view(shape)
    return {
        "token": places,
        "log_probability": places + 0.25,
        "margin": places + 0.5,
        "rank": places + 1,
    }


def patched_together(decoder: Decoder, patches: dict[str, Patch]) -> dict[str, Tensor]:
    return patch_together(decoder, cache_prompts(decoder, PROMPTS), patches)


def patched_one_by_one(decoder: Decoder, patches: dict[str, Patch]) -> dict[str, Tensor]:
    cached = cache_prompts(decoder, PROMPTS)
    states = {name: torch.empty_like(patch.vectors) for name, patch in patches.items()}
    for name, patch in patches.items():
        for row, prompt in enumerate(patch.prompts):
            for column, layer in enumerate(patch.layers):
                vector = patch.vectors[row, [column]]
                states[name][row, column] = apply_vectors(
                    decoder, cached, [prompt], [layer], vector
                )
    return states


def test_groups_that_are_patched_together_have_the_states_of_each_patch(decoder: Decoder) -> None:
    patches = {
        "every block": Patch([2, 0, 0], range(DEPTH), random(3, DEPTH, WIDTH)),
        "one block": Patch(range(3), [3], random(3, 1, WIDTH, seed=1)),
        "blocks backwards": Patch([1], [4, 0], random(1, 1, WIDTH, seed=2).expand(1, 2, WIDTH)),
    }
    found = run(decoder, patched_together, patches)
    wanted = run(decoder, patched_one_by_one, patches)
    assert list(found) == list(patches)
    for name, states in found.items():
        torch.testing.assert_close(states, wanted[name], rtol=0, atol=TOLERANCE)
    rows = torch.cat([states.flatten(0, 1) for states in found.values()])
    assert min(float((a - b).abs().max()) for a, b in combinations(rows, 2)) > 10 * TOLERANCE


def answered_one_by_one(decoder: Decoder, states: Tensor, expected: list[int]) -> Answers:
    """As `read_together` answers for one group."""
    rows = states.flatten(0, -2)
    tokens = [token for token in expected for _ in range(len(rows) // len(expected))]
    read = [answers(decoder, row[None], [token]) for row, token in zip(rows, tokens, strict=True)]
    shape = states.shape[:-1]
    return {
        "token": torch.cat([one["token"] for one in read]).view(shape),
        "log_probability": torch.cat([one["log_probability"] for one in read]).view(shape),
        "margin": torch.cat([one["margin"] for one in read]).view(shape),
        "rank": torch.cat([one["rank"] for one in read]).view(shape),
    }


def test_groups_that_are_read_together_have_the_answers_of_each_state(decoder: Decoder) -> None:
    groups = {
        "one": (random(3, WIDTH), [70, 71, 72]),
        "by layer": (random(2, DEPTH, WIDTH, seed=1), [80, 90]),
        "by layer and source": (random(2, 3, 2, WIDTH, seed=2), [75, 85]),
    }
    found = run(decoder, read_together, groups)
    assert list(found) == list(groups)
    for name, (states, expected) in groups.items():
        wanted = run(decoder, answered_one_by_one, states, expected)
        assert found[name]["token"].equal(wanted["token"])
        for value in ("log_probability", "margin"):
            torch.testing.assert_close(found[name][value], wanted[value], rtol=0, atol=TOLERANCE)
    together = torch.cat([of["log_probability"].flatten() for of in found.values()])
    assert len(together.unique()) == len(together)


@pytest.mark.parametrize(
    ("index", "dimension", "tokens"),
    [
        (1, 1, [1, 4]),
        (1, 0, [3, 4, 5]),
        ([2, 0], 1, [[2, 0], [5, 3]]),
        ([1, 0, 1], 0, [[3, 4, 5], [0, 1, 2], [3, 4, 5]]),
        (torch.tensor([0]), 1, [[0], [3]]),
    ],
)
def test_a_place_or_an_order_is_taken_of_every_value(
    index: int | Tensor | list[int], dimension: int, tokens: list[int]
) -> None:
    taken, wanted = at(grid(2, 3), index, dimension), torch.tensor(tokens)
    assert taken["token"].equal(wanted)
    assert taken["log_probability"].equal(wanted + 0.25)
    assert taken["margin"].equal(wanted + 0.5)


def test_a_place_is_one_of_the_second_dimension_by_default() -> None:
    assert at(grid(2, 3), 2)["token"].tolist() == [2, 5]


@pytest.mark.parametrize(
    ("by_block", "layer"),
    [
        ([[1, 0, 0], [1, 2, 0], [1, 2, 3]], 2),
        ([[0, 0, 0], [1, 0, 3], [1, 9, 0]], 1),
        ([[0, 0, 0], [0, 0, 0]], 0),
    ],
)
def test_the_best_layer_has_the_most_accepted_answers_and_is_the_lowest(
    by_block: list[list[int]], layer: int
) -> None:
    swept = grid(3, len(by_block)) | {"token": torch.tensor(by_block).T}
    assert best_layer(swept, [[1], [2, 9], [3]]) == layer


def test_only_ties_may_change_under_a_no_op_patch() -> None:
    baseline = read([4, 7], [0.5, 1e-4])
    check_no_op(baseline, read([4, 8]), "float32")
    with pytest.raises(MeasurementError, match="changed 1 of 2"):
        check_no_op(baseline, read([5, 7]), "float32")
    check_no_op(read([4, 7], [0.2, 0.2]), read([5, 8]), "bfloat16")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2))))
def test_distinct_items_keep_their_order_and_give_back_the_list(items: list[object]) -> None:
    once, index = distinct(items)
    assert once == list(dict.fromkeys(items))
    assert [once[number] for number in index] == items
