"""The remark of a run on bfloat16 is true of this processor."""

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
    monkeypatch.delattr(processor, "_product")
    assert processor.bfloat16_rate() == 0.0  # without a product that is timed
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)  # as in an older torch
    assert not processor.has_bfloat16()


@pytest.mark.skipif(
    not CPUINFO.is_file() or not hasattr(torch.cpu, "get_capabilities"),
    reason="needs /proc/cpuinfo, and a torch that knows the processor",
)
def test_the_instructions_are_those_that_the_system_lists() -> None:
    listed = set(re.findall(r"\b(amx_bf16|avx512_bf16|bf16)\b", CPUINFO.read_text()))
    assert processor.has_bfloat16() == bool(listed)


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


def test_the_line_names_the_option_and_the_share_of_the_time() -> None:
    line = processor.faster_precision(4.4)
    assert line is not None
    assert "4.4 times as fast" in line
    assert "--dtype bfloat16 would take about 32% of the time" in line
    assert processor.faster_precision(1.49) is None
