"""The controls of a vector that is written over and of one that is added, against plain PyTorch."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers.half_accepted import half_accepted
from tests.helpers.method_prompts import EXAMPLE, dummies, few_shot, with_added
from tests.helpers.reads import answers_of, assert_answered
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.execution.here import run
from tvsight.experiments.controls.measure import measure
from tvsight.interventions.answers import Answers
from tvsight.methods.mean_state import METHOD
from tvsight.methods.method import Method
from tvsight.models.loading import load
from tvsight.prompts import Sampling, sample_episodes, tokenise, usable_pairs
from tvsight.prompts.shuffling import shuffled_labels
from tvsight.prompts.tokens import PromptTokens, whole_prompts
from tvsight.protocol.conditions import at

EPISODES, LAYER, TASKS, OWN = 6, 2, 4, 1
NAMES = [f"task {number}" for number in range(TASKS)]


class Case(NamedTuple):
    """The dev episodes of a task, as a job has them for both splits, and what it answers."""

    reference: HeadsReference
    prompts: PromptTokens
    means: Tensor
    method: Method | None
    found: Any

    def check(self, found: Answers, block: int, vectors: Tensor) -> None:
        """Check the answers of zero-shot prompts with vectors `[episodes, width]`."""
        added = partial(with_added, self.reference)
        answer = self.reference.answer if self.method is None else added
        prompts = zip(self.prompts["zero_shot"], vectors, strict=True)
        wanted = [answer(prompt, block, vector) for prompt, vector in prompts]
        assert_answered(self.reference, found, wanted, self.right)

    @property
    def right(self) -> PromptTokens:
        """The prompts after the demonstrations as they are."""
        return {**self.prompts, "shared": self.prompts["right"]}

    def vectors(self) -> dict[str, Tensor]:
        """Of each control `[episodes, depth, width]`, computed one prompt at a time."""
        streams, means = self.reference.residual_streams, self.means.float()
        others = means[[task for task in range(TASKS) if task != OWN]]
        drawn = torch.stack(
            [
                torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(seed))
                for seed in self.prompts["seeds"]
            ]
        )
        directions = drawn / drawn.norm(dim=-1, keepdim=True)
        norms, deviations = (self.prompts[name][..., None] for name in ("norms", "deviations"))
        if self.method is None:
            no_op = torch.stack([streams(prompt) for prompt in self.prompts["zero_shot"]])
            shown = [torch.stack(list(map(streams, of))) for of in dummies(self.prompts)]
            shuffled = torch.stack([of.mean(dim=0) for of in shown])
        else:
            no_op = torch.zeros(EPISODES, DEPTH, WIDTH)
            shuffled = torch.stack(list(map(streams, few_shot(self.prompts)))).mean(dim=0)
        turn = [number % len(others) for number in range(EPISODES)]
        return {
            "no_op": no_op,
            "random_vector": directions * norms,
            "random_deviation": means.mean(dim=0) + directions * deviations,
            "shuffled_labels": shuffled.expand(EPISODES, -1, -1),
            "other_tasks_mean": others.mean(dim=0).expand(EPISODES, -1, -1),
            "any_other_task": others[turn],
        }


@pytest.fixture(scope="module", params=[None, METHOD], ids=["written over", "added"])
def case(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> Case:
    checkpoint, task = tiny_checkpoint("qwen2"), half_accepted()
    model = load(str(checkpoint), device="cpu")
    usable = usable_pairs(task, model.tokenizer, EXAMPLE, model.name)
    sampling = Sampling(shots=3, dummy_queries=2, per_split=EPISODES, seed=0)
    sampled = sample_episodes(task.name, usable, sampling)
    asked = [sampled[n - n % 2] for n in range(EPISODES)]  # twice, so that what is shared shows
    dev = [
        replace(one, query=other.query, accepted=other.accepted)
        for one, other in zip(sampled, asked, strict=False)
    ]
    shown = [shuffled_labels(episode, str(number)) for number, episode in enumerate(dev)]
    tokens = tokenise(model, shown, "exact", EXAMPLE)
    generator = torch.Generator().manual_seed(1)
    norms, deviations = (1 + torch.rand(EPISODES, DEPTH, generator=generator) for _ in range(2))
    means = 2 * torch.randn(TASKS, DEPTH, WIDTH, generator=torch.Generator().manual_seed(0)).half()
    prompts = PromptTokens(
        **tokens,
        shuffled=whole_prompts(tokens),
        right=tokenise(model, dev, "exact", EXAMPLE)["shared"],
        seeds=[100 + number for number in range(EPISODES)],
        norms=norms,
        deviations=deviations,
    )
    how = () if request.param is None else (METHOD, {})
    arguments = (prompts, prompts, means, NAMES, OWN, LAYER, True, *how)
    found = run(model.decoder, measure, *arguments)
    there = run(model.decoder, measure, *arguments, remote="local")
    for split in ("dev", "test"):
        for one, other in zip(found[split], there[split], strict=True):
            torch.testing.assert_close(other.pop("answers"), one["answers"])
            assert {**other, "answers": one["answers"]} == one
    return Case(HeadsReference(checkpoint), prompts, means, request.param, found)


@pytest.mark.parametrize(("split", "layers"), [("dev", list(range(DEPTH))), ("test", [LAYER])])
def test_every_procedure_answers_as_the_reference_does(
    case: Case, split: str, layers: list[int]
) -> None:
    found, wanted = case.found[split], case.vectors()
    unpatched = {"baseline": case.prompts["zero_shot"], "icl_shuffled": few_shot(case.prompts)}
    assert {one["procedure"] for one in found} == {*wanted, *unpatched, "mean_vector"}
    for procedure, vectors in wanted.items():
        read = answers_of(found, procedure)
        for column, block in enumerate(layers):
            case.check(at(read, column), block, vectors[:, block])
        assert read["log_probability"].unique().numel() > 1
    for vector, name in zip(case.means.float(), NAMES, strict=True):
        read = answers_of(found, "mean_vector", source=name)
        case.check(at(read, 0), LAYER, vector[LAYER].expand(EPISODES, -1))
    for procedure, prompts in unpatched.items():
        answers = [case.reference.answer(prompt) for prompt in prompts]
        assert_answered(case.reference, answers_of(found, procedure), answers, case.right)
