"""Steering by an nnsight edit, beside plain hooks, and its end."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import permutations
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import torch
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


@pytest.mark.parametrize("family", ["gpt2", "gemma3", "gptj"])
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


PLACES = pytest.mark.parametrize("remote", [False, True], ids=["here", "simulated server"])


@PLACES
def test_blocks_end_in_any_order(theta: Vector, simulated: LoadedModel, remote: bool) -> None:
    model = simulated if remote else theta.model
    steering = Vector(model, "to_upper", theta.values, 2)
    modules = [envoy._module for envoy in model.decoder.blocks]

    def expected(layers: tuple[int, ...]) -> str:
        with ExitStack() as hooks:
            for layer in layers:
                hooks.enter_context(hooked(modules[layer], 2 * theta.values[layer]))
            return plain(model)

    assert len({expected(layers) for layers in ((), (1,), (2,), (3,), (1, 3))}) == 5
    before = list(warnings.filters)
    for order in permutations((1, 2, 3)):
        blocks = {layer: steering.steering(2, layer) for layer in (1, 2, 3)}
        for block in blocks.values():
            block.__enter__()
        for number, layer in enumerate(order, 1):
            blocks[layer].__exit__(None, None, None)
            blocks[layer].__exit__(None, None, None)  # which takes no other block's vector away
            assert model.generate(TEXT, TOKENS) == expected(tuple(sorted(order[number:])))
    assert warnings.filters == before
    assert tvsight.answer(model, "a") == tvsight.answer(theta.model, "a")


@PLACES
def test_generators_and_threads_leave_no_steering(
    theta: Vector, simulated: LoadedModel, remote: bool
) -> None:
    model = simulated if remote else theta.model
    steering, before = Vector(model, "to_upper", theta.values, 2), model.generate(TEXT, TOKENS)

    def texts(alpha: float) -> Iterator[str]:
        with steering.steering(alpha):
            yield model.generate(TEXT, TOKENS)
            yield model.generate(TEXT, TOKENS)

    one, other = texts(2), texts(-1)
    alone, _ = next(one), next(other)
    one.close()
    with steering.steering(-1, layer=2):
        pass
    assert next(other) not in (alone, before)
    other.close()
    assert model.generate(TEXT, TOKENS) == before

    both, ended = Barrier(2, timeout=600), Barrier(2, timeout=600)

    def first() -> None:
        with steering.steering(2):
            both.wait()
        ended.wait()

    def second() -> None:
        with steering.steering(-1):
            both.wait()
            ended.wait()

    threads = [Thread(target=first), Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.generate(TEXT, TOKENS) == before
    assert tvsight.answer(model, "a") == tvsight.answer(theta.model, "a")


def test_a_block_is_entered_once(theta: Vector) -> None:
    model, block = theta.model, theta.steering(2)
    before = model.generate(TEXT, TOKENS)
    with pytest.raises(IndexError), block:
        _ = TEXT.split()[3]
    with pytest.raises(UsageError, match=r"^steering: this block was entered before"), block:
        pass
    assert model.generate(TEXT, TOKENS) == before


def test_a_block_leaves_edits_that_are_not_its_own(theta: Vector) -> None:
    model = theta.model
    nn, before = model.decoder.nn, model.generate(TEXT, TOKENS)
    with hooked(nn._module.transformer.h[1], 2 * theta.values[1]):
        expected = plain(model)
    assert expected != before
    try:
        block = theta.steering(2)
        block.__enter__()
        with nn.edit(inplace=True) as tracer:
            for _ in tracer.iter[:TOKENS]:
                nn.transformer.h[1].output[:, -1] += 2 * theta.values[1]
        block.__exit__(None, None, None)
        assert model.generate(TEXT, TOKENS) == expected
        with theta.steering(2):
            nn.clear_edits()
            assert model.generate(TEXT, TOKENS) == before
    finally:
        nn.clear_edits()
    assert model.generate(TEXT, TOKENS) == before


@PLACES
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
        (
            ("a", 200),
            "^The longest prompt has .* Give fewer demonstrations .shots., shorter inputs",
        ),
    ],
)
def test_what_cannot_be_generated_is_refused(model: LoadedModel, arguments: Any, told: str) -> None:
    assert model.tokenizer("").input_ids  # it begins every text with a token
    with pytest.raises(UsageError, match=told):
        model.generate(*arguments)
