from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.completed import complete
from tests.helpers.function_vector_rows import effect_rows
from tests.helpers.half_accepted import half_accepted
from tests.helpers.method_prompts import EXAMPLE
from tests.helpers.tiny_models import DEPTH, HEADS
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, UsageError
from tvsight.execution.here import Here
from tvsight.execution.ndif.preflight import rehearse
from tvsight.models.loading import Model
from tvsight.models.sources import ModelSource
from tvsight.protocol.head_effects import HeadEffects, KnownHeads, requests
from tvsight.protocol.options import EFFECTS
from tvsight.run.outcome import Stored
from tvsight.run.planning import Plan
from tvsight.storage.contents import HEAD_MEANS, check_rows
from tvsight.storage.manifests import Key
from tvsight.storage.schemas import schema
from tvsight.storage.store import Store

EPISODES = 4


@pytest.fixture(scope="module")
def request_of_one(model: Model) -> HeadEffects:
    config = RunConfig(shots=3, episodes_per_split=EPISODES)
    plan = Plan(config, EXAMPLE, [half_accepted()], {})
    (one,) = requests(plan, ModelSource("directory", "qwen2", "/nowhere"))
    return one


def test_rows_and_means_are_complete(model: Model, request_of_one: HeadEffects) -> None:
    assert request_of_one.identity["experiment"] == EFFECTS
    assert request_of_one.needs_vectors
    found = complete(request_of_one.steps(model), model.decoder, Here())
    assert found.rows.dtypes.astype(str).to_dict() == schema(EFFECTS).columns
    assert check_rows(found.rows, request_of_one.identity) == DEPTH
    assert len(found.rows) == EPISODES * DEPTH * HEADS
    assert found.vectors is not None
    shape = (DEPTH, HEADS, model.decoder.attention.head_width)
    assert found.vectors[HEAD_MEANS].shape == shape
    assert found.vectors[HEAD_MEANS].dtype == torch.float32
    assert request_of_one.line(found.rows).startswith("largest effects (")


def test_its_job_can_be_rehearsed(model: Model, request_of_one: HeadEffects) -> None:
    (job,) = next(request_of_one.steps(model))
    assert rehearse(job, model.decoder, model.dtype) > 0
    assert job.vector_bytes == 4 * DEPTH * HEADS * model.decoder.attention.head_width


def test_a_model_whose_heads_cannot_be_told_apart_is_refused(
    model: Model, request_of_one: HeadEffects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.decoder.attention, "heads", 0)
    with pytest.raises(UsageError, match=r"attention heads of Qwen2.* cannot be told apart"):
        next(request_of_one.steps(model))


def test_effects_of_solved_episodes_are_another_result_with_their_numbers(model: Model) -> None:
    config = RunConfig(shots=3, episodes_per_split=12)
    plan = Plan(config, EXAMPLE, [half_accepted()], {})
    source = ModelSource("directory", "qwen2", "/nowhere")
    (every,), (solved,) = (requests(plan, source, solved=chosen) for chosen in (False, True))
    assert solved.identity == every.identity | {"queries": "solved"}
    found, whole = (complete(one.steps(model), model.decoder, Here()) for one in (solved, every))
    assert check_rows(found.rows, solved.identity) == DEPTH
    numbers = found.rows["episode"].unique().tolist()
    assert 0 < len(numbers) < 12
    assert numbers != list(range(len(numbers)))
    queries = whole.rows.groupby("episode")["query"].first()
    assert found.rows.groupby("episode")["query"].first().tolist() == queries[numbers].tolist()
    (job,) = next(solved.steps(model))
    assert rehearse(job, model.decoder, model.dtype) > 0


def test_an_effect_that_is_no_number_is_an_error(model: Model, request_of_one: HeadEffects) -> None:
    steps = request_of_one.steps(model)
    next(steps)
    found: dict[str, Any] = {"effect": torch.tensor([float("nan")]), "means": torch.zeros(1)}
    with pytest.raises(MeasurementError, match="NaN or infinity; try a wider --dtype"):
        steps.send([found])


def test_means_and_rankings_of_a_task_are_read_once() -> None:
    opened: list[Path] = []

    class Counted(Store):
        def vectors(self, path: Path) -> dict[str, Tensor]:
            opened.append(path)
            return {HEAD_MEANS: torch.full((4, 2, 3), float(len(opened)))}

    rows = effect_rows("one", [[0.1, 0.3], [0.2, 0.0], [0.0, 0.0], [0.0, 0.0]])
    stored = Stored(Key("a-model", "one"), Path("head_effects/a-model/one"), rows)
    known = KnownHeads(Counted("/nowhere"), {"one": stored})
    assert [known.means("one").mean().item() for _ in range(3)] == [1, 1, 1]
    assert opened == [stored.path]
    assert known.ranking("one")[:3] == [(0, 1), (1, 0), (0, 0)]
    assert known.ranking("one") is known.ranking("one")
