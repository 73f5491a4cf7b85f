from typing import Any

import pandas as pd
import pytest

from tests.helpers.completed import complete
from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.head_rows import outcome_for
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tests.helpers.zero_vectors import ZeroVectors
from tvsight.config import RunConfig
from tvsight.execution.here import Here
from tvsight.execution.ndif.preflight import rehearse
from tvsight.experiments.steering import (
    ALPHAS,
    CONTEXTS,
    CONTROLS,
    EPISODES,
    METHODS,
    NAME,
    SWEPT,
    TOKENS,
    VECTOR,
)
from tvsight.experiments.steering.request import Steer, repeated_bigrams, requests
from tvsight.models.loading import Model
from tvsight.models.sources import ModelSource
from tvsight.protocol.options import EFFECTS
from tvsight.run.planning import read_plan
from tvsight.storage.contents import check_rows
from tvsight.storage.schemas import SCORE_TYPES, schema
from tvsight.tasks import packaged_tasks

pytestmark = pytest.mark.usefixtures("zero_heads")
SOURCE = ModelSource("directory", "qwen2", "/nowhere/qwen2")
TASKS = "to_upper,next_letter,list_first"
N = 4


def wanted(tasks: str = TASKS, swept: tuple[int, int] = (1, 3), **changes: Any) -> list[Steer]:
    options = RunConfig(tasks=tasks, **{"episodes_per_split": N, "shots": 2, **changes})
    names, model = tasks.split(","), SOURCE.name
    rows = [task_rows(name, (1, 2, 3, 3), model=model, layers=swept) for name in names]
    of_heads = outcome_for(names, model, DEPTH, HEADS).only(EFFECTS)
    thetas = ZeroVectors(model, *names)
    return requests(read_plan(options), SOURCE, outcome_of(*rows), of_heads, thetas)


def test_the_identity_names_factors_sentences_and_the_other_tasks() -> None:
    found = {one.name: one.identity for one in wanted()}
    assert list(found) == TASKS.split(",")
    for task, identity in found.items():
        assert (identity["alphas"], identity["heads"]) == (list(ALPHAS), 10)
        assert identity["generated"] == [EPISODES, TOKENS]
        assert identity["other_template"] == "Q:{x}\nA:{y}\n\n"
        assert identity["sentences"].startswith("sha256:")
        assert identity["sources"] == {
            other: packaged_tasks()[other].checksum for other in found if other != task
        }
    reordered = {one.name: one.identity for one in wanted("list_first,to_upper,next_letter")}
    assert reordered == found


def test_blocks_of_the_central_comparison_are_not_swept_again(model: Model) -> None:
    layers = {"task_vector": 1, "averaged_vector": 3}
    request = wanted(swept=(1, 3))[0]
    assert request.identity["blocks"] == {f"{name}/overwrite": at for name, at in layers.items()}
    rows = complete(request.steps(model), model.decoder).rows
    dev, test = (rows[rows["split"] == split] for split in ("dev", "test"))
    swept = dev[["method", "mode"]].dropna().drop_duplicates()
    assert sorted(swept.itertuples(index=False, name=None)) == [
        ("averaged_vector", "add"),
        ("function_vector", "add"),
        ("function_vector", "overwrite"),
        ("task_vector", "add"),
    ]
    over = test[(test["mode"] == "overwrite") & (test["context"] == "zero_shot")]
    found = over.groupby("method")["layer"].first()
    assert {name: found[name] for name in layers} == layers


def test_its_job_can_be_rehearsed_and_random_directions_depend_on_task_and_seed(
    model: Model,
) -> None:
    def job(task: int = 0, **changes: Any) -> Any:
        (one,) = next(wanted(**changes)[task].steps(model))
        return one

    first = job()
    extracted = first.arguments[-2]
    assert extracted["thetas"].shape == (3, DEPTH, WIDTH)
    assert extracted["heads"].shape == (3, DEPTH, HEADS, model.decoder.attention.head_width)
    assert len({extracted["seed"], job(1).arguments[-2]["seed"]}) == 2
    assert job(seed=(1,)).arguments[-2]["seed"] != extracted["seed"]
    assert rehearse(first, model.decoder, model.dtype) > 0
    assert [repeated_bigrams(tokens) for tokens in ([1, 2, 3, 4], [1, 2, 1, 2, 1])] == [0, 0.5]


@pytest.mark.parametrize("tasks", [TASKS, "to_upper"])
def test_rows_are_complete(model: Model, tasks: str) -> None:
    request = wanted(tasks)[0]
    rows = complete(request.steps(model), model.decoder).rows
    if tasks == TASKS:
        shipped = complete(request.steps(model), model.decoder, Here(simulated=True)).rows
        pd.testing.assert_frame_equal(shipped, rows)
    assert rows.dtypes.astype(str).to_dict() == schema(NAME).columns_with(SCORE_TYPES)
    assert check_rows(rows, request.identity) is None
    dev, test = (rows[rows["split"] == split] for split in ("dev", "test"))
    assert len(dev) == N * (1 + (2 * len(METHODS) - len(SWEPT)) * DEPTH)
    alone = tasks == "to_upper"
    contexts = [name for name in CONTEXTS if not (alone and name == "other_task")]
    assert list(test["context"].unique()) == contexts
    for context, context_rows in test.groupby("context"):
        own = context_rows[context_rows["procedure"] == VECTOR]
        assert len(own) == N * len(METHODS) * (1 + len(ALPHAS))
        beside = set(context_rows["procedure"]) - {VECTOR, "baseline"}
        controls = set(CONTROLS) - ({"any_other_task"} if alone else set())
        assert beside == (controls if context == "zero_shot" else set())
        added = context_rows[context_rows["procedure"].isin(beside)]
        assert len(added) == N * len(beside) * len(METHODS) * len(ALPHAS)
    assert (test["alpha"].notna() == (test["mode"] == "add")).all()
    signs = test["repeated_once"].notna()
    assert set(test.loc[signs, "procedure"]) == {"baseline", VECTOR}
    assert set(test.loc[signs, "context"]) == {"zero_shot"}
    assert int(signs.sum()) == N * (1 + len(METHODS) * (1 + len(ALPHAS)))
    assert (test["divergence"].notna() == (signs & test["layer"].notna())).all()
    assert (test[["exact_once", "exact_every"]].notna().all(axis=1) == signs).all()
    of_vectors = test[signs].groupby(["method", "mode", "alpha"], dropna=False)["divergence"]
    assert of_vectors.mean().nunique() > len(ALPHAS)
    layers = test.dropna(subset="method").groupby(["method", "mode"])["layer"].nunique()
    assert set(layers) == {1}
    assert "function vector" in request.line(rows)
