"""Steering by an nnsight edit, beside plain hooks, and its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnsight import save
from torch import Tensor, nn

import tvsight
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.errors import UsageError
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector

TEXT, TOKENS = "hot cold big", 8


@contextmanager
def hooked(block: nn.Module, vector: Tensor) -> Iterator[None]:
    """Add a vector at the last position of every forward of a block."""

    def add(module: nn.Module, given: Any, output: Any) -> Any:
        states = (output[0] if isinstance(output, tuple) else output).clone()
        states[:, -1] += vector
        return (states, *output[1:]) if isinstance(output, tuple) else states

    hook = block.register_forward_hook(add)
    try:
        yield
    finally:
        hook.remove()


def plain(model: LoadedModel) -> str:
    """The text that transformers generates itself."""
    prompt = model.tokenizer(TEXT, return_tensors="pt")
    found = model.decoder.nn._module.generate(
        **prompt, max_new_tokens=TOKENS, do_sample=False, num_beams=1
    )
    return str(
        model.tokenizer.decode(found[0, prompt.input_ids.shape[1] :], skip_special_tokens=True)
    )


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", "gptj"])
def test_steered_text_is_that_of_plain_hooks(
    tiny_checkpoint: Callable[[str], Path], family: str
) -> None:
    model = tvsight.load(tiny_checkpoint(family), device="cpu")
    values = 5 * torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(3))
    theta = Vector(model, "to_upper", values, layer=2)
    blocks = [envoy._module for envoy in model.decoder.blocks]
    before = model.generate(TEXT, TOKENS)
    assert before == plain(model)
    with hooked(blocks[2], 2 * values[2]):
        once = plain(model)
        with hooked(blocks[3], -values[3]):
            twice = plain(model)
    assert len({before, once, twice}) == 3
    with theta.steering(alpha=2):
        assert model.generate(TEXT, TOKENS) == once
        with theta.steering(-1, layer=3):
            assert model.generate(TEXT, TOKENS) == twice
        assert model.generate(TEXT, TOKENS) == once
    assert model.generate(TEXT, TOKENS) == before


def test_an_exception_ends_the_steering(theta: Vector) -> None:
    model = theta.model
    nn_before, before = model.decoder.nn, model.generate(TEXT, TOKENS)
    with pytest.raises(IndexError), theta.steering(2):
        _ = TEXT.split()[3]
    assert model.decoder.nn is nn_before
    assert model.generate(TEXT, TOKENS) == before


def test_traces_of_ones_own_are_steered_meanwhile(theta: Vector) -> None:
    decoder = theta.model.decoder

    def last() -> Tensor:
        with decoder.nn.trace(TEXT):
            states = save(decoder.read(decoder.blocks[2])[0])
        return states

    before = last()
    with theta.steering(2):
        after = last()
    torch.testing.assert_close(after[-1], before[-1] + 2 * theta.values[2])
    torch.testing.assert_close(after[:-1], before[:-1])


@pytest.mark.parametrize("remote", [False, True], ids=["here", "simulated server"])
def test_nothing_is_measured_of_a_steered_model(
    theta: Vector, simulated: LoadedModel, remote: bool, tmp_path: Path
) -> None:
    model = simulated if remote else theta.model
    steering = Vector(model, "to_upper", theta.values, 2)
    calls: list[Callable[[], object]] = [
        lambda: tvsight.answer(model, "a"),
        lambda: tvsight.task_vector(model, "to_upper"),
        lambda: tvsight.measure(model, "to_upper", str(tmp_path)),
        lambda: steering.apply("a"),
    ]
    with steering.steering():
        for call in calls:
            with pytest.raises(UsageError, match=r"^model: it is being steered"):
                call()
    assert tvsight.answer(model, "a") == tvsight.answer(theta.model, "a")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((None,), "^text: expected UTF-8 text"),
        (("",), "^text: expected at least one token"),
        (("a", 0), "^tokens: expected a whole number of at least 1"),
        (("a", True), "^tokens: .* got bool"),
        (("a", 200), "^The longest prompt has .* Give fewer demonstrations, shorter inputs"),
    ],
)
def test_what_cannot_be_generated_is_refused(model: LoadedModel, arguments: Any, told: str) -> None:
    assert model.tokenizer("").input_ids  # it begins every text with a token
    with pytest.raises(UsageError, match=told):
        model.generate(*arguments)


def test_numbers_of_other_libraries_count_tokens(model: LoadedModel) -> None:
    assert model.generate(TEXT, np.int64(3)) == model.generate(TEXT, 3)
