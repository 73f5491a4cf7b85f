"""The measurement, against plain PyTorch: one prompt at a time, whole, through module hooks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers.method_prompts import EPISODES, Split, dummies, method_prompts, with_added
from tests.helpers.reads import TOLERANCE, assert_answered, where
from tests.helpers.reference import hooked
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.execution.here import run
from tvsight.experiments.steering.measure import ExtractedMeans, Steered, measure
from tvsight.models.loading import load
from tvsight.protocol.conditions import at

TOKENS = 6
TOP = [[(0, 1), (2, 3)], [(1, 0), (3, 2), (4, 1)], [(2, 2)]]


Application = dict[str, Any]
"""The procedure, method, mode and factor of a condition."""
METHODS, ALPHAS = ("task_vector", "averaged_vector", "function_vector"), (0.5, 2.0)
CONTROLS = ("random_addition", "negated", "any_other_task")


def applications(*procedures: str) -> list[Application]:
    return [
        {"procedure": procedure, "method": method, "mode": mode, "alpha": alpha}
        for procedure in procedures
        for method in METHODS
        for mode, alpha in (("overwrite", None), *(("add", alpha) for alpha in ALPHAS))
        if procedure == "vector" or mode == "add"
    ]


GENERATED = applications("vector")
APPLICATIONS = {"zero_shot": applications("vector", *CONTROLS), "shuffled": GENERATED}
NEUTRAL = [[5, 6, 7, 8], [9, 10, 11]]


class Case(NamedTuple):
    """A measurement, what it is made of, and the same model in plain PyTorch."""

    reference: HeadsReference
    prompts: Split
    extracted: ExtractedMeans
    found: Steered

    def vectors(self, split: str) -> dict[str, Tensor]:
        """The task's own, by method, `[episodes, depth, width]`."""
        prompts = self.prompts.dev if split == "dev" else self.prompts.test
        thetas = torch.stack(
            [
                torch.stack([self.reference.residual_streams(one) for one in of]).mean(dim=0)
                for of in dummies(prompts)
            ]
        )
        means = [thetas[list(others)].mean(dim=0) for others in prompts["others"]]
        function = self.function(self.extracted["own"]).expand(EPISODES, DEPTH, WIDTH)
        return {
            "task_vector": thetas,
            "averaged_vector": torch.stack(means),
            "function_vector": function,
        }

    def function(self, task: int) -> Tensor:
        """The function vector of a task, `[width]`."""
        written = self.reference.contributions(self.extracted["heads"][task], normalised=True)
        return torch.stack([written[layer, head] for layer, head in TOP[task]]).sum(dim=0)


