"""A vector of the task that is added to conflicting prompts, and under other templates, against
hooks on the same weights. Controls are checked with it in `controls/test_measure.py`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers.method_prompts import EPISODES, Split, few_shot, method_prompts, with_added
from tests.helpers.reads import answers_of, where
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH
from tvsight.execution.here import run
from tvsight.experiments.conflicting_tasks import measure as conflicting_tasks
from tvsight.experiments.templates import measure as templates
from tvsight.interventions.answers import Answers
from tvsight.methods.mean_state import METHOD
from tvsight.models.loading import Model, load
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import at

TOLERANCE = 3e-4


class Case(NamedTuple):
    """A model, the same in plain PyTorch, and prompts."""

    model: Model
    reference: HeadsReference
    prompts: Split

    def both(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The return value of a job here, which is that of a server."""
        here = run(self.model.decoder, function, *arguments)
        there = run(self.model.decoder, function, *arguments, remote="local")
        for split in ("dev", "test"):
            torch.testing.assert_close(tensors(there[split]), tensors(here[split]))
        return here

    def mean(self, tokens: PromptTokens) -> Tensor:
        """The mean state of few-shot prompts, `[depth, width]`."""
        states = [self.reference.residual_streams(prompt) for prompt in few_shot(tokens)]
        return torch.stack(states).mean(dim=0)

    def check(
        self, found: Answers, prompts: Sequence[list[int]], layer: int, vectors: Tensor
    ) -> None:
        """Check answers, each value `[prompts]`, with vectors `[prompts, width]` added."""
        wanted = [
            with_added(self.reference, prompt, layer, vector)
            for prompt, vector in zip(prompts, vectors, strict=True)
        ]
        margins = [answer.margin for answer in wanted]
        assert found["margin"].tolist() == pytest.approx(margins, abs=TOLERANCE)
        for token, answer in zip(found["token"].tolist(), wanted, strict=True):
            assert token == answer.token or answer.margin < TOLERANCE


def tensors(value: Any) -> list[Tensor]:
    """The tensors of a nested value, in order."""
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for part in parts for tensor in tensors(part)]


@pytest.fixture(scope="module")
def case(tiny_checkpoint: Callable[[str], Path]) -> Case:
    checkpoint = tiny_checkpoint("qwen2")
    model = load(str(checkpoint), device="cpu")
    return Case(model, HeadsReference(checkpoint), method_prompts(model))


def test_it_is_added_to_conflicting_prompts_and_learnt_on_dev_for_both(case: Case) -> None:
    dev, test = case.prompts
    found = case.both(conflicting_tasks.measure, dev, dev, test, test, METHOD, {})
    mean = case.mean(dev).expand(EPISODES, -1, -1)
    for rule, prompts in (("zero_shot", dev["zero_shot"]), ("conflict", few_shot(dev))):
        blocks = answers_of(found["dev"]["patched"], "vector", layer_rule=rule)
        for block in range(DEPTH):
            case.check(at(blocks, block), prompts, block, mean[:, block])
        (tested,) = where(found["test"]["patched"], "vector", layer_rule=rule)
        (layer,) = tested["blocks"]
        case.check(at(tested["answers"], 0), few_shot(test), layer, mean[:, layer])


def test_it_is_learnt_under_one_template_and_added_under_another(case: Case) -> None:
    def other(tokens: PromptTokens) -> PromptTokens:
        """The same with another token before each query."""
        return {
            **tokens,
            "query": [[7, *query] for query in tokens["query"]],
            "zero_shot": [[7, *prompt] for prompt in tokens["zero_shot"]],
        }

    under = [case.prompts, Split(*map(other, case.prompts))]
    variants = templates.variants_of(2, 0, [2], 2)[:4]
    prompts = [
        templates.side_by_side(of_split, [of["shuffled"] for of in of_split])
        for of_split in zip(*under, strict=True)
    ]
    found = case.both(templates.measure, *prompts, variants, METHOD, {})
    for number, variant in enumerate(variants):
        mean = case.mean(under[variant["extracted"]].dev).expand(EPISODES, -1, -1)
        asked = under[variant["applied"]]
        swept = answers_of(found["dev"][variant["applied"]], "vector", variant=number)
        for block in range(DEPTH):
            case.check(at(swept, block), asked.dev["zero_shot"], block, mean[:, block])
        (tested,) = where(found["test"][variant["applied"]], "vector", variant=number)
        (layer,) = tested["blocks"]
        case.check(at(tested["answers"], 0), asked.test["zero_shot"], layer, mean[:, layer])
