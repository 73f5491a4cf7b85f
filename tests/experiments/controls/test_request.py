from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers.completed import complete
from tests.helpers.control_rows import outcome
from tests.helpers.example_rows import task_rows
from tests.helpers.half_accepted import half_accepted
from tests.helpers.misplaced import misplace
from tests.helpers.replayed import two_tasks
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError
from tvsight.execution.here import Here
from tvsight.experiments.controls import NAME
from tvsight.experiments.controls.request import Controls, requests
from tvsight.models.loading import Model
from tvsight.models.sources import ModelSource
from tvsight.output.procedures import CONTROLS
from tvsight.prompts import sample_episodes, template, usable_pairs
from tvsight.prompts.episodes import Episode, Sampling
from tvsight.protocol.central import requests as central_requests
from tvsight.run.outcome import Measured, Outcome
from tvsight.run.planning import Plan, read_plan
from tvsight.storage.contents import check_rows
from tvsight.storage.schemas import SCORE_TYPES, schema
from tvsight.storage.store import Store
from tvsight.storage.task_vectors import TaskVectors
from tvsight.tasks import packaged_tasks

SOURCE = ModelSource("directory", "a-model", "/nowhere/a-model")
LAYERS = {"to_upper": 2, "next_letter": 3, "list_first": 1}
TASKS = ",".join(LAYERS)
EPISODES, LAYER = 6, 2
OWN = "half_accepted"
EXAMPLE = template("example")
NORM = {"dev": 5.0, "test": 6.0}
DEVIATION = {"dev": 1.0, "test": 2.0}
TOLERANCE = 1e-4


class Given(TaskVectors):
    """Vectors that were made by hand."""

    def __init__(self, means: dict[str, Tensor], episodes: int = EPISODES) -> None:
        super().__init__(Store("/nowhere"), {})
        self.means = means
        self.episodes = episodes

    def mean(self, model: str, task: str) -> Tensor:
        return self.means[task]

    def norms(self, model: str, task: str, split: str) -> Tensor:
        return torch.full((self.episodes, DEPTH), NORM[split])

    def distances(self, model: str, task: str, split: str, origin: Tensor) -> Tensor:
        of_all = torch.stack([mean.half().float() for mean in self.means.values()])
        torch.testing.assert_close(origin, of_all.mean(dim=0))
        return torch.full((self.episodes, DEPTH), DEVIATION[split])


NO_VECTORS = Given({})
"""Of use until something is measured."""


def planned(tasks: str = TASKS, **options: Any) -> Plan:
    return read_plan(RunConfig(tasks=tasks, **options))


def central(*tasks: str, model: str = "a-model") -> Outcome:
    return outcome(
        pd.concat(task_rows(t, (1, 2, 3, 4), model=model, layers=(LAYERS[t], 5)) for t in tasks)
    )


def identities(plan: Plan, known: Outcome) -> dict[str, dict[str, Any]]:
    return {one.name: one.identity for one in requests(plan, SOURCE, known, NO_VECTORS)}


def test_a_request_names_the_block_and_the_data_of_the_other_tasks() -> None:
    found = identities(planned(), central(*LAYERS))
    assert list(found) == list(LAYERS)
    for task, identity in found.items():
        assert identity["layer"] == LAYERS[task]
        assert identity["version"] == 2
        assert identity["sources"] == {
            other: packaged_tasks()[other].checksum for other in LAYERS if other != task
        }
        assert "source_episodes" not in identity
    reordered = planned("list_first,to_upper,next_letter")
    assert identities(reordered, central(*LAYERS)) == found


def test_tasks_without_a_central_comparison_are_neither_measured_nor_applied() -> None:
    found = identities(planned(), central("to_upper", "list_first"))
    assert list(found) == ["to_upper", "list_first"]
    assert list(found["to_upper"]["sources"]) == ["list_first"]
    assert identities(planned(), central("to_upper", model="b-model")) == {}


def test_replayed_episodes_of_other_tasks_count(tmp_path: Path) -> None:
    def replayed(query: str) -> dict[str, dict[str, Any]]:
        file = two_tasks(tmp_path, query)
        return identities(planned("paper", episodes=str(file)), central("to_upper", "next_letter"))

    one, other = replayed("e"), replayed("f")
    assert one["to_upper"]["episodes"] == other["to_upper"]["episodes"]
    assert one["to_upper"] != other["to_upper"]
    assert one == replayed("e")


