"""Checks before anything is sent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from nnsight.ndif import get_local_env

from tests.helpers.example_rows import outcome_of, task_rows
from tests.helpers.tiny_llama import EXAMPLE, HOST
from tests.helpers.zero_vectors import ZeroVectors
from tvsight.config import RunConfig
from tvsight.errors import RefusedError, ServerError, TvsightError
from tvsight.execution.jobs import Job
from tvsight.execution.ndif import preflight
from tvsight.execution.ndif.preflight import REHEARSED, SHALLOW, deployment, rehearse
from tvsight.experiments.conflicting_tasks import request as conflicting_tasks
from tvsight.experiments.controls import request as controls
from tvsight.experiments.learned_vectors import request as learned_vectors
from tvsight.experiments.templates import request as templates
from tvsight.experiments.token_projections import request as token_projections
from tvsight.models import ModelSource
from tvsight.models.loading import Model
from tvsight.output.console import Display
from tvsight.prompts import Episode, tokenise
from tvsight.protocol import central
from tvsight.protocol.measure import measure
from tvsight.run.places import Places
from tvsight.run.planning import Plan, Request, read_plan
from tvsight.storage.job_records import JobRecord, Records

KEY = "model-key"


class Server:
    """Says of itself what a test wants."""

    host = HOST

    def __init__(self, **documents: Any) -> None:
        self.documents = documents

    def get(self, path: str) -> Any:
        return self.documents[path.removeprefix("/")]


def client(**documents: Any) -> Any:
    return Server(**documents)


def decoder(key: Any = KEY) -> Any:
    def to_model_key() -> str:
        if isinstance(key, Exception):
            raise key
        return str(key)

    return SimpleNamespace(nn=SimpleNamespace(to_model_key=to_model_key))


def deployed(**entry: Any) -> Any:
    return client(status={"deployments": {"one": {"model_key": KEY, **entry}}})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"dtype": "bfloat16"}, "deployed in bfloat16"),
        ({}, "deployed in bfloat16"),
        (
            {"dtype": "bfloat16", "execution_timeout_seconds": 3600},
            "deployed in bfloat16, jobs of at most 60 minutes",
        ),
        ({"pinned": False}, "deployed in bfloat16, not pinned: some keys"),
        ({"model_key": "another"}, "not deployed now"),
        ({"application_state": "UNHEALTHY"}, "not deployed now"),
        (
            {"model_key": "another", "dtype": "bfloat16"},
            "not deployed now: the first job asks for it, and fails if the server cannot hold it, "
            "or holds it in another precision than bfloat16",
        ),
    ],
)
def test_what_a_server_holds_is_told(entry: dict[str, Any], words: str) -> None:
    assert deployment(deployed(**entry), decoder(), "bfloat16").startswith(words)


@pytest.mark.parametrize("state", ["RUNNING", "DEPLOYING"])
@pytest.mark.parametrize(
    ("held", "advice"),
    [("float32", "repeat with --dtype float32"), ("nf4", "tvsight measures no such model")],
)
def test_a_server_that_holds_the_model_in_another_precision_is_refused(
    state: str, held: str, advice: str
) -> None:
    with pytest.raises(RefusedError, match=rf"in {held}, not bfloat16: {advice}\."):
        deployment(deployed(dtype=held, application_state=state), decoder(), "bfloat16")


def test_where_a_server_does_not_say_the_precision_that_of_its_other_models_is_told() -> None:
    """It is that of the server's own choice, unless somebody chose another for a model."""
    said = deployment(deployed(model_key="another", dtype="float32"), decoder(), "bfloat16")
    assert said.endswith("in another precision than bfloat16 (other models there: float32)")


