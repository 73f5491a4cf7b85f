from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.helpers.tiny_models import DEPTH, EVERY_FAMILY, HEADS
from tvsight.errors import UsageError
from tvsight.execution.here import run
from tvsight.interventions.patterns import Eager, attention_paid
from tvsight.models.loading import load

TOKENS = 12
PAIRS = [(TOKENS + place, place + 1) for place in range(TOKENS)]
IDS = torch.randint(5, 300, (3, TOKENS), generator=torch.Generator().manual_seed(0)).repeat(1, 2)


def expected(checkpoint: Path) -> Tensor:
    """The same sums from what transformers returns, `[prompts, depth, heads]`."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, attn_implementation="eager")
    with torch.no_grad():
        read = model(IDS, output_attentions=True, use_cache=False).attentions
    return torch.stack([sum(block[:, :, q, k] for q, k in PAIRS) for block in read], dim=1)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_sums_are_those_of_transformers_and_attention_stays_as_it_was(
    tiny_checkpoint: Callable[[str], Path], family: str
) -> None:
    checkpoint = tiny_checkpoint(family)
    decoder = load(str(checkpoint), device="cpu").decoder
    before = decoder.nn.config._attn_implementation
    found = run(decoder, attention_paid, IDS.tolist(), PAIRS)
    assert found.shape == (3, DEPTH, HEADS)
    torch.testing.assert_close(found, expected(checkpoint), atol=1e-5, rtol=0)
    assert decoder.nn.config._attn_implementation == before
    # The window of Mistral is shorter than the way back to the earlier copy.
    assert found.any() == (family != "mistral")


def test_a_server_reads_the_same(tiny_checkpoint: Callable[[str], Path]) -> None:
    decoder = load(str(tiny_checkpoint("gemma3")), device="cpu").decoder
    here = run(decoder, attention_paid, IDS.tolist(), PAIRS)
    there = run(decoder, attention_paid, IDS.tolist(), PAIRS, remote="local")
    assert torch.equal(here, there)
    with pytest.raises(ZeroDivisionError), Eager(decoder):
        raise ZeroDivisionError
    assert decoder.nn.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("prompts", "pairs", "named"),
    [
        ([[5, 6], [5]], [(1, 0)], "one length"),
        ([[5, 6]], [(0, 1)], "none ahead"),
        ([[5, 6]], [(2, 0)], "2 tokens"),
        ([[5, 6]], [], "2 tokens"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tiny_checkpoint: Callable[[str], Path],
    prompts: list[list[int]],
    pairs: list[tuple[int, int]],
    named: str,
) -> None:
    decoder = load(str(tiny_checkpoint("llama")), device="cpu").decoder
    with pytest.raises(UsageError, match=named):
        attention_paid(decoder, prompts, pairs)