def test_stored_vectors_reach_the_job(model: Model) -> None:
    vectors = Given({t: torch.full((DEPTH, WIDTH), float(n)) for n, t in enumerate(LAYERS)}, 4)
    of_four, source = planned(episodes_per_split=4, shots=3), replace(SOURCE, name="qwen2")
    wanted = requests(of_four, source, central(*LAYERS, model="qwen2"), vectors)
    (job,) = next(wanted[0].steps(model))
    dev, test, means, _, own, layer, shuffled, *_ = job.arguments
    # In the order of their names: list_first, next_letter, to_upper.
    assert means[:, 0, 0].tolist() == [2, 1, 0]
    assert own == 2
    for split, prompts in (("dev", dev), ("test", test)):
        assert prompts["norms"].unique().tolist() == [NORM[split]]
        assert prompts["deviations"].unique().tolist() == [DEVIATION[split]]
    assert (layer, shuffled) == (LAYERS["to_upper"], True)
    # Queries with shuffled labels are the prompts of ICL with other answers.
    (of_icl,) = next(central_requests(of_four, source)[0].steps(model))
    for shuffled, real in zip(job.arguments[:2], of_icl.arguments[:2], strict=True):
        for number, query in enumerate(shuffled["query"]):
            prompt = shuffled["shared"][number] + query
            of_real = real["shared"][number] + real["query"][number]
            assert sorted(prompt) == sorted(of_real)
            assert prompt != of_real
            assert prompt[-2:] == of_real[-2:], "the query and its arrow"


@pytest.fixture(scope="module")
def episodes(model: Model) -> list[Episode]:
    usable = usable_pairs(half_accepted(), model.tokenizer, EXAMPLE, model.name)
    sampling = Sampling(shots=3, dummy_queries=2, per_split=EPISODES, seed=0)
    return sample_episodes("half_accepted", usable, sampling)


@pytest.fixture(scope="module")
def means() -> dict[str, Tensor]:
    """A mean vector of the task and of each of three others."""
    generator = torch.Generator().manual_seed(0)
    vectors = 2 * torch.randn(4, DEPTH, WIDTH, generator=generator)
    return dict(zip((OWN, "one", "three", "two"), vectors, strict=True))


def measured(
    model: Model, episodes: list[Episode], means: dict[str, Tensor], seed: int = 0
) -> Measured:
    """The controls of given episodes."""
    task = half_accepted()
    of_task = Plan(RunConfig(), EXAMPLE, [task], {task.name: tuple(episodes)})
    others = [replace(task, name=name) for name in means if name != OWN]
    request = Controls(of_task, {"seed": seed}, task, others, LAYER, Given(means))
    return complete(request.steps(model), model.decoder, Here())


@pytest.fixture(scope="module")
def rows(model: Model, episodes: list[Episode], means: dict[str, Tensor]) -> pd.DataFrame:
    return measured(model, episodes, means).rows


def test_rows_are_complete(rows: pd.DataFrame, means: dict[str, Tensor]) -> None:
    assert rows.dtypes.astype(str).to_dict() == schema(NAME).columns_with(SCORE_TYPES)
    identity = {"model": "qwen2", "task": "half_accepted", "experiment": NAME}
    check_rows(rows, identity | {"episodes_per_split": EPISODES})
    dev, test = (rows[rows["split"] == split] for split in ("dev", "test"))
    for of_split in (dev, test):
        assert set(of_split["procedure"]) == {*CONTROLS, "icl_shuffled", "mean_vector"}
        assert set(of_split["source"].dropna()) == set(means)
        assert (of_split["source"].notna() == (of_split["procedure"] == "mean_vector")).all()
        assert (of_split["layer"].isna() == (of_split["procedure"] == "icl_shuffled")).all()
    for name, swept in dev.groupby("procedure"):
        blocks = swept["layer"].dropna().unique().tolist()
        once = {"icl_shuffled": [], "mean_vector": [LAYER]}
        assert blocks == once.get(str(name), list(range(DEPTH)))
    assert set(test["layer"].dropna()) == {LAYER}


def test_random_vectors_depend_on_the_seed_alone(
    model: Model, episodes: list[Episode], means: dict[str, Tensor], rows: pd.DataFrame
) -> None:
    def random(found: pd.DataFrame) -> list[float]:
        return found.loc[found["procedure"] == "random_vector", "log_probability"].tolist()

    few = {name: means[name] for name in (OWN, "one")}
    assert random(measured(model, episodes, few).rows) == pytest.approx(random(rows), abs=TOLERANCE)
    other = measured(model, episodes, few, seed=1).rows
    assert random(other) != pytest.approx(random(rows), abs=TOLERANCE)


def test_without_other_tasks_and_without_shuffled_labels_the_rest_is_measured(
    model: Model, episodes: list[Episode], means: dict[str, Tensor]
) -> None:
    alike = [
        replace(episode, demonstrations=tuple((x, "A") for x, _ in episode.demonstrations))
        for episode in episodes
    ]
    found = measured(model, alike, {OWN: means[OWN]})
    assert set(found.rows["procedure"]) == {"no_op", "random_vector", "mean_vector"}
    assert set(found.rows["source"].dropna()) == {OWN}
    assert found.notes is not None
    total = 2 * EPISODES * 3
    assert found.notes["shuffled_labels"] == {"kept": total, "of": total}


def test_a_no_op_patch_that_changes_answers_is_an_error(
    model: Model, episodes: list[Episode], means: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    misplace(monkeypatch)
    with pytest.raises(MeasurementError, match="a no-op patch changed"):
        measured(model, episodes, means)
