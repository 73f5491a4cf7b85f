"""Inside of one prompt: the logit lens, a sweep, logits and attention, beside transformers' own."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import tvsight
from tests.helpers.tiny_models import DEPTH, HEADS
from tvsight.errors import UsageError
from tvsight.library.inside import Attention
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector
from tvsight.texts import visible

TEXT = "hot cold big"
PLACES = pytest.mark.parametrize("remote", [False, True], ids=["here", "simulated server"])


def run(model: LoadedModel, text: str, **options: Any) -> Any:
    module = model.decoder.nn._module
    with torch.no_grad():
        return module(**model.tokenizer(text, return_tensors="pt"), **options)


@PLACES
def test_logits_are_those_of_transformers(
    model: LoadedModel, simulated: LoadedModel, theta: Vector, remote: bool
) -> None:
    asked, texts = (simulated if remote else model), ["hot", TEXT, "a b"]
    expected = torch.stack([run(model, text).logits[0, -1] for text in texts])
    torch.testing.assert_close(asked.logits(texts), expected, rtol=0, atol=1e-4)
    assert asked.logits("hot").shape == (1, asked.decoder.vocabulary)


@PLACES
def test_several_blocks_and_tokens_are_patched(
    model: LoadedModel, simulated: LoadedModel, theta: Vector, remote: bool
) -> None:
    asked = simulated if remote else model

    def written(place: int, vector: Tensor) -> Callable[..., Any]:
        def write(module: Any, given: Any, output: Any) -> Any:
            states = (output[0] if isinstance(output, tuple) else output).clone()
            states[:, place] = vector
            return (states, *output[1:]) if isinstance(output, tuple) else states

        return write

    patches = [(1, theta.values[1], -2), (3, theta.values[3])]
    hooks = [
        model.decoder.blocks[layer]._module.register_forward_hook(
            written(place[0] if place else -1, vector)
        )
        for layer, vector, *place in patches
    ]
    expected = run(model, TEXT).logits[:, -1]
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(asked.logits(TEXT, patches), expected, rtol=0, atol=1e-4)
    assert not torch.allclose(asked.logits(TEXT), expected, atol=1e-2)


@PLACES
def test_the_lens_ends_in_the_answer(
    model: LoadedModel, simulated: LoadedModel, theta: Vector, remote: bool
) -> None:
    asked = simulated if remote else model
    lens = tvsight.lens(asked, TEXT, patch=(2, theta.values[2]), top=3)
    assert lens.table.groupby("block").size().tolist() == [3] * DEPTH
    found = asked.logits(TEXT, (2, theta.values[2])).softmax(dim=-1)[0].topk(3)
    last = lens.table[lens.table["block"] == DEPTH - 1]
    assert last["token"].tolist() == [model.tokenizer.decode([of]) for of in found.indices]
    assert last["probability"].tolist() == pytest.approx(found.values.tolist(), abs=1e-5)
    plain = tvsight.lens(asked, TEXT, top=3).table
    same = plain["probability"].sub(lens.table["probability"]).abs().groupby(plain["block"]).max()
    assert (same < 1e-6).tolist() == [True, True, False, False, False]
    figure = lens.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rank", "block")
    written = [text.get_text() for text in axes.texts]
    assert written[-3:] == [visible(token) for token in last["token"]]
    assert "<table" in lens._repr_html_()


@PLACES
def test_a_sweep_is_a_patch_after_each_block(
    model: LoadedModel, simulated: LoadedModel, theta: Vector, remote: bool
) -> None:
    asked = simulated if remote else model
    swept = tvsight.sweep(asked, "hot", Vector(asked, "to_upper", theta.values, 2))
    patches = [(layer, theta.values[layer]) for layer in range(DEPTH)]
    answers = [tvsight.answer(model, " hot", patch=patch) for patch in patches]
    assert swept.table["answer"].tolist() == answers
    assert swept.expected == answers[2]
    assert swept.table["rank"][2] == 1
    text = tvsight.template("example").query(" hot")
    token = model.logits(text, patches[2]).argmax()
    expected = [model.logits(text, of).log_softmax(-1)[0, token].item() for of in patches]
    assert swept.table["log_probability"].tolist() == pytest.approx(expected, abs=1e-4)
    given = theta.sweep("hot", expected="cold")
    first = model.tokenizer(" cold", add_special_tokens=False).input_ids[0]
    assert given.expected == model.tokenizer.decode([first])
    assert tvsight.sweep(model, "hot", theta.values, "cold").table.equals(given.table)
    assert swept.plot().axes[0].lines[0].get_ydata().tolist() == pytest.approx(expected, abs=1e-4)


@PLACES
def test_attention_is_that_of_transformers(
    model: LoadedModel, simulated: LoadedModel, remote: bool
) -> None:
    asked = simulated if remote else model
    found, module = tvsight.attention(asked, TEXT), asked.decoder.nn._module
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    expected = torch.cat(run(asked, TEXT, output_attentions=True).attentions)
    module.set_attn_implementation(before)
    torch.testing.assert_close(found.values, expected, rtol=0, atol=1e-5)
    assert found.values.shape == (DEPTH, HEADS, len(found.tokens), len(found.tokens))
    panels = found.plot(2).axes
    assert [axes.get_title() for axes in panels] == [f"head {head}" for head in range(HEADS)]
    for head, axes in enumerate(panels):
        assert axes.images[0].get_array().tolist() == found.values[2, head].tolist()
    named = [label.get_text() for label in panels[0].get_yticklabels()]
    assert named == [visible(token) for token in found.tokens]
    with pytest.raises(UsageError, match=r"^layer: expected the number of a block"):
        found.plot(DEPTH)


def test_tokens_without_letters_of_the_figures_font_are_named() -> None:
    tokens = [" hot", "\n", "סלם", "", "$x^{$"]
    found = Attention(tokens, torch.eye(5).expand(2, 3, -1, -1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = [label.get_text() for label in found.plot().axes[0].get_yticklabels()]
    assert named == ["␣hot", r"\n", "‹Hebrew›", "<empty>", "$x^{$"]
    many = Attention(["a"] * 40, torch.eye(40).expand(1, 9, -1, -1)).plot()
    assert len(many.axes) == 9
    assert 1 < sum(bool(label.get_text()) for label in many.axes[0].get_yticklabels()) <= 14


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ((2,), "^patch: expected a block and a vector"),
        (3, "^patch: expected a block and a vector"),
        ((9, torch.zeros(32)), "^layer: expected the number of a block"),
        ((2, torch.zeros(32), 0), "^place: expected -1 for the last token"),
        ([(2, torch.zeros(32), -99)], "^place: expected -1 for the last token"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(model: LoadedModel, patch: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        model.logits(TEXT, patch)
    with pytest.raises(UsageError, match=told):
        tvsight.lens(model, TEXT, patch)


def test_a_vector_is_a_patch_at_its_block(model: LoadedModel, theta: Vector) -> None:
    patch = (theta.layer, theta.values[theta.layer])
    assert torch.equal(model.logits(TEXT, theta), model.logits(TEXT, patch))
    assert tvsight.lens(model, TEXT, theta).table.equals(tvsight.lens(model, TEXT, patch).table)
    assert tvsight.answer(model, "hot", patch=theta) == tvsight.answer(model, "hot", patch=patch)
    with pytest.raises(UsageError, match=r"^patch: this vector is added"):
        model.logits(TEXT, replace(theta, adds=True))


@pytest.mark.parametrize("text", ["", [], [""]])
def test_a_text_without_a_token_is_refused(model: LoadedModel, text: Any) -> None:
    with pytest.raises(UsageError, match=r"^text: expected at least one token"):
        model.logits(text)
