"""The yardsticks of the speed benchmark measure what they say."""

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.arithmetic import Work, answer_rates, block_rates, necessary_work
from benchmarks.authors_scheme import measure as measure_as_the_authors
from benchmarks.comparison import compare, tokens_of
from benchmarks.memory import peak_gigabytes
from benchmarks.models import random_prompts
from tests.helpers.tiny_models import RANDOM_SHAPE
from tvsight.execution import here
from tvsight.interventions.batching import ANSWER_ROWS, CPU_TOKENS, logit_tile
from tvsight.interventions.decoder import Decoder
from tvsight.models.random import random_llama
from tvsight.prompts import PromptTokens
from tvsight.protocol.measure import measure

MAX_EXCESS = 1.25
"""Work beyond the necessary: padding, which batches keep under a tenth of long prompts and under
half of the few tokens of a zero-shot one."""


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return random_llama(RANDOM_SHAPE, "cpu", torch.float32)


@pytest.fixture(scope="module")
def prompts() -> tuple[PromptTokens, PromptTokens]:
    return next(random_prompts(RANDOM_SHAPE["vocab_size"], tasks=1, per_split=20))


def test_both_schemes_give_the_same_answers(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens]
) -> None:
    ours = here.run(decoder, measure, *prompts)
    theirs = measure_as_the_authors(decoder, *prompts)
    for split in ("dev", "test"):
        for one in ours[split]["read"]:
            if split == "test" or one["procedure"] in ours["layers"]:
                assert torch.equal(*tokens_of(split, one, theirs))
    assert len(set(theirs["sweep_task_vector"].flatten().tolist())) > 10


def test_a_comparison_prints_times_ratios_and_agreement(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.arithmetic.SECONDS", 0.01)
    said: list[str] = []
    measured, seconds = compare(decoder, [prompts], 2, 1, said.append)
    assert len(measured) == 1
    assert seconds > 0
    assert said[0].startswith("tvsight, measured 2 x (")
    answers = 20 * (4 + 2 * decoder.depth)
    assert f"same answers {answers} of {answers}" in "\n".join(said)


def test_the_engine_does_the_necessary_work_and_little_more(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens]
) -> None:
    work = necessary_work(decoder, *prompts)
    done = matrix_products(lambda: here.run(decoder, measure, *prompts))
    linear = work.answers + linear_part(decoder, prompts, work)
    assert linear <= done <= MAX_EXCESS * linear


def test_the_authors_scheme_does_more_than_twice_the_work(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens]
) -> None:
    ours = matrix_products(lambda: here.run(decoder, measure, *prompts))
    theirs = matrix_products(lambda: measure_as_the_authors(decoder, *prompts))
    assert theirs > 2 * ours


def test_rates_include_the_engines_own_sizes(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.arithmetic.SECONDS", 0.01)
    rows, tokens = logit_tile(decoder.device, ANSWER_ROWS, decoder.vocabulary, whole=False)
    assert f"{rows} rows x {tokens} tokens" in answer_rates(decoder)
    assert f"{CPU_TOKENS} rows" in block_rates(decoder)


def test_a_rate_is_that_of_the_product_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("benchmarks.arithmetic.time.perf_counter", lambda: next(clock))
    wide = random_llama(RANDOM_SHAPE | {"vocab_size": 20000}, "cpu", torch.float32)
    with FlopCounterMode(display=False) as counter:
        rates = answer_rates(wide)
    # With a clock that ticks once a reading, each size runs twice and takes one second.
    assert counter.get_total_flops() == 2 * sum(rates.values())
    assert len(rates) == 4


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_gigabytes()
    held = torch.ones(int((before + 0.1) * 1e9 / 4))
    assert peak_gigabytes() >= before + 0.1
    assert held.sum() > 0


def matrix_products(run: Callable[[], object]) -> int:
    """Operations in the products of states with weights, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        run()
    counts = counter.get_flop_counts()["Global"]
    return sum(counts.get(op, 0) for op in (torch.ops.aten.mm, torch.ops.aten.addmm))


def linear_part(decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens], work: Work) -> float:
    """The work in blocks without attention, which `matrix_products` does not count: what remains
    when every position sees nothing."""
    from benchmarks import arithmetic

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arithmetic, "_attention_width", lambda _: 0)
        without = necessary_work(decoder, *prompts).blocks
    assert without < work.blocks
    return without
