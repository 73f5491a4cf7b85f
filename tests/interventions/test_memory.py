"""What the engine does when a device is short of memory, how it divides a sweep and logits, and
what it refuses."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.models import random_prompts
from tests.benchmarks.test_speed import SHAPE
from tvsight import execution
from tvsight.errors import MeasurementError, UsageError
from tvsight.experiments.main_results import measure as main_results
from tvsight.experiments.main_results.measure import measure
from tvsight.interventions import answers, application, batching
from tvsight.interventions import traces as interventions
from tvsight.interventions.application import CachedPrompts
from tvsight.interventions.decoder import Decoder
from tvsight.models import precision
from tvsight.models.loading import load
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
    for name in ("baseline", "no_op"):
        assert_same_answers(found["dev"][name], wanted["dev"][name])
    for name in ("baseline", "icl", *main_results.VECTOR_PROCEDURES):
        assert_same_answers(found["test"][name], wanted["test"][name])
    for name in main_results.VECTOR_PROCEDURES:
        assert_same_answers(found["dev"]["sweep"][name], wanted["dev"]["sweep"][name])


def assert_same_answers(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """The same tokens where none is tied, and numbers that differ by far less than a tie."""
    decided = wanted["margin"] > precision.TIE["float32"]
    assert decided.float().mean() > 0.9
    assert torch.equal(found["token"][decided], wanted["token"][decided])
    for name in ("log_probability", "margin"):
        torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=1e-4)


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


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(("rows", "logits"), [(1024, 1 << 22), (7, 91), (3, 1), (1024, 20 * 128)])
@pytest.mark.parametrize("name", ["gptj", "gemma2", "opt_projected"])
def test_answers_read_in_tiles_are_those_of_whole_logits(
    name: str,
    rows: int,
    logits: int,
    plain: bool,
    tiny_checkpoint: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = load(str(tiny_checkpoint(name)), device="cpu").decoder
    assert decoder.has_plain_unembedding
    if not plain:
        monkeypatch.setattr(Decoder, "has_plain_unembedding", False)
    monkeypatch.setattr(batching, "ANSWER_ROWS", rows)
    for limit in ("CPU_LOGIT_BYTES", "GPU_LOGIT_BYTES"):
        monkeypatch.setattr(batching, limit, 4 * logits)
    states = 3 * torch.randn(20, decoder.width, generator=torch.Generator().manual_seed(0))
    expected = [row * 17 % decoder.vocabulary for row in range(19)] + [decoder.vocabulary - 1]
    found = answers.answers(decoder, states, expected)

    model = decoder.nn._module
    readout = states
    for part in ("final_norm", "project_out"):
        readout = getattr(decoder.nn, part)(readout) if hasattr(decoder.nn, part) else readout
    whole = model.get_output_embeddings()(readout)
    if name == "gemma2":
        whole = 4.0 * torch.tanh(whole / 4.0)
    best = whole.topk(2)
    assert torch.equal(found["token"], best.indices[:, 0])
    wanted = whole.log_softmax(dim=1)[range(20), expected]
    torch.testing.assert_close(found["log_probability"], wanted, rtol=0, atol=1e-5)
    margin = best.values[:, 0] - best.values[:, 1]
    torch.testing.assert_close(found["margin"], margin, rtol=0, atol=1e-5)


def test_tied_leaders_have_no_margin_wherever_a_tile_ends(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.zeros(2, decoder.vocabulary)
    logits[0, [3, 400]] = 5.0
    logits[1, [10, 11]] = 5.0
    monkeypatch.setattr(Decoder, "readout", lambda self, states: states)
    monkeypatch.setattr(Decoder, "logits", lambda self, rows, part: logits[:, part].clone())
    for columns in (1, 7, 11, 500):
        monkeypatch.setattr(batching, "CPU_LOGIT_BYTES", 8 * columns)
        found = answers.answers(decoder, torch.zeros(2, decoder.width), [3, 11])
        assert found["token"].tolist() == [3, 10]
        assert found["margin"].tolist() == [0.0, 0.0]


@pytest.fixture(scope="module")
def cached(decoder: Decoder) -> CachedPrompts:
    return application.cache_prompts(decoder, [[5, 6, 7], [8, 9]])


@pytest.mark.parametrize("layer", [-1, SHAPE["num_hidden_layers"], True, 1.0, "1"], ids=repr)
def test_what_is_no_block_is_neither_read_nor_patched(
    decoder: Decoder, cached: CachedPrompts, layer: Any
) -> None:
    last = SHAPE["num_hidden_layers"] - 1
    vectors, prefixes = torch.ones(2, decoder.width), cached.groups[0][1].rows([0, 0])
    refused = partial(pytest.raises, UsageError, match=f"^layer: .* 0 to {last}, got ")
    with refused():
        application.apply_vectors(decoder, cached, [0, 1], [1, layer], vectors)
    with refused():
        interventions.patch_states(decoder, prefixes, [7, 7], [1, layer], vectors)
    with refused():
        interventions.read_states(decoder, prefixes, [[7], [7]], [layer])


@pytest.mark.parametrize("chosen", [[0, 2], [0, -1], [0], [0, 1, 1]])
def test_a_patch_is_of_a_prompt_that_is_there(
    decoder: Decoder, cached: CachedPrompts, chosen: list[int]
) -> None:
    with pytest.raises(UsageError, match=r"^chosen: expected a prompt of range\(0, 2\)"):
        application.apply_vectors(decoder, cached, chosen, [1, 1], torch.ones(2, decoder.width))


@pytest.mark.parametrize("form", ["narrow", "one row", "rank 3", "integers"])
def test_vectors_of_another_form_are_not_applied(
    decoder: Decoder, cached: CachedPrompts, form: str
) -> None:
    fit = torch.ones(2, decoder.width)
    vectors = {
        "narrow": fit[:, 1:],
        "one row": fit[:1],
        "rank 3": fit[:, None],
        "integers": fit.long(),
    }[form]
    told = rf"^vectors: expected floating-point numbers \[2, {decoder.width}\]"
    with pytest.raises(UsageError, match=told):
        application.apply_vectors(decoder, cached, [0, 1], [1, 1], vectors)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_vectors_that_are_not_finite_are_not_applied(
    decoder: Decoder, cached: CachedPrompts, value: float
) -> None:
    vectors = torch.ones(2, decoder.width)
    vectors[1, 3] = value
    with pytest.raises(MeasurementError, match="NaN or infinity"):
        application.apply_vectors(decoder, cached, [0, 1], [0, 1], vectors)


def test_a_stream_of_another_form_is_refused_wherever_it_is_touched(decoder: Decoder) -> None:
    block = SimpleNamespace(output=torch.zeros(1, decoder.width))
    narrow = torch.zeros(1, 1, decoder.width - 1)
    told = rf"residual stream \[rows, positions, {decoder.width}\] was expected"
    for touch in (
        lambda: decoder.read(block),
        lambda: decoder.write(block, narrow),
        lambda: decoder.skip(block, narrow),
    ):
        with pytest.raises(UsageError, match=told):
            touch()


def test_logits_that_are_not_finite_show(decoder: Decoder) -> None:
    states = torch.ones(3, decoder.width)
    states[1] = torch.nan
    found = answers.answers(decoder, states, [5, 5, 5])
    assert found["log_probability"].isfinite().tolist() == [True, False, True]
