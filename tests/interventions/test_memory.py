"""Memory that is short, and sizes of batches, change no number."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from benchmarks.models import random_prompts
from tests.helpers.tiny_models import RANDOM_SHAPE
from tvsight.execution import here
from tvsight.interventions import batching, heads, traces
from tvsight.interventions.answers import Answers
from tvsight.interventions.application import cache_prompts, unpatched_states
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.prefixes import Prefixes
from tvsight.models import precision
from tvsight.prompts import PromptTokens
from tvsight.protocol.measure import Comparison, measure


@pytest.fixture(scope="module")
def prompts() -> tuple[PromptTokens, PromptTokens]:
    return next(random_prompts(RANDOM_SHAPE["vocab_size"], tasks=1, per_split=12))


def assert_same_measurement(found: Comparison, wanted: Comparison) -> None:
    for split in ("dev", "test"):
        torch.testing.assert_close(
            found[split]["vectors"], wanted[split]["vectors"], rtol=1e-3, atol=1e-5
        )
    assert found["layers"] == wanted["layers"]
    for split in ("dev", "test"):
        for one, other in zip(found[split]["read"], wanted[split]["read"], strict=True):
            assert (one["procedure"], one["blocks"]) == (other["procedure"], other["blocks"])
            assert_same_answers(one["answers"], other["answers"])


def assert_same_answers(found: Answers, wanted: Answers) -> None:
    """The same tokens where none is tied, and numbers that differ by far less than a tie."""
    decided = wanted["margin"] > precision.TIE["float32"]
    assert decided.float().mean() > 0.9
    assert torch.equal(found["token"][decided], wanted["token"][decided])
    for name in ("log_probability", "margin"):
        torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=1e-4)


def read_and_replaced(
    decoder: Decoder, prompts: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The heads of prompts, and their last states with a head replaced in each, and two."""
    cached = cache_prompts(decoder, prompts)
    unpatched = unpatched_states(decoder, cached)
    read = heads.last_heads(decoder, cached)
    chosen = [row for row in range(len(prompts)) for _ in range(2)]
    patches = [patch for row in chosen[::2] for patch in ([(row % 4, 1)], [(0, 2), (3, row % 4)])]
    values = 2 * read.mean(dim=0).flip(0)
    return read, heads.with_heads_replaced(decoder, cached, unpatched, chosen, patches, values)


def test_a_device_short_of_memory_gives_the_same_numbers_and_says_so(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = here.run(decoder, measure, *prompts)
    checked = Decoder._checked

    def short_of_memory(self: Decoder, states: torch.Tensor) -> torch.Tensor:
        if len(states) > 5:
            raise torch.OutOfMemoryError("simulated")
        return checked(self, states)

    monkeypatch.setattr(Decoder, "_checked", short_of_memory)
    monkeypatch.setattr(batching, "CPU_TOKENS", 120)
    with pytest.warns(UserWarning, match="do not fit the memory: going on with"):
        found = here.run(decoder, measure, *prompts)
    assert_same_measurement(found, wanted)


@pytest.mark.parametrize(("positions", "rows"), [(60, 1), (100_000, 10_000)])
def test_the_size_of_batches_changes_no_number(
    decoder: Decoder,
    prompts: tuple[PromptTokens, PromptTokens],
    monkeypatch: pytest.MonkeyPatch,
    positions: int,
    rows: int,
) -> None:
    wanted = here.run(decoder, measure, *prompts)
    monkeypatch.setattr(batching, "CPU_TOKENS", positions)
    monkeypatch.setattr(batching, "CPU_ROWS", rows)
    assert_same_measurement(here.run(decoder, measure, *prompts), wanted)


def test_heads_are_the_same_on_a_device_short_of_memory(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    shortened = [ids[: len(ids) - row % 3] for row, ids in enumerate(prompts[0]["zero_shot"])]
    wanted = here.run(decoder, read_and_replaced, shortened)

    def short_of_memory(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def run(decoder: Decoder, prefixes: Prefixes, *arguments: Any) -> torch.Tensor:
            if len(prefixes.mask) > 3:
                raise torch.OutOfMemoryError("simulated")
            return function(decoder, prefixes, *arguments)

        return run

    for name in ("read_heads", "replace_heads"):
        monkeypatch.setattr(heads, name, short_of_memory(getattr(traces, name)))
    with pytest.warns(UserWarning, match="do not fit the memory: going on with"):
        found = here.run(decoder, read_and_replaced, shortened)
    for of_found, of_wanted in zip(found, wanted, strict=True):
        torch.testing.assert_close(of_found, of_wanted, rtol=0, atol=1e-5)
