from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.experiments.main_results.test_measure import half_accepted
from tests.helpers.reference import Prompts as ReferencePrompts
from tests.helpers.reference import Reference, task_vector
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight import execution
from tvsight.errors import MeasurementError
from tvsight.execution import Here, complete
from tvsight.experiments.controls import NAME as CONTROLS
from tvsight.experiments.controls import measure as controls
from tvsight.experiments.controls.episodes import shuffled_labels
from tvsight.experiments.controls.measure import (
    Comparison,
    ControlPrompts,
    measure_controls,
    measure_split,
)
from tvsight.interventions import application
from tvsight.interventions.decoder import Decoder
from tvsight.models.loading import Model, load
from tvsight.prompts import Episode, sample_episodes, template, tokenise, usable_pairs
from tvsight.storage.contents import check_rows
from tvsight.storage.schemas import schema

EPISODES, LAYER = 6, 2
EXAMPLE = template("example")
OTHERS = ["one", "three", "two"]
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
    sampled = sample_episodes(task.name, usable, 3, 2, EPISODES, seed=0)
    return [
        Episode(e.task, e.split, e.demonstrations, o.query, o.accepted, e.dummy_queries)
        for e, o in zip(sampled, [sampled[n - n % 2] for n in range(len(sampled))], strict=True)
    ]


