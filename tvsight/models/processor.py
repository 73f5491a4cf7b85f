"""Find out whether this processor multiplies matrices faster in bfloat16 than in float32."""

import time
from collections.abc import Callable, Mapping

import torch

INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")
"""Instructions that multiply in bfloat16, by torch's names for x86 and Arm."""
ROWS, INPUTS, OUTPUTS = 512, 640, 1024
"""The product that is timed. In float32 it takes a core about 7 ms."""
REPEATS = 5
PRODUCTS = 0.88
"""The share of matrix products in the time of the central comparison in float32. It was measured on
the embedded model."""
WORTH = 1.5
"""The least ratio of the rates of products at which bfloat16 is worth a note."""


def has_bfloat16() -> bool:
    """Whether the processor has instructions that multiply in bfloat16. False where an older torch
    cannot tell."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in INSTRUCTIONS)


def bfloat16_rate() -> float:
    """How many times as fast as in float32 this processor multiplies in bfloat16; 0 without the
    instructions.

    It is measured, because the instructions do not tell: an AMX unit multiplies several times
    faster, and `avx512_bf16` alone on an Intel processor half as fast.
    """
    if not has_bfloat16():
        return 0.0
    products = {dtype: _product(dtype) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(products, float("inf"))
    for product in products.values():
        product()
    for _ in range(REPEATS):
        for dtype, product in products.items():
            started = time.perf_counter()
            product()
            best[dtype] = min(best[dtype], time.perf_counter() - started)
    return best[torch.float32] / best[torch.bfloat16]


def faster_precision(rate: float) -> str | None:
    """A line on the time that bfloat16 would take; None where it would not take much less.

    Args:
        rate: from `bfloat16_rate`.
    """
    if rate < WORTH:
        return None
    share = 1 - PRODUCTS + PRODUCTS / rate
    return (
        f"This processor multiplies {rate:.1f} times as fast in bfloat16: --dtype bfloat16 would "
        f"take about {share:.0%} of the time. Answers that are nearly tied may change."
    )


def _product(dtype: torch.dtype) -> Callable[[], object]:
    states = torch.ones(ROWS, INPUTS, dtype=dtype)
    weight = torch.ones(OUTPUTS, INPUTS, dtype=dtype)
    return lambda: torch.nn.functional.linear(states, weight)
