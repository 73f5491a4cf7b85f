"""What a run says about bfloat16 is what this processor can do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tvsight.models import processor

CPUINFO = Path("/proc/cpuinfo")


def capabilities(monkeypatch: pytest.MonkeyPatch, **named: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: named, raising=False)


@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16", "bf16"])
def test_each_instruction_for_bfloat16_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities(monkeypatch, avx2=True, **{name: True})
    assert processor.has_bfloat16()
    capabilities(monkeypatch, avx2=True, **{name: False})
    assert not processor.has_bfloat16()


def test_an_older_torch_tells_of_no_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not processor.has_bfloat16()


@pytest.mark.skipif(
    not CPUINFO.is_file() or not hasattr(torch.cpu, "get_capabilities"),
    reason="needs /proc/cpuinfo, and a torch that knows the processor",
)
def test_the_instructions_are_those_that_the_system_lists() -> None:
    listed = set(re.findall(r"\b(amx_bf16|avx512_bf16|bf16)\b", CPUINFO.read_text()))
    assert processor.has_bfloat16() == bool(listed)


def test_without_instructions_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities(monkeypatch, avx2=True)
    monkeypatch.delattr(processor, "_product")
    assert processor.bfloat16_rate() == 0.0


def test_the_rate_is_that_of_the_fastest_product_of_each_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a clock that only products move: the first of each is slow, as first calls are."""
    capabilities(monkeypatch, amx_bf16=True)
    clock = [0.0]
    spent = {torch.float32: [90.0, 8.0, 4.0, 9.0, 8.0, 8.0], torch.bfloat16: [70.0, 5, 5, 5, 1, 5]}

    def product(dtype: torch.dtype) -> Callable[[], None]:
        left = iter(spent[dtype])

        def run() -> None:
            clock[0] += next(left)

        return run

    monkeypatch.setattr(processor, "_product", product)
    monkeypatch.setattr(processor.time, "perf_counter", lambda: clock[0])
    assert processor.bfloat16_rate() == 4.0


def test_the_products_of_both_precisions_are_the_same_work() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        found = processor._product(dtype)()
        assert isinstance(found, torch.Tensor)
        assert found.dtype == dtype
        assert found.shape == (processor.ROWS, processor.OUTPUTS)
        assert (found == processor.INPUTS).all()


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0, 1.49])
def test_a_processor_that_gains_little_is_not_mentioned(rate: float) -> None:
    assert processor.faster_precision(rate) is None


def test_the_line_names_the_option_and_the_share_of_the_time() -> None:
    line = processor.faster_precision(4.4)
    assert line is not None
    assert "4.4 times as fast" in line
    assert "--dtype bfloat16 would take about 32% of the time" in line
    assert "\n" not in line
