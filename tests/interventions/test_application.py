"""Patches that are refused: no such block or prompt, vectors of another form."""

from functools import partial
from typing import Any

import pytest
import torch

from tests.helpers.tiny_models import RANDOM_SHAPE
from tvsight.errors import MeasurementError, UsageError
from tvsight.interventions import application, traces
from tvsight.interventions.application import CachedPrompts
from tvsight.interventions.decoder import Decoder


@pytest.fixture(scope="module")
def cached(decoder: Decoder) -> CachedPrompts:
    return application.cache_prompts(decoder, [[5, 6, 7], [8, 9]])


@pytest.mark.parametrize("layer", [-1, RANDOM_SHAPE["num_hidden_layers"], True], ids=repr)
def test_what_is_no_block_is_neither_read_nor_patched(
    decoder: Decoder, cached: CachedPrompts, layer: Any
) -> None:
    last = RANDOM_SHAPE["num_hidden_layers"] - 1
    vectors, prefixes = torch.ones(2, decoder.width), cached.groups[0][1].rows([0, 0])
    refused = partial(pytest.raises, UsageError, match=f"^layer: .* 0 to {last}, got ")
    with refused():
        application.apply_vectors(decoder, cached, [0, 1], [1, layer], vectors)
    with refused():
        traces.read_states(decoder, prefixes, [[7], [7]], [layer])


@pytest.mark.parametrize("chosen", [[0, 2], [0, -1], [0]])
def test_a_patch_is_of_a_prompt_that_is_there(
    decoder: Decoder, cached: CachedPrompts, chosen: list[int]
) -> None:
    with pytest.raises(UsageError, match=r"^chosen: expected a prompt of range\(0, 2\)"):
        application.apply_vectors(decoder, cached, chosen, [1, 1], torch.ones(2, decoder.width))


def test_vectors_of_another_form_are_not_applied(decoder: Decoder, cached: CachedPrompts) -> None:
    fit = torch.ones(2, decoder.width)
    told = rf"^vectors: expected floating-point numbers \[2, {decoder.width}\]"
    for vectors in (fit[:, 1:], fit[:1], fit[:, None], fit.long()):
        with pytest.raises(UsageError, match=told):
            application.apply_vectors(decoder, cached, [0, 1], [1, 1], vectors)
    for value in (torch.nan, torch.inf):
        fit[1, 3] = value
        with pytest.raises(MeasurementError, match="NaN or infinity"):
            application.apply_vectors(decoder, cached, [0, 1], [0, 1], fit)
