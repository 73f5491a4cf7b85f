import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.helpers.commands import analysis
from tests.helpers.completed import complete
from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.function_vector_rows import method_rows
from tests.helpers.half_accepted import half_accepted
from tests.helpers.method_prompts import EXAMPLE, few_shot, with_added
from tests.helpers.reference_heads import HeadsReference
from tests.helpers.tiny_models import DEPTH
from tvsight.config import RunConfig
from tvsight.errors import MeasurementError, UsageError
from tvsight.execution.here import Here
from tvsight.execution.ndif.parcel import digest
from tvsight.execution.ndif.preflight import rehearse
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.methods import METHODS, MethodEntry
from tvsight.models.loading import Model
from tvsight.models.sources import ModelSource
from tvsight.protocol.methods import NAME, MethodResults, joined, requests
from tvsight.protocol.options import MethodOptions
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Plan, read_plan
from tvsight.storage.contents import check_rows
from tvsight.storage.manifests import Key

SOURCE = ModelSource("directory", "a-model", "/nowhere/a-model")
SIZES = ("--episodes-per-split", "4", "--shots", "3")


def identity(entry: MethodEntry, **options: Any) -> dict[str, Any]:
    plan = read_plan(RunConfig(tasks="to_upper", **options))
    return requests(plan, SOURCE, entry)[0].identity


def test_a_key_has_the_method_its_settings_and_its_source() -> None:
    found = identity(METHODS["function_vector"])
    assert found["experiment"] == NAME
    assert found["method"] == "function_vector"
    assert found["method_settings"] == {"heads": 10}
    assert "method_source" not in found
    own = MethodEntry("function_vector", "A title", {"heads": 3}, "a_module", "sha256:0")
    other = identity(own)
    assert other["method_settings"] == {"heads": 3}
    assert other["method_source"] == "sha256:0"
    renamed = MethodEntry("function_vector", "Another", {"heads": 3}, "a_module", "sha256:0")
    assert identity(renamed) == other
    assert identity(own, seed=(1,)) != other


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


def request_of(name: str) -> MethodResults:
    config = RunConfig(shots=3, episodes_per_split=4)
    plan = Plan(config, EXAMPLE, [half_accepted()], {})
    (one,) = requests(plan, ModelSource("directory", "qwen2", "/nowhere"), METHODS[name])
    return one


@pytest.mark.parametrize("name", ["mean_state", "function_vector"])
def test_rows_are_complete_and_jobs_can_be_rehearsed(model: Model, name: str) -> None:
    asked = request_of(name)
    found = complete(asked.steps(model), model.decoder, Here())
    assert check_rows(found.rows, asked.identity) == DEPTH
    assert found.vectors is None
    assert asked.line(found.rows).startswith(f"{METHODS[name].title} ")
    (job,) = next(asked.steps(model))
    assert rehearse(job, model.decoder, model.dtype) > 0
    other = next(request_of("mean_state").steps(model))[0]
    assert (digest(job) == digest(other)) is (name == "mean_state")
    shipped = complete(asked.steps(model), model.decoder, Here(simulated=True)).rows
    pd.testing.assert_frame_equal(shipped, found.rows)


def test_answers_are_those_of_plain_hooks(checkpoint: Path, model: Model) -> None:
    """The mean state of the dev prompts, added on both splits after the best block on dev."""
    asked = request_of("mean_state")
    rows = complete(asked.steps(model), model.decoder, Here()).rows
    reference = HeadsReference(checkpoint)
    (job,) = next(asked.steps(model))
    dev, test = job.arguments[:2]
    states = [reference.residual_streams(prompt) for prompt in few_shot(dev)]
    mean = torch.stack(states).mean(dim=0)
    correct = []
    for block in range(DEPTH):
        answers = [with_added(reference, p, block, mean[block]) for p in dev["zero_shot"]]
        pairs = zip(answers, dev["accepted"], strict=True)
        correct.append(sum(one.token in accepted for one, accepted in pairs))
        swept = rows[(rows["split"] == "dev") & (rows["layer"] == block)]
        margins = [one.margin for one in answers]
        assert swept["margin"].tolist() == pytest.approx(margins, abs=2e-4)
        assert swept["correct"].sum() == correct[-1]
    best = correct.index(max(correct))
    tested = rows[rows["split"] == "test"]
    assert set(tested["layer"]) == {best}
    answers = [with_added(reference, p, best, mean[best]) for p in test["zero_shot"]]
    assert tested["margin"].tolist() == pytest.approx([o.margin for o in answers], abs=2e-4)


def test_vectors_that_are_no_numbers_are_an_error(model: Model) -> None:
    steps = request_of("mean_state").steps(model)
    next(steps)
    on_split = {"finite": False}
    with pytest.raises(MeasurementError, match=r"^a vector or a state holds NaN"):
        steps.send([{"dev": on_split, "test": on_split}])


def test_rows_of_methods_join_those_of_their_tasks_and_failures_say_the_method() -> None:
    central = outcome_of(task_rows("one", (1, 2, 3, 4)), task_rows("two", (1, 2, 3, 4)))
    central.failures[Key("a-model", "three")] = "no"
    further = outcome_of(method_rows("one", 9), experiment=NAME)
    further.failures[Key("a-model", "two")] = "states hold NaN"
    found = joined(central, {"Mean state, added": further})
    one, two = found.results
    assert set(one.rows["procedure"]) - set(two.rows["procedure"]) == {"mean_state"}
    assert len(one.rows) == len(central.results[0].rows) + len(further.results[0].rows)
    assert two.rows is central.results[1].rows
    assert one.path == central.results[0].path
    assert found.failures == {
        Key("a-model", "three"): "no",
        Key("a-model", "two, Mean state, added"): "states hold NaN",
    }
    alone = joined(central, {"Mean state, added": Outcome()})
    assert alone.results == central.results


@pytest.mark.slow
def test_methods_of_an_option_are_measured_once_and_drawn(checkpoint: Path, tmp_path: Path) -> None:
    where = ("--model", checkpoint, "--results", tmp_path, "--tasks", "to_upper", *SIZES)
    asked = (*where, "--methods", "mean_state", "--save-episodes", tmp_path / "asked.jsonl")
    first = analysis("main_results", *asked)
    assert (first.returncode, first.stderr) == (0, "")
    assert "qwen2, methods: 0 of 1 are in the store, 1 to do" in first.stdout
    table = pd.read_csv(tmp_path / "tables" / "main_results_methods.csv")
    assert table["procedure"].tolist() == [
        *("baseline", "icl", "task_vector", "averaged_vector", "mean_state")
    ]
    manifests = [json.loads(file.read_text()) for file in tmp_path.rglob("manifest.json")]
    experiments = {one["identity"]["experiment"] for one in manifests}
    assert experiments == {MAIN_RESULTS, NAME}
    again = analysis("layer_sweep", *where, "--methods", "mean_state", "function_vector")
    assert (again.returncode, again.stderr) == (0, "")
    assert "qwen2, methods: 1 of 1 are in the store, 0 to do" in again.stdout
    assert "Function vector 0." in again.stdout
    redrawn = analysis("main_results", *where, "--methods", "function_vector", "--redraw")
    assert (redrawn.returncode, redrawn.stderr) == (0, "")
    table = pd.read_csv(tmp_path / "tables" / "main_results_methods.csv")
    assert table["procedure"].tolist()[-1] == "function_vector"


def test_a_file_needs_trust() -> None:
    with pytest.raises(UsageError, match="Add --trust-method-file if you trust its author"):
        MethodOptions(method_file="own.py")
