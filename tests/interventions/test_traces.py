"""The tracing contexts: padding, and a patch that changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers.tiny_models import DEPTH
from tvsight.interventions import traces
from tvsight.models.loading import load

NO_OP_TOLERANCE = 1e-5

Checkpoints = Callable[[str], Path]


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
