from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.helpers.completed import complete
from tests.helpers.head_rows import outcome_for
from tests.helpers.replayed import two_tasks
from tests.helpers.tiny_models import DEPTH, HEADS
from tests.helpers.zero_vectors import ZeroVectors
from tvsight.errors import RefusedError, UsageError
from tvsight.execution.here import Here
from tvsight.execution.ndif.preflight import rehearse
from tvsight.experiments.function_vectors import BESIDE, FACTORS, NAME, SETTINGS, Options
from tvsight.experiments.function_vectors.request import (
    COUNTS,
    DRAWS,
    FunctionVectors,
    requests,
    setting_requests,
)
from tvsight.experiments.heads import INDUCTION
from tvsight.experiments.heads import request as heads
from tvsight.models.loading import Model
from tvsight.models.sources import ModelSource
from tvsight.protocol.options import EFFECTS
from tvsight.run.planning import read_plan
from tvsight.storage.contents import check_rows
from tvsight.storage.schemas import SCORE_TYPES, schema
from tvsight.tasks import packaged_tasks

pytestmark = pytest.mark.usefixtures("zero_heads")
SOURCE = ModelSource("directory", "a-model", "/nowhere/a-model")
TASKS = "to_upper,next_letter,list_first"


def options(tasks: str = TASKS, **changes: Any) -> Options:
    return Options(tasks=tasks, **{"episodes_per_split": 4, "shots": 2, **changes})


def wanted(chosen: Options) -> list[FunctionVectors]:
    tasks = chosen.tasks.split(",")
    of_heads = outcome_for(tasks, SOURCE.name, DEPTH, HEADS).only(EFFECTS)
    return requests(read_plan(chosen), SOURCE, chosen, of_heads, ZeroVectors(SOURCE.name, *tasks))


def identities(chosen: Options) -> dict[str, dict[str, Any]]:
    return {one.name: one.identity for one in wanted(chosen)}


def test_replayed_episodes_of_the_other_tasks_count(tmp_path: Path) -> None:
    def replayed(query: str) -> dict[str, dict[str, Any]]:
        file = two_tasks(tmp_path, query)
        plan = read_plan(Options(episodes=str(file)))
        tasks = [task.name for task in plan.tasks]
        known = outcome_for(tasks, SOURCE.name, DEPTH, HEADS)
        vectors = ZeroVectors(SOURCE.name, *tasks)
        found = requests(plan, SOURCE, plan.config, known.only(EFFECTS), vectors)
        found += heads.requests(plan, SOURCE, known.only(EFFECTS), known.only(INDUCTION))
        return {f"{one.identity['experiment']}/{one.name}": one.identity for one in found}

    one, other = replayed("e"), replayed("f")
    assert len(one) == 4
    for name in (f"{NAME}/to_upper", "heads/to_upper"):
        assert one[name]["episodes"] == other[name]["episodes"]
        assert one[name] != other[name]
    assert one == replayed("e")


def test_a_request_names_heads_counts_draws_and_the_other_tasks() -> None:
    found = identities(options())
    assert list(found) == TASKS.split(",")
    for task, identity in found.items():
        assert identity["experiment"] == NAME
        assert (identity["heads"], identity["draws"], identity["version"]) == (10, DRAWS, 2)
        assert identity["counts"] == list(COUNTS)
        assert identity["sources"] == {
            other: packaged_tasks()[other].checksum for other in found if other != task
        }


def test_the_order_of_tasks_changes_nothing_and_the_number_of_heads_does() -> None:
    assert identities(options()) == identities(options("list_first,to_upper,next_letter"))
    assert identities(options(heads=3))["to_upper"] != identities(options())["to_upper"]


def test_the_protocol_of_todd_has_function_vectors_of_its_own() -> None:
    todd = Options(tasks=TASKS, protocol="todd").with_protocol
    same = replace(todd, protocol="paper")
    for task, identity in identities(todd).items():
        assert identity == identities(same)[task] | {"queries": "solved"}


def test_random_draws_depend_on_seed_and_task(model: Model) -> None:
    def extracted(task: int = 0, **changes: Any) -> Any:
        chosen = options(heads=3, **changes)
        (job,) = next(wanted(chosen)[task].steps(model))
        return job.arguments[2]

    first = extracted()
    again, other, task = extracted(), extracted(seed=(1,)), extracted(1)
    for name in ("random_heads", "seed"):
        assert again[name] == first[name]
        assert other[name] != first[name]
        assert task[name] != first[name]
    assert len(first["random_heads"]) == DRAWS
    assert all(len(set(heads)) == 3 for heads in first["random_heads"])
    assert first["counts"] == [count for count in COUNTS if count <= DEPTH * HEADS]
    assert first["means"].shape == (3, DEPTH, HEADS, model.decoder.attention.head_width)


