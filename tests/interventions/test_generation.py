"""Whole answers: early ends, memory shortage, and rows that are refused."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.tiny_models import RANDOM_SHAPE
from tvsight.errors import MeasurementError, ShortOfMemory, UsageError
from tvsight.interventions import application, generation
from tvsight.interventions.application import CachedPrompts
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import ENDED, Patches, force, generate
from tvsight.interventions.prefixes import Prefixes

PROMPTS = [[5, 6, 7], [8, 9], [7], [5, 6, 7, 8, 9]]
MOST = 6
ROWS = Patches([0, 1, 2, 3, 0], [None, 1, None, 3, 0], torch.ones(5, RANDOM_SHAPE["hidden_size"]))


@pytest.fixture(scope="module")
def cached(decoder: Decoder) -> CachedPrompts:
    return application.cache_prompts(decoder, PROMPTS)


@pytest.fixture(scope="module")
def unstopped(decoder: Decoder, cached: CachedPrompts) -> Tensor:
    """The tokens that are generated where nothing stops a row."""
    return generate(decoder, cached, ROWS, MOST, ())


def test_rows_end_with_their_stop_token_and_cost_no_further_step(
    decoder: Decoder, cached: CachedPrompts, unstopped: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = set(unstopped[:, 2].tolist())
    steps: list[int] = []

    def spy(decoder: Decoder, prefixes: Prefixes, tokens: Sequence[int], *patches: Any) -> Tensor:
        steps.append(len(tokens))
        return original(decoder, prefixes, tokens, *patches)

    original = generation.continue_prefixes
    monkeypatch.setattr(generation, "continue_prefixes", spy)
    generated = generate(decoder, cached, ROWS, MOST, stops)
    lengths = []
    for found, whole in zip(generated.tolist(), unstopped.tolist(), strict=True):
        lengths.append(1 + next(step for step, token in enumerate(whole) if token in stops))
        assert found == whole[: lengths[-1]] + [ENDED] * (MOST - lengths[-1])
    assert sum(steps) == sum(lengths)
    assert max(lengths) == 3


def test_the_first_token_is_the_answer_of_one_token(
    decoder: Decoder, cached: CachedPrompts, unstopped: Tensor
) -> None:
    patched = [row for row, layer in enumerate(ROWS.layers) if layer is not None]
    states = application.apply_vectors(
        decoder,
        cached,
        [ROWS.prompts[row] for row in patched],
        [ROWS.layers[row] or 0 for row in patched],
        ROWS.vectors[patched],
    )
    one = generation.answers(decoder, states, [3] * len(patched))
    assert torch.equal(generate(decoder, cached, ROWS, 1, ())[patched, 0], one["token"])
    assert torch.equal(unstopped[patched, 0], one["token"])
    forced = force(decoder, cached, ROWS, [[3]] * len(ROWS.prompts))
    torch.testing.assert_close(forced["first"]["log_probability"][patched], one["log_probability"])
    assert torch.equal(forced["first"]["log_probability"], forced["answer_log_probability"])


def test_rows_that_do_not_fit_the_memory_are_repeated_in_parts(
    decoder: Decoder, cached: CachedPrompts, unstopped: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(decoder: Decoder, prefixes: Prefixes, tokens: Sequence[int], *patches: Any) -> Tensor:
        if len(tokens) > 1 and prefixes.length > 3:
            raise torch.OutOfMemoryError
        return original(decoder, prefixes, tokens, *patches)

    original = generation.continue_prefixes
    monkeypatch.setattr(generation, "continue_prefixes", short)
    with pytest.warns(ShortOfMemory):
        assert torch.equal(generate(decoder, cached, ROWS, MOST, ()), unstopped)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompts": [0, 1, 2, 4, 0]}, r"^chosen: expected a prompt of range\(0, 4\)"),
        ({"layers": [None, 1, None, 4, 0]}, "^layer: .* 0 to 3, got int 4"),
        ({"layers": [None, 1]}, "^layers: expected a block or None for each of 5 rows"),
        ({"vectors": torch.ones(4, 64)}, r"^vectors: expected floating-point numbers \[5, 64\]"),
    ],
)
def test_rows_that_are_none_are_refused(
    decoder: Decoder, cached: CachedPrompts, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        generate(decoder, cached, ROWS._replace(**change), MOST, ())


def test_answers_without_a_token_and_vectors_that_are_not_finite_are_refused(
    decoder: Decoder, cached: CachedPrompts
) -> None:
    refused = partial(pytest.raises, UsageError, match="^given: expected an answer of at least one")
    with refused():
        force(decoder, cached, ROWS, [[1], [1], [], [1], [1]])
    with refused():
        force(decoder, cached, ROWS, [[1]])
    with pytest.raises(MeasurementError, match="NaN or infinity"):
        generate(decoder, cached, ROWS._replace(vectors=ROWS.vectors * torch.nan), MOST, ())


def test_vectors_at_every_token_stay_with_their_rows_when_others_end(
    decoder: Decoder, cached: CachedPrompts
) -> None:
    vectors = 0.05 * torch.randn(ROWS.vectors.shape, generator=torch.Generator().manual_seed(0))
    added = ROWS._replace(added=[False, False, False, True, False], vectors=vectors)
    every = added._replace(every=True)
    whole = generate(decoder, cached, every, MOST, ()).tolist()
    assert whole != generate(decoder, cached, added, MOST, ()).tolist()
    for stop in {row[0] for row in whole}:
        found = generate(decoder, cached, every, MOST, {stop}).tolist()
        for row, tokens in zip(found, whole, strict=True):
            length = 1 + tokens.index(stop) if stop in tokens else MOST
            assert row == tokens[:length] + [ENDED] * (MOST - length)
