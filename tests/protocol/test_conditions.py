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
from tvsight.execution.here import run
from tvsight.interventions.answers import Answers, answers, joined, mapped
from tvsight.interventions.application import apply_vectors, cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import load
from tvsight.protocol.conditions import (
    BASELINE,
    Condition,
    Prompts,
    Read,
    at,
    distinct,
    no_op,
    read_together,
)
from tvsight.protocol.measure import best_layer, check_no_op

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
    log_probability, margin = places + 0.25, places + 0.5
    return {"token": places, "log_probability": log_probability, "margin": margin}


CONDITIONS = [
    BASELINE,
    Condition("every block", random(3, DEPTH, WIDTH), range(DEPTH)),
    Condition("one block", random(3, 1, WIDTH, seed=1), [3]),
    Condition("of the task, blocks backwards", random(1, DEPTH, WIDTH, seed=2), [3, 0]),
    Condition("added", random(WIDTH, seed=3), [1, 2], "add"),
    no_op([2]),
]
EPISODES = [2, 0, 0]
"""The prompt of each episode: the second and the third have the same."""


def states_of(decoder: Decoder) -> list[Tensor]:
    prompts = Prompts(decoder, [PROMPTS[n] for n in EPISODES], [70, 80, 80])
    states = prompts.states(CONDITIONS)
    return [of if len(of) == len(EPISODES) else of[prompts.index] for of in states]


def states_one_by_one(decoder: Decoder) -> list[Tensor]:
    """The same with one patch a forward."""
    cached = cache_prompts(decoder, PROMPTS)
    unpatched = unpatched_states(decoder, cached)[EPISODES]
    found = []
    for one in CONDITIONS:
        if one.vectors is None:
            found.append(unpatched[:, [-1]])
            continue
        vectors = one.vectors.expand(unpatched.shape)
        if one.use == "add":
            vectors = vectors + unpatched
        found.append(
            torch.stack(
                [
                    torch.cat(
                        [
                            apply_vectors(decoder, cached, [prompt], [block], vectors[[row], block])
                            for block in one.blocks
                        ]
                    )
                    for row, prompt in enumerate(EPISODES)
                ]
            )
        )
    return found


def test_conditions_that_run_together_have_the_states_of_each_patch(decoder: Decoder) -> None:
    found, wanted = run(decoder, states_of), run(decoder, states_one_by_one)
    for one, states, expected in zip(CONDITIONS, found, wanted, strict=True):
        torch.testing.assert_close(states, expected, rtol=0, atol=TOLERANCE, msg=one.procedure)
    torch.testing.assert_close(found[-1], found[0], rtol=0, atol=TOLERANCE)
    labelled = CONDITIONS[2]._replace(labels={"source": "x"})
    baseline, patched = Prompts(decoder, PROMPTS, [70, 80, 90]).read([BASELINE, labelled])
    assert (baseline["blocks"], baseline["answers"]["token"].shape) == (None, (3,))
    assert (patched["blocks"], patched["answers"]["token"].shape) == ([3], (3, 1))
    assert (baseline["labels"], patched["labels"]) == ({}, {"source": "x"})
    assert [read["procedure"] for read in (baseline, patched)] == ["baseline", "one block"]
    rows = torch.cat([states[:2].flatten(0, 1) for states in found[1:-1]])
    assert min(float((a - b).abs().max()) for a, b in combinations(rows, 2)) > 10 * TOLERANCE


def answered_one_by_one(
    decoder: Decoder, states: Tensor, expected: list[int], right: list[list[int]]
) -> Answers:
    """As `read_together` answers one group."""
    rows = states.flatten(0, -2)
    of_each = len(rows) // len(expected)
    known = [known for known in zip(expected, right, strict=True) for _ in range(of_each)]
    read = [
        answers(decoder, row[None], [token], [tokens])
        for row, (token, tokens) in zip(rows, known, strict=True)
    ]
    return mapped(joined(read), lambda values: values.view(states.shape[:-1]))


def test_groups_that_are_read_together_have_the_answers_of_each_state(decoder: Decoder) -> None:
    groups = [
        (random(3, WIDTH), [70, 71, 72], [[70, 5], [71], [72, 6, 9]]),
        (random(2, DEPTH, WIDTH, seed=1), [80, 90], [[80], [90, 4]]),
        (random(2, 3, 2, WIDTH, seed=2), [75, 85], [[75, 3], [85]]),
    ]
    found = run(decoder, read_together, groups)
    for read, group in zip(found, groups, strict=True):
        wanted = run(decoder, answered_one_by_one, *group)
        for value in ("token", "rank"):
            assert read[value].equal(wanted[value])
        for value in ("log_probability", "margin"):
            torch.testing.assert_close(read[value], wanted[value], rtol=0, atol=TOLERANCE)
    together = torch.cat([of["log_probability"].flatten() for of in found])
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
    def check(baseline: Answers, patched: Answers, dtype: str = "float32") -> None:
        of_block = mapped(patched, lambda values: values[:, None])
        plain: Read = {"procedure": "icl", "blocks": None, "labels": {}, "answers": baseline}
        check_no_op(
            [plain, {**plain, "procedure": "no_op", "answers": of_block}], dtype, unpatched="icl"
        )

    baseline = read([4, 7], [0.5, 1e-4])
    check(baseline, read([4, 8]))
    with pytest.raises(MeasurementError, match="changed 1 of 2"):
        check(baseline, read([5, 7]))
    check(read([4, 7], [0.2, 0.2]), read([5, 8]), "bfloat16")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2))))
def test_distinct_items_keep_their_order_and_give_back_the_list(items: list[object]) -> None:
    once, index = distinct(items)
    assert once == list(dict.fromkeys(items))
    assert [once[number] for number in index] == items