def test_more_heads_than_there_are_is_an_error(model: Model) -> None:
    chosen = options(heads=DEPTH * HEADS + 1)
    with pytest.raises(RefusedError, match="--heads 21: qwen2 has 20 heads"):
        next(wanted(chosen)[0].steps(model))


def test_settings_name_what_is_tried_and_rank_heads_by_the_task_and_by_the_others(
    model: Model,
) -> None:
    chosen = options(heads=3)
    tasks = TASKS.split(",")
    of_heads = outcome_for(tasks, SOURCE.name, DEPTH, HEADS).only(EFFECTS)
    zeros = ZeroVectors(SOURCE.name, *tasks)
    found = setting_requests(read_plan(chosen), SOURCE, chosen, of_heads, zeros)
    assert [one.name for one in found] == tasks
    identity = found[0].identity
    assert (identity["experiment"], identity["heads"]) == (SETTINGS, 3)
    assert (identity["counts"], identity["factors"]) == ([1, 2, 3, 5, 10, 20, 40], list(FACTORS))
    assert set(identity["sources"]) == {*tasks} - {found[0].name}
    assert set(found[0].ranking) == {"own", "others"}
    (job,) = next(found[0].steps(model))
    assert rehearse(job, model.decoder, model.dtype) > 0
    assert job.arguments[2]["counts"] == [1, 2, 3, 5, 10, 20]

    (alone,) = setting_requests(read_plan(options("to_upper")), SOURCE, chosen, of_heads, zeros)
    assert set(alone.ranking) == {"own"}

    measured = complete(found[0].steps(model), model.decoder, Here())
    rows = measured.rows
    assert rows.dtypes.astype(str).to_dict() == schema(SETTINGS).columns_with(["rank"])
    assert set(rows["setting"].dropna()) == {"fixed", "tuned"}
    assert check_rows(rows, found[0].identity | {"model": "qwen2"}) is None
    shipped = complete(found[0].steps(model), model.decoder, Here(simulated=True)).rows
    pd.testing.assert_frame_equal(shipped, rows)


def test_no_head_is_an_error() -> None:
    with pytest.raises(UsageError, match="--heads 0: at least 1"):
        Options(heads=0)


def test_its_job_can_be_rehearsed(model: Model) -> None:
    chosen = options(heads=12)
    (job,) = next(wanted(chosen)[0].steps(model))
    assert rehearse(job, model.decoder, model.dtype) > 0
    assert torch.equal(job.small[0]["means"], torch.zeros(3, DEPTH, 1, 2))


@pytest.fixture(scope="module")
def rows(model: Model, zero_heads: None) -> pd.DataFrame:
    chosen = options(heads=3)
    one = wanted(chosen)[0]
    found = complete(one.steps(model), model.decoder, Here())
    assert found.vectors is None
    assert found.notes is not None
    assert found.notes["vector_lengths"]["function_vector"] == 0
    identity = one.identity | {"model": "qwen2"}
    assert check_rows(found.rows, identity) is None
    return found.rows


def test_rows_are_complete(rows: pd.DataFrame) -> None:
    assert rows.dtypes.astype(str).to_dict() == schema(NAME).columns_with(SCORE_TYPES)
    test = rows[rows["split"] == "test"]
    zero_shot = test[test["context"] == "zero_shot"]
    vector = zero_shot[zero_shot["procedure"] == "function_vector"]
    by_rule = vector.groupby("layer_rule")["heads"].unique()
    assert sorted(by_rule["dev"]) == [1, 2, 3, 5, 10, 20]
    assert list(by_rule["third"]) == [3]
    assert vector.loc[vector["layer_rule"] == "third", "layer"].unique().tolist() == [DEPTH // 3]
    draws = zero_shot.loc[zero_shot["procedure"] == "random_heads", "draw"]
    assert sorted(draws.unique()) == list(range(DRAWS))
    shuffled = test[test["context"] == "shuffled"]
    assert set(shuffled["procedure"]) == {"baseline", "function_vector", *BESIDE}
    beside = rows[rows["procedure"].isin(BESIDE)]
    assert set(beside["context"]) == {"shuffled"}
    assert beside["heads"].isna().all()
    assert (beside.loc[beside["split"] == "test", "layer_rule"] == "dev").all()
    one_block = test[test["layer_rule"] == "dev"].groupby(["context", "procedure"])["layer"]
    assert (one_block.nunique() == 1).all()
    dev = rows[rows["split"] == "dev"]
    assert dev["layer_rule"].isna().all()
    for (_, name), swept in dev.groupby(["context", "procedure"]):
        blocks = swept["layer"].dropna().unique().tolist()
        assert blocks == ([] if name == "baseline" else list(range(DEPTH)))


def test_it_runs_as_a_server_would_run_it(model: Model, rows: pd.DataFrame) -> None:
    chosen = options(heads=3)
    one = wanted(chosen)[0]
    shipped = complete(one.steps(model), model.decoder, Here(simulated=True)).rows
    pd.testing.assert_frame_equal(shipped, rows)
