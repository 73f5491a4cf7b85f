"""The benchmark for a GPU runs whole on a CPU."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks import gpu
from benchmarks.gpu import Options
from benchmarks.models import SHAPES, random_method_prompts
from tvsight.errors import ShortOfMemory, UsageError


@pytest.mark.parametrize(
    ("name", "billions"), [("llama-2-7b", 6.738), ("llama-3.1-8b", 8.030), ("tiny", 0)]
)
def test_shapes_have_as_many_parameters_as_their_models(name: str, billions: float) -> None:
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**SHAPES[name]))
    assert model.num_parameters() / 1e9 == pytest.approx(billions, abs=5e-4)


def test_prompts_for_heads_are_as_long_with_shuffled_labels() -> None:
    prompts = random_method_prompts(64, shots=10)
    assert len(prompts["shuffled"]) == len(prompts["shared"]) == 50
    whole = [len(s) + len(q) for s, q in zip(prompts["shared"], prompts["query"], strict=True)]
    assert sum(map(len, prompts["shuffled"])) == pytest.approx(sum(whole), rel=0.02)


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
    monkeypatch.setattr("benchmarks.arithmetic.SECONDS", 0.001)
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
        "effects of all heads: ",
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
