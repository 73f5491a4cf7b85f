from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tests.helpers.half_accepted import half_accepted
from tests.helpers.reads import answers_of
from tests.helpers.reference import Answer, Reference, task_vector
from tests.helpers.reference import Prompts as ReferencePrompts
from tests.helpers.reference_scores import gaps_and_divergences
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.execution import run
from tvsight.experiments.controls.measure import measure
from tvsight.interventions.answers import Answers
from tvsight.models.loading import Model, load
from tvsight.prompts import Episode, Sampling, sample_episodes, template, tokenise, usable_pairs
from tvsight.prompts.shuffling import shuffled_labels
from tvsight.prompts.tokens import PromptTokens, whole_prompts
from tvsight.protocol.conditions import at

EPISODES, LAYER, TASKS, OWN = 6, 2, 4, 1
NAMES = [f"task {number}" for number in range(TASKS)]
EXAMPLE = template("example")
TOLERANCE = 1e-4


class Case(NamedTuple):
    """The dev episodes of a task, as a job has them, and the vectors that it applies."""

    prompts: PromptTokens
    few_shot: list[list[int]]
    """The whole prompt of each query after demonstrations with permuted answers."""
    icl: list[Answer]
    """Answers after the demonstrations as they are."""
    means: Tensor
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
    few_shot_tokens = tokenise(model, shown, "exact", EXAMPLE)
    means = mean_vectors().half()
    others = means[[task for task in range(TASKS) if task != OWN]].float()
    generator = torch.Generator().manual_seed(1)
    norms, deviations = (1 + torch.rand(EPISODES, DEPTH, generator=generator) for _ in range(2))
    prompts = PromptTokens(
        **few_shot_tokens,
        shuffled=whole_prompts(few_shot_tokens),
        right=tokenise(model, dev, "exact", EXAMPLE)["shared"],
        seeds=[100 + number for number in range(EPISODES)],
        norms=norms,
        deviations=deviations,
    )
    own, random, deviating, shuffled = [], [], [], []
    for number, (asked, few_shot) in enumerate(zip(dev, shown, strict=True)):
        own.append(reference.residual_streams(ids(model, EXAMPLE.query(asked.query))))
        drawn = torch.randn(DEPTH, WIDTH, generator=torch.Generator().manual_seed(100 + number))
        direction = drawn / drawn.norm(dim=1, keepdim=True)
        random.append(direction * norms[number, :, None])
        mean = sum(vector.float() for vector in means) / TASKS
        deviating.append(mean + direction * deviations[number, :, None])
        dummies = [
            ids(model, EXAMPLE.few_shot(few_shot.demonstrations, dummy))
            for dummy in few_shot.dummy_queries
        ]
        shuffled.append(task_vector(reference, ReferencePrompts([], dummies, [], [])))
    vectors = {
        "no_op": torch.stack(own),
        "random_vector": torch.stack(random),
        "random_deviation": torch.stack(deviating),
        "shuffled_labels": torch.stack(shuffled),
        "other_tasks_mean": others.mean(dim=0).expand(EPISODES, -1, -1),
        "any_other_task": others[[number % len(others) for number in range(EPISODES)]],
    }
    asked_after = [
        ids(model, EXAMPLE.few_shot(few_shot.demonstrations, few_shot.query)) for few_shot in shown
    ]
    icl = [reference.answer(ids(model, EXAMPLE.few_shot(e.demonstrations, e.query))) for e in dev]
    return Case(prompts, asked_after, icl, means, vectors)


@pytest.mark.parametrize(("split", "layers"), [("dev", list(range(DEPTH))), ("test", [LAYER])])
def test_every_procedure_answers_as_the_reference_does(
    model: Model, reference: Reference, case: Case, split: str, layers: list[int]
) -> None:
    arguments = (case.prompts, case.prompts, case.means, NAMES, OWN, LAYER, True)
    found = run(model.decoder, measure, *arguments)[split]
    unpatched = ("baseline", "icl_shuffled")
    known = {one["procedure"] for one in found}
    assert known == {*case.vectors, *unpatched, "mean_vector"}
    for procedure, vectors in case.vectors.items():
        read = answers_of(found, procedure)
        for column, block in enumerate(layers):
            assert_answers(reference, case, block, vectors, at(read, column))
        assert read["log_probability"].unique().numel() > 1
    for vector, name in zip(case.means.float(), NAMES, strict=True):
        vectors = vector.expand(EPISODES, -1, -1)
        read = answers_of(found, "mean_vector", source=name)
        assert_answers(reference, case, LAYER, vectors, at(read, 0))
    for procedure, prompts in zip(
        unpatched, (case.prompts["zero_shot"], case.few_shot), strict=True
    ):
        wanted = [reference.answer(prompt) for prompt in prompts]
        assert_same(wanted, case, answers_of(found, procedure))


def test_controls_run_the_same_as_a_server_sees_them(model: Model, case: Case) -> None:
    arguments = (case.prompts, case.prompts, case.means, NAMES, OWN, LAYER, True)
    here = run(model.decoder, measure, *arguments)
    there = run(model.decoder, measure, *arguments, remote="local")
    for split in ("dev", "test"):
        for one, other in zip(here[split], there[split], strict=True):
            torch.testing.assert_close(other.pop("answers"), one.pop("answers"))
            assert one == other


def mean_vectors() -> Tensor:
    return 2 * torch.randn(TASKS, DEPTH, WIDTH, generator=torch.Generator().manual_seed(0))


def assert_answers(
    reference: Reference, case: Case, block: int, vectors: Tensor, found: Answers
) -> None:
    """The answers of the zero-shot prompts with a vector of each episode after a block."""
    wanted = [
        reference.answer(prompt, block, vectors[number, block])
        for number, prompt in enumerate(case.prompts["zero_shot"])
    ]
    assert_same(wanted, case, found)


def assert_same(wanted: list[Answer], case: Case, found: Answers) -> None:
    distributions = [[one.log_probabilities for one in of] for of in (wanted, case.icl)]
    known = case.prompts
    gaps, divergences = gaps_and_divergences(
        *distributions, known["expected"], accepted=known["accepted"]
    )
    assert found["gap"].tolist() == pytest.approx(gaps, abs=TOLERANCE)
    assert found["divergence"].tolist() == pytest.approx(divergences, abs=TOLERANCE)
    for number, answer in enumerate(wanted):
        token, expected = int(found["token"][number]), case.prompts["expected"][number]
        assert token == answer.token or answer.margin < TOLERANCE
        log_probability = float(answer.log_probabilities[expected])
        assert float(found["log_probability"][number]) == pytest.approx(
            log_probability, abs=TOLERANCE
        )


def ids(model: Model, prompt: str) -> list[int]:
    return model.tokenizer(prompt).input_ids
