"""Whole answers of dev and test, beside an independent reference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.helpers.method_prompts import EPISODES, few_shot, method_prompts
from tests.helpers.reads import by_procedure
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH
from tvsight.execution import here
from tvsight.methods import METHODS
from tvsight.models.loading import load
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol import measure
from tvsight.protocol.generated import WholeAnswers, answer_dev, answer_test

OWN = "mean_state"
MOST = 3
STOPS = list(range(0, 300, 5))
LAYERS = {"task_vector": 2, "averaged_vector": 3, OWN: 1}


def named(answers: list[WholeAnswers]) -> dict[str, WholeAnswers]:
    return {one["read"]["procedure"]: one for one in answers}


def with_answers(tokens: PromptTokens) -> PromptTokens:
    return {**tokens, "answers": [[first, 7 + n] for n, first in enumerate(tokens["expected"])]}


def test_answers_are_those_of_whole_prompts(tiny_checkpoint: Callable[[str], Path]) -> None:
    decoder = load(str(tiny_checkpoint("gemma3")), device="cpu").decoder
    reference = HeadsReference(tiny_checkpoint("gemma3"))
    tokens = method_prompts(load(str(tiny_checkpoint("gemma3")), device="cpu"))
    dev, test = with_answers(tokens.dev), with_answers(tokens.test)

    def assert_same(
        found: WholeAnswers, prompts: list[list[int]], layer: int | None, vectors: Tensor
    ) -> None:
        place = layer if found["generated"].shape[1] > 1 and layer is not None else 0
        for episode, prompt in enumerate(prompts):
            vector = None if layer is None else vectors[episode, layer]
            wanted = reference.generate(prompt, MOST, STOPS, layer or 0, vector)
            generated = [int(t) for t in found["generated"][episode, place] if t >= 0]
            assert generated == [answer.token for answer in wanted]

    one = here.run(decoder, measure.measure, tokens.dev, tokens.test)
    own = {
        split: measure.task_vector.learn(decoder, of)
        for split, of in (("dev", tokens.dev), ("test", tokens.test))
    }
    none = torch.empty(0)
    swept = by_procedure(one["dev"]["read"])
    on_dev = named(here.run(decoder, answer_dev, dev, None, {}, MOST, STOPS)["answers"])
    assert_same(on_dev["baseline"], dev["zero_shot"], None, none)
    for layer in range(DEPTH):
        assert_same(on_dev["task_vector"], dev["zero_shot"], layer, own["dev"])
    for name in ("task_vector", "averaged_vector"):
        first, sweep = on_dev[name]["read"]["answers"], swept[name]
        assert torch.equal(first["token"], sweep["token"])
        assert torch.equal(on_dev[name]["generated"][..., 0], sweep["token"])
        for value in ("margin", "gap", "divergence"):
            torch.testing.assert_close(first[value], sweep[value], rtol=0, atol=1e-4)
    tested = here.run(decoder, answer_test, test, None, {}, MOST, STOPS, LAYERS, {})
    on_test = named(tested)
    assert set(on_test) == {"baseline", "icl", "task_vector", "averaged_vector"}
    assert_same(on_test["icl"], few_shot(tokens.test), None, none)
    for name in ("baseline", "icl"):
        whole, known = on_test[name]["read"]["answers"], by_procedure(one["test"]["read"])[name]
        torch.testing.assert_close(whole["gap"], known["gap"], rtol=0, atol=1e-4)
        assert (whole["divergence"].max() < 1e-6) == (name == "icl")
    assert_same(on_test["baseline"], test["zero_shot"], None, none)
    assert_same(on_test["task_vector"], test["zero_shot"], LAYERS["task_vector"], own["test"])


def test_a_vector_of_the_task_is_that_of_dev(tiny_checkpoint: Callable[[str], Path]) -> None:
    model = load(str(tiny_checkpoint("gpt2")), device="cpu")
    reference = HeadsReference(tiny_checkpoint("gpt2"))
    tokens = method_prompts(model)
    how: tuple[Any, ...] = ((OWN, METHODS[OWN].load()), {}, MOST, STOPS)
    on_dev = here.run(model.decoder, answer_dev, with_answers(tokens.dev), *how)
    assert named(on_dev["answers"])[OWN]["answer_log_probability"].shape == (EPISODES, DEPTH)
    mean = on_dev["taught"][OWN]
    states = [reference.residual_streams(prompt) for prompt in few_shot(tokens.dev)]
    torch.testing.assert_close(mean, torch.stack(states).mean(dim=0), rtol=0, atol=1e-4)
    tested = here.run(
        model.decoder, answer_test, with_answers(tokens.test), *how, LAYERS, on_dev["taught"]
    )
    on_test = named(tested)
    assert set(on_test) == {OWN}
    layer = LAYERS[OWN]
    for episode, prompt in enumerate(tokens.test["zero_shot"]):
        vector = reference.residual_streams(prompt)[layer] + mean[layer]
        wanted = reference.generate(prompt, MOST, STOPS, layer, vector)
        generated = [int(token) for token in on_test[OWN]["generated"][episode, 0] if token >= 0]
        assert generated == [answer.token for answer in wanted]
