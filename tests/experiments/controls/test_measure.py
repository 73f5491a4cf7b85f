from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers.half_accepted import half_accepted
from tests.helpers.reference import Prompts as ReferencePrompts
from tests.helpers.reference import Reference, task_vector
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.execution import run
from tvsight.experiments.controls.episodes import shuffled_labels
from tvsight.experiments.controls.measure import ControlPrompts, measure, measure_split
from tvsight.experiments.measuring import at
from tvsight.interventions.answers import Answers
from tvsight.models.loading import Model, load
from tvsight.prompts import Episode, Sampling, sample_episodes, template, tokenise, usable_pairs

EPISODES, LAYER, OTHERS = 6, 2, 3
EXAMPLE = template("example")
TOLERANCE = 1e-4


class Case(NamedTuple):
    """The dev episodes of a task, as a job has them, and the vectors that it applies."""

    prompts: ControlPrompts
    others: Tensor
    vectors: dict[str, Tensor]
    """For each control `[episodes, depth, width]`, computed one prompt at a time."""


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load(str(checkpoint), device="cpu")


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> Reference:
    return Reference(checkpoint)


@pytest.fixture(scope="module")
def episodes(model: Model) -> list[Episode]:
    """Every query twice, so that what is shared between episodes shows."""
    task = half_accepted()
    usable = usable_pairs(task, model.tokenizer, EXAMPLE, model.name)
    sampling = Sampling(shots=3, dummy_queries=2, per_split=EPISODES, seed=0)
    sampled = sample_episodes(task.name, usable, sampling)
    return [
        Episode(e.task, e.split, e.demonstrations, o.query, o.accepted, e.dummy_queries)
        for e, o in zip(sampled, [sampled[n - n % 2] for n in range(len(sampled))], strict=True)
    ]


@pytest.fixture(scope="module")
def case(model: Model, reference: Reference, episodes: list[Episode]) -> Case:
    dev = [episode for episode in episodes if episode.split == "dev"]
    shown = [shuffled_labels(episode, str(number)) for number, episode in enumerate(dev)]
    tokens = tokenise(model, dev, "exact", EXAMPLE)
    few_shot_tokens = tokenise(model, shown, "exact", EXAMPLE)
    others = mean_vectors().half()
    norms = 1 + torch.rand(EPISODES, DEPTH, generator=torch.Generator().manual_seed(1))
    prompts = ControlPrompts(
        zero_shot=tokens["zero_shot"],
        expected=tokens["expected"],
        shared=few_shot_tokens["shared"],
        dummies=few_shot_tokens["dummies"],
        seeds=[100 + number for number in range(EPISODES)],
        norms=norms,
    )
    own, random, shuffled = [], [], []
    for number, (asked, few_shot) in enumerate(zip(dev, shown, strict=True)):
        own.append(reference.residual_streams(ids(model, EXAMPLE.query(asked.query))))
        drawn = torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(100 + number))
        random.append(drawn / drawn.norm(dim=1, keepdim=True) * norms[number, :, None])
        dummies = [
            ids(model, EXAMPLE.few_shot(few_shot.demonstrations, dummy))
            for dummy in few_shot.dummy_queries
        ]
        shuffled.append(task_vector(reference, ReferencePrompts([], dummies, [], [])))
    vectors = {
        "no_op": torch.stack(own),
        "random_vector": torch.stack(random),
        "shuffled_labels": torch.stack(shuffled),
        "other_tasks_mean": others.float().mean(dim=0).expand(EPISODES, -1, -1),
        "any_other_task": others[[number % len(others) for number in range(EPISODES)]].float(),
    }
    return Case(prompts, others, vectors)


def test_every_control_answers_as_the_reference_does(
    model: Model, reference: Reference, case: Case
) -> None:
    arguments = (case.prompts, case.others, list(range(DEPTH)), True, False)
    found = run(model.decoder, measure_split, *arguments)
    assert found["controls"].keys() == case.vectors.keys()
    assert found["other_tasks"] == []
    wanted = [reference.answer(prompt) for prompt in case.prompts["zero_shot"]]
    assert found["baseline"]["token"].tolist() == [answer.token for answer in wanted]
    for procedure, vectors in case.vectors.items():
        read = found["controls"][procedure]
        for block in range(DEPTH):
            assert_answers(reference, case.prompts, block, vectors, at(read, block))
        assert read["token"].unique().numel() > 1


def test_every_other_task_answers_as_the_reference_does(
    model: Model, reference: Reference, case: Case
) -> None:
    arguments = (case.prompts, case.others, [LAYER], True, True)
    found = run(model.decoder, measure_split, *arguments)
    assert found["controls"].keys() == case.vectors.keys()
    for vector, read in zip(case.others.float(), found["other_tasks"], strict=True):
        vectors = vector.expand(EPISODES, -1, -1)
        assert_answers(reference, case.prompts, LAYER, vectors, at(read, 0))
    any_other = at(found["controls"]["any_other_task"], 0)
    assert_answers(reference, case.prompts, LAYER, case.vectors["any_other_task"], any_other)


def test_controls_run_the_same_as_a_server_sees_them(model: Model, case: Case) -> None:
    arguments = (case.prompts, case.prompts, case.others, LAYER, True)
    here = run(model.decoder, measure, *arguments, None)
    there = run(model.decoder, measure, *arguments, None, remote="local")
    for split in ("dev", "test"):
        one, other = here[split], there[split]
        assert one["baseline"]["token"].equal(other["baseline"]["token"])
        assert one["controls"].keys() == other["controls"].keys()
        for procedure, read in one["controls"].items():
            assert read["token"].equal(other["controls"][procedure]["token"])
        for read, of_server in zip(one["other_tasks"], other["other_tasks"], strict=True):
            assert read["token"].equal(of_server["token"])


def mean_vectors() -> Tensor:
    return 2 * torch.randn(OTHERS, DEPTH, WIDTH, generator=torch.Generator().manual_seed(0))


def assert_answers(
    reference: Reference, prompts: ControlPrompts, block: int, vectors: Tensor, found: Answers
) -> None:
    for number, prompt in enumerate(prompts["zero_shot"]):
        wanted = reference.answer(prompt, block, vectors[number, block])
        token, expected = int(found["token"][number]), prompts["expected"][number]
        assert token == wanted.token or wanted.margin < TOLERANCE
        log_probability = float(wanted.log_probabilities[expected])
        assert float(found["log_probability"][number]) == pytest.approx(
            log_probability, abs=TOLERANCE
        )


def ids(model: Model, prompt: str) -> list[int]:
    return model.tokenizer(prompt).input_ids
