"""What the engine does when a device is short of memory, and how it divides a sweep."""

import pytest
import torch

from benchmarks.models import random_prompts
from tests.benchmarks.test_speed import SHAPE
from tvsight import batching, execution
from tvsight.experiments.main_results import measure
from tvsight.models.decoder import Decoder
from tvsight.models.random import random_llama
from tvsight.prompts import PromptTokens


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return random_llama(SHAPE, "cpu", torch.float32)


@pytest.fixture(scope="module")
def prompts() -> tuple[PromptTokens, PromptTokens]:
    return next(random_prompts(SHAPE["vocab_size"], tasks=1, per_split=12))


def assert_same_measurement(found: dict, wanted: dict) -> None:
    for split in ("dev", "test"):
        torch.testing.assert_close(
            found[split]["vectors"], wanted[split]["vectors"], rtol=1e-3, atol=1e-5
        )
    assert found["layers"] == wanted["layers"]
    assert torch.equal(found["test"]["icl"]["token"], wanted["test"]["icl"]["token"])
    for procedure, swept in wanted["dev"]["sweep"].items():
        assert torch.equal(found["dev"]["sweep"][procedure]["token"], swept["token"])


def test_a_device_short_of_memory_gives_the_same_numbers_and_says_so(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = execution.run(decoder, measure, *prompts)
    checked = Decoder._checked

    def short_of_memory(self: Decoder, states: torch.Tensor) -> torch.Tensor:
        if len(states) > 5:
            raise torch.OutOfMemoryError("simulated")
        return checked(self, states)

    monkeypatch.setattr(Decoder, "_checked", short_of_memory)
    monkeypatch.setattr(batching, "CPU_TOKENS", 120)
    with pytest.warns(UserWarning, match="do not fit the memory: going on with"):
        found = execution.run(decoder, measure, *prompts)
    assert_same_measurement(found, wanted)


@pytest.mark.parametrize(("positions", "rows"), [(60, 1), (2048, 30), (100_000, 10_000)])
def test_the_size_of_batches_changes_no_number(
    decoder: Decoder,
    prompts: tuple[PromptTokens, PromptTokens],
    monkeypatch: pytest.MonkeyPatch,
    positions: int,
    rows: int,
) -> None:
    wanted = execution.run(decoder, measure, *prompts)
    monkeypatch.setattr(batching, "CPU_TOKENS", positions)
    monkeypatch.setattr(batching, "CPU_ROWS", rows)
    assert_same_measurement(execution.run(decoder, measure, *prompts), wanted)
