"""Batches on a GPU are chosen so that the first forward fits, with its memory simulated."""

import sys
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

from tests.helpers.live_memory import peak_bytes
from tvsight.execution import here
from tvsight.interventions import application, batching
from tvsight.interventions.application import CachedPrompts
from tvsight.interventions.batching import (
    CPU_ROWS,
    CPU_TOKENS,
    GPU_LOGIT_BYTES,
    GPU_ROWS,
    GPU_SHARE,
    MAX_PADDING,
    continuation_padding,
    layer_groups,
    logit_tile,
    most_rows,
    positions_per_forward,
    rows_per_forward,
)
from tvsight.interventions.decoder import Decoder
from tvsight.interventions.generation import Patches, generate
from tvsight.interventions.prefixes import Prefixes
from tvsight.interventions.traces import cache_prefixes, read_states, replace_heads
from tvsight.models.random import random_llama

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GIB = 1 << 30
WIDTH, DEPTH = 128, 4
SHAPES = {
    "Llama 2 7B": {"intermediate_size": 344, "num_key_value_heads": 8},
    "Llama 3.1 8B": {"intermediate_size": 448, "num_key_value_heads": 2},
    "Gemma 7B": {"intermediate_size": 1024, "num_key_value_heads": 8},
}
"""The proportions of these models, at a small width."""
LARGE = {"Llama 2 7B": (32, 4096, 13.5e9), "Llama 3.1 8B": (32, 4096, 16.1e9)}
"""Depth, width, and bytes of the weights in bfloat16."""


def sized(
    device: torch.device = CUDA, depth: int = DEPTH, width: int = WIDTH, itemsize: int = 2
) -> Decoder:
    """All that budgets ask of a model."""
    dtype = SimpleNamespace(itemsize=itemsize)
    return cast(Decoder, SimpleNamespace(device=device, depth=depth, width=width, dtype=dtype))


