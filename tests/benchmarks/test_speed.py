"""The yardsticks of the speed benchmark measure what they say."""

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.arithmetic import Work, necessary_work
from benchmarks.authors_scheme import measure as measure_as_the_authors
from benchmarks.models import random_prompts
from tvsight import execution
from tvsight.experiments.main_results import measure
from tvsight.models.decoder import Decoder
from tvsight.models.random import random_llama
from tvsight.prompts import PromptTokens

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 500,
}
MAX_EXCESS = 1.25
"""Work beyond the necessary: padding, which batches keep under a tenth of long prompts and under
half of the few tokens of a zero-shot one."""


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return random_llama(SHAPE, "cpu", torch.float32)


@pytest.fixture(scope="module")
def prompts() -> tuple[PromptTokens, PromptTokens]:
    return next(random_prompts(SHAPE["vocab_size"], tasks=1, per_split=20))


def test_both_schemes_give_the_same_answers(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens]
) -> None:
    ours = execution.run(decoder, measure, *prompts)
    theirs = measure_as_the_authors(decoder, *prompts)
    for name in ("baseline", "icl"):
        assert torch.equal(ours["test"][name]["token"], theirs[name])
    for procedure, swept in ours["dev"]["sweep"].items():
        assert torch.equal(swept["token"].T, theirs[f"sweep_{procedure}"])
        assert torch.equal(ours["test"][procedure]["token"], theirs[procedure])
    assert len(set(theirs["sweep_task_vector"].flatten().tolist())) > 10


def test_the_engine_does_the_necessary_work_and_little_more(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens]
) -> None:
    work = necessary_work(decoder, *prompts)
    done = matrix_products(lambda: execution.run(decoder, measure, *prompts))
    linear = work.answers + linear_part(decoder, prompts, work)
    assert linear <= done <= MAX_EXCESS * linear


def test_the_authors_scheme_does_more_than_twice_the_work(
    decoder: Decoder, prompts: tuple[PromptTokens, PromptTokens]
) -> None:
    ours = matrix_products(lambda: execution.run(decoder, measure, *prompts))
    theirs = matrix_products(lambda: measure_as_the_authors(decoder, *prompts))
    assert theirs > 2 * ours


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