def test_a_run_that_is_refused_before_its_first_job_leaves_no_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A job of an earlier process has asked for the model, which came in another precision."""
    names = ["asked-0123-0", "unrelated-0123-0"]
    for name in names:
        Records(tmp_path).write(JobRecord(name, "a1", HOST, KEY, "digest", "2026-01-01"))
    config = RunConfig(remote=True, host=HOST, results=str(tmp_path))
    places = Places(config, "bfloat16", Display())
    monkeypatch.setattr(places, "_checked_client", lambda: deployed(dtype="float32"))
    model: Any = SimpleNamespace(decoder=decoder(), name="a model")
    request: Any = SimpleNamespace(result=SimpleNamespace(path=tmp_path / "asked-0123"))
    with pytest.raises(RefusedError, match="repeat with --dtype float32"):
        places.of(model, [request])
    assert [record.name for record in Records(tmp_path).all()] == names[1:]


def test_a_hub_that_cannot_be_asked_for_the_model_is_named() -> None:
    with pytest.raises(ServerError, match="could not be asked for it: offline"):
        deployment(deployed(), decoder(OSError("offline")), "bfloat16")


def test_what_is_said_of_a_model_has_the_kind_that_it_should_have() -> None:
    odd = {"dtype": ["x"], "execution_timeout_seconds": "x", "pinned": None, "more": 1}
    said = {"deployments": {"n" * 9999: odd | {"repo_id": "r"}}}
    (entry,) = preflight.deployments(client(status=said))
    assert (len(entry.pop("name")) < 1200, entry) == (True, {"repo_id": "r"})


@pytest.mark.parametrize("status", [{"deployments": ["one"]}, {"deployments": {"one": 1}}])
def test_a_server_that_does_not_say_what_it_holds_is_an_error(status: dict[str, Any]) -> None:
    with pytest.raises(ServerError, match="does not say what is deployed"):
        preflight.deployments(client(status=status))


def environment(**changes: Any) -> dict[str, Any]:
    here = get_local_env()
    return {
        "python_version": changes.pop("python", here["python_version"]),
        "packages": {**here["packages"], **changes},
    }


def test_equal_versions_need_no_warning() -> None:
    compared = preflight.versions(client(env=environment()))
    assert preflight.version_warnings(compared) == []
    assert preflight.server_versions(compared)["torch"] == torch.__version__


def test_versions_that_may_change_numbers_are_warned_of() -> None:
    compared = preflight.versions(
        client(env=environment(torch="2.0.0", rich="1.0", python="3.13.1 (main)"))
    )
    packages, python = preflight.version_warnings(compared)
    assert packages == f"torch is 2.0.0 on the server and {torch.__version__} here"
    assert python.startswith("Python is 3.13.1 there and 3.")
    versions = preflight.server_versions(compared)
    assert (versions["torch"], versions["python"]) == ("2.0.0", "3.13.1")
    assert "rich" not in versions


def test_a_patch_release_of_python_is_no_difference() -> None:
    major, minor, *_ = get_local_env()["python_version"].split(".")
    compared = preflight.versions(client(env=environment(python=f"{major}.{minor}.99 (main)")))
    assert preflight.version_warnings(compared) == []


@pytest.mark.parametrize("env", [{"packages": 7}, {"python_version": ""}, {"python_version": 3}])
def test_a_server_that_does_not_say_its_versions_is_an_error(env: dict[str, Any]) -> None:
    with pytest.raises(ServerError, match="/env does not say what is installed"):
        preflight.versions(client(env=env))


def shape(depth: int, width: int) -> Any:
    return SimpleNamespace(depth=depth, width=width)


def seen(decoder: Any, prompts: Any, means: Any, progress: Any) -> dict[str, Any]:
    """What reached a job, and a result of known size: 6 bytes for each episode."""
    count = len(prompts["zero_shot"])
    assert count == REHEARSED == 2
    assert max(map(max, prompts["zero_shot"])) < decoder.vocabulary
    assert means["mean"].shape == (decoder.depth, decoder.width)
    assert str(decoder.dtype) in ("torch.bfloat16", "torch.float32")
    return {"half": torch.zeros(count, 2).half(), "more": [{"byte": torch.zeros(2 * count).bool()}]}


def broken(decoder: Any, prompts: Any, progress: Any) -> Any:
    raise ValueError("this block cannot be run")


def needs_a_file(decoder: Any, prompts: Any, progress: Any) -> Any:
    return open("/nonexistent/file").read()


PROMPTS = {"zero_shot": [[399, 398, 70]] * 9, "others": [[8]] * 9}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_rehearsal_has_few_episodes_and_tells_the_size_of_one(dtype: str) -> None:
    means = {"mean": torch.zeros(3, 40)}
    assert rehearse(Job(seen, (PROMPTS, means), prompts=1), shape(3, 40), dtype) == 6


@pytest.mark.parametrize(
    ("function", "words"), [(broken, "this block cannot be run"), (needs_a_file, "No such file")]
)
def test_a_job_that_cannot_run_is_stopped_before_it_is_sent(function: Any, words: str) -> None:
    with pytest.raises(
        TvsightError, match=f"rehearsal of .* failed, so nothing was sent: .*{words}"
    ):
        rehearse(Job(function, (PROMPTS,), prompts=1), shape(2, 16), "float32")


def test_a_rehearsal_of_the_central_comparison_tells_the_size_of_its_vectors(
    model: Model, episodes: list[Episode]
) -> None:
    prompts = tokenise(model, episodes, "exact", EXAMPLE)
    with_vectors, without = (
        rehearse(Job(measure, (prompts, prompts, wanted), prompts=2), model.decoder, "float32")
        for wanted in (True, False)
    )
    assert with_vectors - without == 2 * model.decoder.depth * model.decoder.width


def test_a_rehearsals_model_is_small_however_wide_the_real_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []

    def noted(*arguments: Any, **options: Any) -> Any:
        made.append(random_llama(*arguments, **options))
        return made[-1]

    random_llama = preflight.random_llama
    monkeypatch.setattr(preflight, "random_llama", noted)
    monkeypatch.setattr(preflight, "run", lambda *arguments, **options: {})
    rehearse(Job(seen, (PROMPTS,), prompts=1), shape(80, 8192), "bfloat16")
    (model,) = made
    assert (model.depth, model.width, model.vocabulary) == (80, 8192, SHALLOW["vocab_size"])
    size = sum(p.numel() * p.itemsize for p in model.nn._module.parameters())
    assert size < 30e6


def test_a_job_counts_the_episodes_of_its_prompts() -> None:
    arguments = ({"shared": [[1]] * 3}, {"shared": [[2]] * 4}, {"mean": 1})
    assert [Job(seen, arguments, prompts=count).episodes for count in range(3)] == [1, 3, 7]


REQUESTS: dict[str, Callable[[Plan, ModelSource], Sequence[Request]]] = {
    "main_results": central.requests,
    "controls": lambda plan, source: controls.requests(
        plan,
        source,
        outcome_of(*(task_rows(task.name, (1, 2, 3, 3), model=source.name) for task in plan.tasks)),
        ZeroVectors(source.name),
    ),
    "templates": lambda plan, source: templates.requests(plan, source, ["arrow"], [1, 2]),
    "token_projections": lambda plan, source: token_projections.requests(
        plan, source, ZeroVectors(source.name, *(task.name for task in plan.tasks))
    ),
    "conflicting_tasks": lambda plan, source: conflicting_tasks.requests(
        plan, source, ["next_letter:to_upper"]
    ),
    "learned_vectors": learned_vectors.requests,
}


@pytest.mark.parametrize("experiment", REQUESTS)
def test_the_jobs_of_every_experiment_can_be_rehearsed(experiment: str, model: Model) -> None:
    """Their prompts are named: others' tokens would not be in the small vocabulary."""
    plan = read_plan(RunConfig(tasks="to_upper,next_letter", shots=3, episodes_per_split=4))
    request, *_ = REQUESTS[experiment](plan, model.source)
    (job,) = next(request.steps(model))
    assert job.prompts == {"token_projections": 0, "conflicting_tasks": 4}.get(experiment, 2)
    assert rehearse(job, model.decoder, "float32") > 0