@pytest.fixture(scope="module")
def case(model: Model, reference: Reference, episodes: list[Episode]) -> Case:
    dev = [episode for episode in episodes if episode.split == "dev"]
    shown = [shuffled_labels(episode, str(number)) for number, episode in enumerate(dev)]
    tokens, learnt = (tokenise(model, of, "exact", EXAMPLE) for of in (dev, shown))
    others = mean_vectors().half()
    norms = 1 + torch.rand(EPISODES, DEPTH, generator=torch.Generator().manual_seed(1))
    prompts = ControlPrompts(
        zero_shot=tokens["zero_shot"],
        expected=tokens["expected"],
        shared=learnt["shared"],
        dummies=learnt["dummies"],
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
    found = execution.run(model.decoder, measure_split, *arguments)
    assert set(found) == {"baseline", *case.vectors}
    wanted = [reference.answer(prompt) for prompt in case.prompts["zero_shot"]]
    assert found["baseline"]["token"].tolist() == [answer.token for answer in wanted]
    for procedure, vectors in case.vectors.items():
        for block in range(DEPTH):
            of_block = {name: values[:, block] for name, values in found[procedure].items()}
            assert_answers(reference, case.prompts, block, vectors, of_block)
        assert found[procedure]["token"].unique().numel() > 1


def test_every_other_task_answers_as_the_reference_does(
    model: Model, reference: Reference, case: Case
) -> None:
    found = execution.run(
        model.decoder, measure_split, case.prompts, case.others, [LAYER], True, True
    )
    for number, vector in enumerate(case.others.float()):
        of_task = {name: values[:, number] for name, values in found["other_task"].items()}
        vectors = vector.expand(EPISODES, -1, -1)
        assert_answers(reference, case.prompts, LAYER, vectors, of_task)
    any_other = {name: values[:, 0] for name, values in found["any_other_task"].items()}
    assert_answers(reference, case.prompts, LAYER, case.vectors["any_other_task"], any_other)


def test_controls_run_the_same_as_a_server_sees_them(model: Model, case: Case) -> None:
    arguments = (case.prompts, case.prompts, case.others, LAYER, True)
    here = execution.run(model.decoder, controls.measure, *arguments, None)
    there = execution.run(model.decoder, controls.measure, *arguments, None, remote="local")
    for split, found in here.items():
        for procedure, read in found.items():
            assert read["token"].equal(there[split][procedure]["token"])


@pytest.fixture(scope="module")
def rows(model: Model, episodes: list[Episode]) -> pd.DataFrame:
    return measured(model, episodes, mean_vectors().half(), OTHERS)


def test_rows_are_complete(rows: pd.DataFrame) -> None:
    assert rows.dtypes.astype(str).to_dict() == schema(CONTROLS).columns
    identity = {"model": "qwen2", "task": "half_accepted", "experiment": CONTROLS}
    check_rows(rows, identity | {"episodes_per_split": EPISODES})
    once = {"no_op", "random_vector", "shuffled_labels", "other_tasks_mean", "any_other_task"}
    dev, test = (rows[rows["split"] == split] for split in ("dev", "test"))
    assert set(dev["procedure"]) == once
    for _, swept in dev.groupby("procedure"):
        assert swept["layer"].unique().tolist() == list(range(DEPTH))
    assert dev["source"].isna().all()
    assert set(test["procedure"]) == {*once, "other_task"}
    assert set(test["layer"]) == {LAYER}
    assert set(test["source"].dropna()) == set(OTHERS)
    assert (test["source"].notna() == (test["procedure"] == "other_task")).all()


def test_one_other_task_after_another_is_a_part_of_the_matrix(rows: pd.DataFrame) -> None:
    test = rows[rows["split"] == "test"]
    matrix = test[test["procedure"] == "other_task"].set_index(["source", "episode"])
    turn = test[test["procedure"] == "any_other_task"].set_index("episode")
    for episode, row in turn.iterrows():
        same = matrix.loc[(OTHERS[int(str(episode)) % len(OTHERS)], episode)]
        assert (row["predicted"], row["margin"]) == (same["predicted"], same["margin"])


def test_random_vectors_depend_on_the_seed_alone(
    model: Model, episodes: list[Episode], rows: pd.DataFrame
) -> None:
    def random(found: pd.DataFrame) -> list[float]:
        return found.loc[found["procedure"] == "random_vector", "log_probability"].tolist()

    again = measured(model, episodes, mean_vectors().half()[:1], OTHERS[:1])
    assert random(again) == pytest.approx(random(rows), abs=TOLERANCE)
    other = measured(model, episodes, mean_vectors().half()[:1], OTHERS[:1], seed="1")
    assert random(other) != pytest.approx(random(rows), abs=TOLERANCE)


def test_without_other_tasks_and_without_shuffled_labels_the_rest_is_measured(
    model: Model, episodes: list[Episode]
) -> None:
    found = measured(model, episodes, torch.zeros(0, DEPTH, WIDTH).half(), [], shuffle=False)
    assert set(found["procedure"]) == {"no_op", "random_vector"}


def test_a_no_op_patch_that_changes_answers_is_an_error(
    model: Model, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_vectors = application.apply_vectors

    def one_block_too_low(decoder: Decoder, prompts: Any, chosen: Any, layers: Any, v: Any) -> Any:
        return apply_vectors(decoder, prompts, chosen, [max(0, n - 1) for n in layers], v)

    monkeypatch.setattr(controls, "apply_vectors", one_block_too_low)
    with pytest.raises(MeasurementError, match="a no-op patch changed"):
        measured(model, episodes, mean_vectors().half(), OTHERS)


def measured(
    model: Model,
    episodes: list[Episode],
    others: Tensor,
    names: list[str],
    seed: str = "0",
    shuffle: bool = True,
) -> pd.DataFrame:
    shown = [
        shuffled_labels(episode, str(number)) if shuffle else episode
        for number, episode in enumerate(episodes)
    ]
    norms = {split: torch.ones(EPISODES, DEPTH) for split in ("dev", "test")}
    comparison = Comparison(LAYER, norms, others, names)
    steps = measure_controls(model, half_accepted(), episodes, shown, EXAMPLE, comparison, seed)
    return complete(steps, model.decoder, Here())


def mean_vectors() -> Tensor:
    return 2 * torch.randn(len(OTHERS), DEPTH, WIDTH, generator=torch.Generator().manual_seed(0))


def assert_answers(
    reference: Reference,
    prompts: ControlPrompts,
    block: int,
    vectors: Tensor,
    found: dict[str, Tensor],
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
