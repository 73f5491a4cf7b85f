"""Models in notebooks: where they run, and what they show."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tvsight
from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.execution.here import run
from tvsight.execution.jobs import Job
from tvsight.library import measure
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector
from tvsight.run.places import Places


class Server:
    """A place that answers a job the second time that it is asked, as a server would run it."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.waited = 0

    def begin(self, decoder: Any, job: Job, name: str) -> "Server":
        self.jobs.append(job)
        self.decoder = decoder
        return self

    def result(self) -> Any:
        job = self.jobs[-1]
        if self.waited < len(self.jobs):
            return None
        return run(self.decoder, job.function, *job.arguments, progress=None, remote="local")

    def wait(self) -> None:
        self.waited += 1


def test_every_call_of_a_remote_model_is_a_job(
    theta: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, model = Server(), replace(theta.model, remote=True)

    def place(places: Places, asked: LoadedModel, requests: list[Any]) -> Server:
        assert (asked, requests) == (model, [])
        assert places.config.remote
        return server

    monkeypatch.setattr(Places, "of", place)
    there = replace(theta, model=model)
    assert there.apply("hot", tokens=3) == theta.apply("hot", tokens=3)
    assert tvsight.answer(model, " hot") == tvsight.answer(theta.model, " hot")
    with theta.steering(2):
        steered = theta.model.generate("hot", 4)
    with there.steering(2):
        assert model.generate("hot", 4) == steered
    assert theta.model.generate("hot", 4) != steered
    functions = [job.function for job in server.jobs]
    assert functions == [measure.answers, measure.answers, measure.generated]
    assert server.waited == len(functions)
    assert all(job.prompts == 1 for job in server.jobs)


def test_a_job_is_rehearsed_as_those_of_experiments_are(theta: Vector) -> None:
    from tvsight.execution.ndif.preflight import rehearse

    decoder, prompts = theta.model.decoder, {"prompts": [[1, 300, 7]]}
    patch = (2, theta.values[2])
    for function, arguments in (
        (measure.vectors, ()),
        (measure.answers, (patch, True, 3, (1,))),
        (measure.generated, (3, [patch])),
    ):
        rehearse(Job(function, (prompts, *arguments), prompts=1), decoder, "float32")


WRONG: dict[str, Callable[[Path], Any]] = {
    "^remote: expected True, False": lambda path: tvsight.load(path, remote="yes"),
    "^remote: expected .* int 1": lambda path: tvsight.load(path, remote=1),
    "^remote: the server holds": lambda path: tvsight.load(path, remote=True, device="cpu"),
    "is a directory on this machine": lambda path: tvsight.load(path, remote=True),
}


@pytest.mark.parametrize("told", WRONG)
def test_a_place_that_is_none_is_refused(checkpoint: Path, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        WRONG[told](checkpoint)


def test_a_model_says_what_it_is(model: LoadedModel, simulated: LoadedModel) -> None:
    assert repr(model) == f"<{model.name} · 5 blocks of width 32 · float32 · cpu>"
    assert repr(simulated).endswith("simulated server>")
    assert RunConfig(dtype="float32").dtype == model.dtype
