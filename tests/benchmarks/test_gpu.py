"""The benchmark for a GPU runs whole on a CPU, and names where the time goes."""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks import gpu, operations
from benchmarks.gpu import Options
from benchmarks.models import SHAPES, random_method_prompts
from benchmarks.rates import BLOCK_ROWS, GPU_BLOCK_ROWS, block_rates
from tvsight.errors import ShortOfMemory, UsageError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def event(key: str, on_cpu: int, on_gpu: int, kind: DeviceType = DeviceType.CPU) -> object:
    """One line of a profile, in microseconds."""
    return SimpleNamespace(
        key=key, device_type=kind, self_cpu_time_total=on_cpu, self_device_time_total=on_gpu
    )


EVENTS = [
    event("aten::mm", 10, 3_000_000),
    event("aten::addmm", 20, 1_000_000),
    event("aten::_scaled_dot_product_efficient_attention", 30, 2_000_000),
    event("aten::copy_", 40, 500_000),
    event("aten::pow", 50, 250_000),
    event("aten::view", 60, 0),
    event("aten::new_operation", 70, 125_000),
    event("cudaLaunchKernel", 80, 7_000_000),
    event("void at::native::kernel", 0, 3_000_000, DeviceType.CUDA),
]


@pytest.mark.parametrize(
    ("name", "billions"), [("llama-2-7b", 6.738), ("llama-3.1-8b", 8.030), ("tiny", 0)]
)
def test_shapes_have_as_many_parameters_as_their_models(name: str, billions: float) -> None:
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**SHAPES[name]))
    assert model.num_parameters() / 1e9 == pytest.approx(billions, abs=5e-4)


def test_a_kernel_counts_for_its_operation_and_once() -> None:
    assert operations.by_kind(EVENTS, CUDA) == {
        "matrix products": {"mm": 3.0, "addmm": 1.0},
        "attention": {"_scaled_dot_product_efficient_attention": 2.0},
        "copies and selections": {"copy_": 0.5},
        "norms": {"pow": 0.25},
        operations.OTHER: {"new_operation": 0.125},
    }


def test_on_a_cpu_the_time_of_the_processor_counts() -> None:
    found = operations.by_kind(EVENTS, CPU)
    assert found["matrix products"] == {"mm": 10e-6, "addmm": 20e-6}
    assert found[operations.OTHER] == {"view": 60e-6, "new_operation": 70e-6}


def test_kinds_are_told_with_their_share_and_largest_operations() -> None:
    told: list[str] = []
    operations.report(operations.by_kind(EVENTS, CUDA), 8.0, told.append)
    assert told[:2] == [
        "  operations: 6.875 s, 86% of the time without the profiler",
        "  matrix products: 4.000 s, 58% (mm 3.000, addmm 1.000)",
    ]
    assert len(told) == 6


def test_the_time_of_a_real_product_is_found() -> None:
    states = torch.ones(256, 256)
    found = operations.profiled(lambda: [states @ states for _ in range(20)], CPU)
    assert found["matrix products"]["mm"] > 0.5 * sum(map(sum, map(dict.values, found.values())))


def test_prompts_for_heads_are_as_long_with_shuffled_labels() -> None:
    prompts = random_method_prompts(64, shots=10)
    assert len(prompts["shuffled"]) == len(prompts["shared"]) == 50
    whole = [len(s) + len(q) for s, q in zip(prompts["shared"], prompts["query"], strict=True)]
    assert sum(map(len, prompts["shuffled"])) == pytest.approx(sum(whole), rel=0.02)


def test_larger_products_are_tried_on_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = SimpleNamespace(device=CPU)
    monkeypatch.setattr("benchmarks.rates.block_weights", lambda _: [torch.ones(2, 2)])
    monkeypatch.setattr("benchmarks.rates._rate", lambda *_: 1.0)
    assert list(block_rates(decoder)) == [f"{rows} rows" for rows in BLOCK_ROWS]
    decoder.device = CUDA
    assert list(block_rates(decoder)) == [f"{rows} rows" for rows in BLOCK_ROWS + GPU_BLOCK_ROWS]


def test_forwards_that_did_not_fit_are_counted_and_other_warnings_told() -> None:
    def run() -> None:
        for rows in (8, 4, 4):
            warnings.warn(f"{rows} rows do not fit", ShortOfMemory, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)

    told: list[str] = []
    gpu._telling_of_memory(run, told.append)
    assert told == [
        "forwards that did not fit the memory and were halved: 3",
        "  8 rows do not fit",
        "  4 rows do not fit",
        "  something else",
    ]


def test_without_a_gpu_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="torch sees no CUDA device"):
        gpu.main(Options())


def test_the_whole_benchmark_runs_on_a_cpu(
    tiny_checkpoint: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("benchmarks.rates.SECONDS", 0.001)
    monkeypatch.setattr(gpu, "RANDOM_TASKS", 1)
    model = str(tiny_checkpoint("llama"))
    options = Options(("tiny",), device="cpu", repeats=1, model=model, tasks="to_upper")
    assert gpu.main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = [
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        "random weights of the shape tiny",
        "s a task; peak resident memory",
        "of the rate of matrix products",
        "central comparison: ",
        "  operations: ",
        "  matrix products: ",
        "effects of all heads: ",
        "  operations: ",
        "halved: 0",
        "and float32 on the CPU:",
        "float32, measured once: ",
        "test answers as in float32: ",
        "halved: 0",
    ]
    for line in lines:
        if expected and expected[0] in line:
            del expected[0]
    assert expected == []