@pytest.fixture(scope="module", params=["qwen2", "gemma3"])
def case(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Case:
    checkpoint = tiny_checkpoint(request.param)
    model = load(str(checkpoint), device="cpu")
    prompts = method_prompts(model)
    generator = torch.Generator().manual_seed(0)
    shape = (3, DEPTH, HEADS, model.decoder.attention.head_width)
    extracted: ExtractedMeans = {
        "thetas": torch.randn(3, DEPTH, WIDTH, generator=generator),
        "heads": 2 * torch.randn(shape, generator=generator),
        "top": TOP,
        "own": 1,
        "blocks": {},
        "seed": 7,
    }
    test = prompts.test
    contexts = {
        name: list(zip(test[name], test["expected"], strict=True))
        for name in ("zero_shot", "shuffled")
    }
    given = (contexts, {"prompts": NEUTRAL}, CONTROLS, ALPHAS, extracted, (2, TOKENS))
    found = run(model.decoder, measure, *prompts, *given)
    return Case(HeadsReference(checkpoint), prompts, extracted, found)


@pytest.fixture(scope="module")
def own(case: Case) -> dict[str, Tensor]:
    return case.vectors("test")


def scaled(case: Case, own: dict[str, Tensor], one: Application, episode: int) -> Tensor:
    """The vector of an episode with its factor, `[width]`."""
    method, block = one["method"], layer_of(case, one)
    vector = own[method][episode, block]
    if one["procedure"] == "random_addition":
        drawn = torch.randn(EPISODES, WIDTH, generator=torch.Generator().manual_seed(7))[episode]
        vector = drawn / drawn.norm() * vector.norm()
    elif one["procedure"] == "negated":
        vector = -vector
    elif one["procedure"] == "any_other_task":
        other = (0, 2)[episode % 2]
        of_task = case.extracted["thetas"][other, block]
        vector = case.function(other) if method == "function_vector" else of_task
    return vector if one["alpha"] is None else one["alpha"] * vector


def layer_of(case: Case, one: Application) -> int:
    return case.found["layers"][f"{one['method']}/{one['mode']}"]


def log_probabilities(
    case: Case,
    text: list[int],
    start: int,
    one: Application | None = None,
    vector: Tensor | None = None,
    every: bool = False,
) -> Tensor:
    """Of the token after a text, where a vector is applied at position `start` or from there on."""

    def change(states: Tensor) -> None:
        if one is not None and vector is not None:
            place = slice(start, None if every else start + 1)
            before = states[0, place] if one["mode"] == "add" else 0
            states[0, place] = before + vector

    block = 0 if one is None else layer_of(case, one)
    with torch.no_grad(), hooked([case.reference.blocks[block]], change):
        logits: Any = case.reference.model(input_ids=torch.tensor([text]), use_cache=False).logits
    return Tensor(logits[0, -1].log_softmax(dim=-1))


def test_blocks_are_chosen_on_dev_with_a_factor_of_one(case: Case) -> None:
    dev, own = case.prompts.dev, case.vectors("dev")
    assert len(where(case.found["dev"], "vector", alpha=1.0)) == 3
    for one in where(case.found["dev"], "vector"):
        method, mode, swept = one["labels"]["method"], one["labels"]["mode"], one["answers"]
        right = [0] * DEPTH
        for episode, prompt in enumerate(dev["zero_shot"]):
            streams = case.reference.residual_streams(prompt)
            for block in range(DEPTH):
                vector = own[method][episode, block]
                patched = vector + streams[block] if mode == "add" else vector
                token = case.reference.answer(prompt, block, patched).token
                assert int(swept["token"][episode, block]) == token
                right[block] += token in dev["accepted"][episode]
        assert case.found["layers"][f"{method}/{mode}"] == right.index(max(right))


@pytest.mark.parametrize("context", ["zero_shot", "shuffled"])
def test_every_application_is_measured_in_its_contexts(
    case: Case, own: dict[str, Tensor], context: str
) -> None:
    test, found = case.prompts.test, case.found["test"][context]
    baseline, *patched = found
    assert baseline["procedure"] == "baseline"
    for one, read in zip(APPLICATIONS[context], patched, strict=True):
        named = {"procedure": read["procedure"], **read["labels"]}
        assert named == {**one, "context": context}
        assert read["blocks"] == [layer_of(case, one)]
    prompts = test["zero_shot"] if context == "zero_shot" else test["shuffled"]
    reference = case.reference
    plain = [reference.answer(prompt) for prompt in prompts]
    assert_answered(reference, baseline["answers"], plain, test)
    for one, read in zip(APPLICATIONS[context], patched, strict=True):
        block, expected = layer_of(case, one), []
        for episode, prompt in enumerate(prompts):
            vector = scaled(case, own, one, episode)
            if one["mode"] == "add":
                expected.append(with_added(reference, prompt, block, vector))
            else:
                expected.append(reference.answer(prompt, block, vector))
        assert_answered(reference, at(read["answers"], 0), expected, test)


@pytest.mark.parametrize("every", [False, True])
def test_text_is_generated_with_the_vector_once_or_at_every_token(
    case: Case, own: dict[str, Tensor], every: bool
) -> None:
    generated = case.found["generated"]
    assert generated.shape == (2, 1 + len(GENERATED), 2, TOKENS)
    for episode, prompt in enumerate(case.prompts.test["zero_shot"][:2]):
        for number, one in enumerate([None, *GENERATED]):
            vector = None if one is None else scaled(case, own, one, episode)
            text = list(prompt)
            for _ in range(TOKENS):
                of_next = log_probabilities(case, text, len(prompt) - 1, one, vector, every)
                text.append(int(of_next.argmax()))
            assert generated[int(every), number, episode].tolist() == text[len(prompt) :]


def test_the_divergence_is_that_of_the_next_token_of_neutral_text(
    case: Case, own: dict[str, Tensor]
) -> None:
    found = case.found["divergence"]
    for place, prompt in enumerate(NEUTRAL):
        before = log_probabilities(case, prompt, len(prompt) - 1)
        for number, one in enumerate(GENERATED):
            vector = scaled(case, own, one, place)
            after = log_probabilities(case, prompt, len(prompt) - 1, one, vector)
            known = (before.exp() * (before - after)).sum()
            torch.testing.assert_close(found[place, number], known, atol=TOLERANCE, rtol=1e-3)
    assert (found > 0).all()
