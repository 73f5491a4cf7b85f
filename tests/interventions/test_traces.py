"""The tracing contexts: padding, and a patch that changes nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.helpers.phrases import EPISODES, token_ids
from tests.helpers.tiny_models import DEPTH
from tvsight.interventions import application, learning, traces
from tvsight.interventions.batching import padded
from tvsight.models.loading import load

NO_OP_TOLERANCE = 1e-5
ONE_LAYER, ALL_LAYERS = 1, 1024
"""Rows per forward that keep the layers of a sweep apart, or put them together."""

Checkpoints = Callable[[str], Path]


def test_prompts_are_padded_on_both_sides(
    tiny_checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    padded_sides = set()

    def spy(prompts: Sequence[list[int]], side: str) -> tuple[Tensor, Tensor]:
        ids, mask = padded(prompts, side)
        if not mask.all():
            padded_sides.add(side)
        return ids, mask

    monkeypatch.setattr(traces, "padded", spy)
    model = load(str(tiny_checkpoint("llama")), device="cpu")
    tokens = token_ids(model, "dev")
    learning.last_states(model.decoder, tokens["shared"], tokens["dummies"])
    assert padded_sides == {"left", "right"}


@pytest.mark.parametrize("rows_per_forward", [ONE_LAYER, ALL_LAYERS])
@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_writing_back_the_state_that_was_read_changes_nothing(
    name: str, rows_per_forward: int, tiny_checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "rows_per_forward", lambda decoder, length: rows_per_forward)
    model = load(str(tiny_checkpoint(name)), device="cpu")
    decoder, prompts = model.decoder, token_ids(model, "test")["zero_shot"]
    cached = application.cache_prompts(decoder, prompts)
    unpatched = application.unpatched_states(decoder, cached)
    read = learning.last_states(
        decoder, [prompt[:-1] for prompt in prompts], [[prompt[-1:]] for prompt in prompts]
    )
    places = [(row, layer) for layer in range(DEPTH) for row in range(EPISODES)]
    rows, layers = ([place[axis] for place in places] for axis in (0, 1))
    own = torch.stack([read[row][0, layer] for row, layer in places])
    patched = application.apply_vectors(decoder, cached, rows, layers, own)
    torch.testing.assert_close(patched, unpatched[rows, -1], rtol=0, atol=NO_OP_TOLERANCE)


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
def test_of_cached_tokens_the_last_feed_forward_is_not_computed(
    name: str, tiny_checkpoint: Checkpoints
) -> None:
    decoder = load(str(tiny_checkpoint(name)), device="cpu").decoder
    ran = []
    for block in decoder.blocks:
        block.mlp._module.register_forward_hook(lambda *_: ran.append(1))
    traces.cache_prefixes(decoder, [[5, 6, 7]])
    assert len(ran) == DEPTH - 1


def test_a_prefix_of_one_token_is_cached(tiny_checkpoint: Checkpoints) -> None:
    decoder = load(str(tiny_checkpoint("llama")), device="cpu").decoder
    cached = traces.cache_prefixes(decoder, [[5], [9]])
    assert cached.cache.get_seq_length() == 1
    continued = traces.read_states(decoder, cached, [[7], [7]], range(DEPTH))
    nothing = traces.cache_prefixes(decoder, [[], []])
    whole = traces.read_states(decoder, nothing, [[5, 7], [9, 7]], range(DEPTH))
    torch.testing.assert_close(continued, whole, rtol=0, atol=NO_OP_TOLERANCE)