def simulate(
    monkeypatch: pytest.MonkeyPatch, free: float, reserved: float = 0, used: float = 0
) -> None:
    """A GPU with so many free bytes, and what torch has reserved and uses of the others."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (int(free), 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: int(reserved))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: int(used))


@pytest.fixture(scope="module", params=SHAPES)
def decoder(request: pytest.FixtureRequest) -> Decoder:
    shape = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": 8}
    shape |= SHAPES[request.param] | {"vocab_size": 64}
    return random_llama(shape, "cpu", torch.bfloat16)


def tensors(decoder: Decoder, prefixes: Prefixes | None = None) -> list[Tensor]:
    """The weights, and cached keys and values."""
    held = [*decoder.nn._module.parameters(), *decoder.nn._module.buffers()]
    for layer in prefixes.cache.layers if prefixes else ():
        held += [layer.keys, layer.values]
    return held


def prompts_of(rows: int, length: int) -> list[list[int]]:
    """Prompts of which every second is a token shorter, so that a mask is needed."""
    return [[3 + token % 60 for token in range(length - row % 2)] for row in range(rows)]


def test_a_cpu_has_fixed_budgets() -> None:
    assert positions_per_forward(sized(CPU)) == CPU_TOKENS
    assert rows_per_forward(sized(CPU), 12) == CPU_ROWS
    assert most_rows(sized(CPU), 10**9, 100) == sys.maxsize
    known = [rows_per_forward(sized(CPU), length) for length in (0, 128, 129, 1000, 10**9)]
    assert known == [CPU_ROWS, CPU_ROWS, CPU_ROWS - 1, batching.CACHED_POSITIONS // 1000, 1]
    assert continuation_padding(CPU) == MAX_PADDING < continuation_padding(CUDA)


def test_the_budgets_of_a_gpu_follow_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, 3e9, reserved=14e9, used=7e9)  # torch keeps 7 GB for later tensors
    budget = positions_per_forward(sized(depth=16, width=2048))
    assert budget == int(GPU_SHARE * 1e10 / (72 * 2048 * 2))
    assert positions_per_forward(sized(CUDA, 16, 2048, 4)) == pytest.approx(budget / 2, abs=1)
    assert most_rows(sized(CUDA, 16, 2048), 10, 1) == int(GPU_SHARE * 1e10 / (96 * 2048 * 2))
    assert most_rows(sized(CUDA, 16, 2048), 10, 16) == int(GPU_SHARE * 1e10 / (396 * 2048 * 2))
    assert rows_per_forward(sized(), 1000) == GPU_ROWS
    assert logit_tile(CUDA, 1024, 10**6, whole=False)[1] == GPU_LOGIT_BYTES // 4096


def test_where_hardly_any_memory_is_free_one_thing_at_a_time_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulate(monkeypatch, 1000)
    assert positions_per_forward(sized()) == 1
    assert most_rows(sized(), 100, 1) == 1
    assert logit_tile(CUDA, 50, 32000, whole=False) == (50, 1)
    assert logit_tile(CUDA, 50, 32000, whole=True) == (1, 32000)


def test_tiles_of_logits_shrink_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, 1e9)
    for whole in (False, True):
        rows, tokens = logit_tile(CUDA, 1024, 128_256, whole)
        # Four tensors of this size in float32 exist while a tile is read.
        assert 0.3e9 < 4 * 4 * rows * tokens <= GPU_SHARE * 1e9


def test_groups_of_layers_are_cut_where_a_layer_alone_does_not_fit() -> None:
    layers = [0] * 5 + [1] * 2 + [2] * 3
    patches = list(range(10))
    assert list(layer_groups(patches, layers, 4)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    found = list(layer_groups(patches, layers, 3, 3))
    assert found == [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9]]


@pytest.mark.parametrize(("name", "gigabytes"), [(name, 24) for name in LARGE])
def test_a_split_of_the_paper_is_one_forward_of_a_large_model(
    name: str, gigabytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth, width, weights = LARGE[name]
    simulate(monkeypatch, gigabytes * GIB - weights - 0.5e9)
    assert positions_per_forward(sized(CUDA, depth, width)) > 50 * 60  # demonstrations
    assert most_rows(sized(CUDA, depth, width), 10, 1) > 2 * GPU_ROWS  # the sweep
    assert most_rows(sized(CUDA, depth, width), 100, 1) > 25 * 32  # all heads of a block


@pytest.mark.parametrize("length", [150])
def test_a_forward_of_prompts_takes_no_more_than_its_share(
    decoder: Decoder, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate(monkeypatch, 30e6)
    prompts = prompts_of(positions_per_forward(sized()) // length, length)
    run = partial(here.run, decoder, cache_prefixes, prompts)
    peak, _ = peak_bytes(run, tensors(decoder))
    assert 0.1 * GPU_SHARE * 30e6 < peak <= GPU_SHARE * 30e6


@pytest.mark.parametrize("length", [8, 100])
def test_a_forward_of_rows_takes_no_more_than_its_share(
    decoder: Decoder, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate(monkeypatch, 30e6)
    rows = most_rows(sized(), length + 1, 1)
    cached = here.run(decoder, cache_prefixes, prompts_of(5, length))
    chosen = [row % 5 for row in range(rows)]
    tokens = [3] * rows
    heads = [[(0, row % 8)] for row in range(rows)]
    values = torch.ones(DEPTH, 8, WIDTH // 8)
    unpatched = torch.zeros(5, DEPTH, WIDTH, dtype=torch.bfloat16)

    def read() -> None:
        continued = [[token] for token in tokens]
        here.run(decoder, read_states, cached.rows(chosen), continued, range(DEPTH))

    def replace() -> None:
        before = unpatched[chosen]
        here.run(decoder, replace_heads, cached.rows(chosen), tokens, heads, values, before)

    for run in (read, replace):
        peak, _ = peak_bytes(run, tensors(decoder, cached))
        assert 0.1 * GPU_SHARE * 30e6 < peak <= GPU_SHARE * 30e6


def test_generated_rows_take_no_more_than_their_share(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate(monkeypatch, 30e6)
    most, length = 6, 40
    rows = most_rows(sized(), length + most, DEPTH)
    assert rows < CPU_ROWS
    prompts = prompts_of(1, length + 1)
    cached = here.run(decoder, cache_prefixes, [prompt[:-1] for prompt in prompts])
    prompt = CachedPrompts(prompts, [([0], cached)])
    patches = Patches([0] * rows, [1] * rows, torch.ones(rows, WIDTH, dtype=torch.bfloat16))
    run = partial(here.run, decoder, generate, prompt, patches, most, ())
    peak, found = peak_bytes(run, tensors(decoder, cached))
    assert found.shape == (rows, most)
    assert 0.1 * GPU_SHARE * 30e6 < peak <= GPU_SHARE * 30e6


def test_a_generated_row_is_counted_with_every_block_and_a_patched_one_with_one(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def noted(_: Decoder, length: int, blocks: int) -> int:
        asked.append((length, blocks))
        return 2

    monkeypatch.setattr(application, "most_rows", noted)
    cached = here.run(decoder, application.cache_prompts, [[3, 4, 5, 6, 7]])
    vectors = torch.ones(3, WIDTH, dtype=torch.bfloat16)
    patches = Patches([0] * 3, [1] * 3, vectors)
    found = here.run(decoder, generate, cached, patches, 6, ())
    assert found.shape == (3, 6)
    here.run(decoder, application.apply_vectors, cached, [0] * 3, [1] * 3, vectors)
    assert asked == [(4 + 6, DEPTH), (4 + 1, 1)]
