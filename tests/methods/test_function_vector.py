from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.helpers.method_prompts import few_shot, method_prompts
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tests.methods.conftest import Case
from tvsight.execution.here import run
from tvsight.methods import METHODS
from tvsight.methods.function_vector import effects, mean_heads, top_heads
from tvsight.methods.method import extract
from tvsight.models.loading import load

CLOSE = {"atol": 1e-4, "rtol": 1e-4}


def means_of(case: Case) -> Tensor:
    """The mean of every head, one prompt at a time."""
    prompts = few_shot(case.prompts.dev)
    return torch.stack([case.reference.last_heads(prompt) for prompt in prompts]).mean(dim=0)


def effects_of(case: Case, means: Tensor) -> Tensor:
    """The effect of every head, one prompt and one head at a time."""
    found = []
    tokens = case.prompts.dev
    for prompt, expected in zip(tokens["shuffled"], tokens["expected"], strict=True):
        before = case.reference.answer(prompt).log_probabilities[expected].exp()
        for head in [(layer, number) for layer in range(DEPTH) for number in range(HEADS)]:
            after = case.reference.answer_with(prompt, [head], means).log_probabilities[expected]
            found.append(float(after.exp() - before))
    return torch.tensor(found).view(-1, DEPTH, HEADS)


def test_means_and_effects_are_those_of_plain_hooks(case: Case) -> None:
    decoder, tokens = case.model.decoder, case.prompts.dev
    means = means_of(case)
    torch.testing.assert_close(run(decoder, mean_heads, few_shot(tokens)), means, **CLOSE)
    found = run(decoder, effects, tokens["shuffled"], tokens["expected"], means)
    expected = effects_of(case, means)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(found.effect, expected, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(found.probability, found.log_probability.exp())
    after = (found.log_probability[:, None, None] + found.log_effect).exp()
    torch.testing.assert_close(after - found.probability[:, None, None], found.effect)


@pytest.mark.parametrize("normalised", [True, False])
def test_the_vector_is_the_sum_of_the_heads_of_largest_effect(case: Case, normalised: bool) -> None:
    settings = {"heads": 3, "normalised": normalised}
    method = METHODS["function_vector"].load()
    assert (method.of, method.use) == ("task", "add")
    found = run(case.model.decoder, extract, case.prompts.dev, method, settings)
    means = means_of(case)
    mean_effect = effects_of(case, means).mean(dim=0)
    chosen = sorted(
        ((float(mean_effect[layer, head]), layer, head) for layer, head in every()), reverse=True
    )[:3]
    written = case.reference.contributions(means, normalised)
    expected = sum(written[layer, head] for _, layer, head in chosen)
    assert found.shape == (len(case.prompts.dev["shared"]), DEPTH, WIDTH)
    for vector in found.flatten(0, 1):
        torch.testing.assert_close(vector, expected, atol=1e-3, rtol=1e-3)


def every() -> list[tuple[int, int]]:
    return [(layer, head) for layer in range(DEPTH) for head in range(HEADS)]


def test_a_vector_is_learnt_in_half_precision(tiny_checkpoint: Callable[[str], Path]) -> None:
    model = load(str(tiny_checkpoint("gemma3")), device="cpu", dtype="bfloat16")
    tokens = method_prompts(model).dev
    entry = METHODS["function_vector"]
    found = run(model.decoder, extract, tokens, entry.load(), dict(entry.settings))
    assert found.dtype == torch.bfloat16
    assert found.isfinite().all()
    assert found.abs().max() > 0


def test_heads_come_by_effect_and_of_equal_ones_the_lowest_first() -> None:
    effect = torch.tensor([[0.1, 0.3, 0.0], [0.3, -0.5, 0.1]])
    assert top_heads(effect, 4) == [(0, 1), (1, 0), (0, 0), (1, 2)]
    assert top_heads(effect, 10)[-1] == (1, 1)
    assert len(top_heads(effect, 10)) == 6
