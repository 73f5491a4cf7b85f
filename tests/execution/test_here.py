"""Jobs in this process, and as if on a server."""

from typing import Any

import pandas as pd
import pytest
import torch

from tests.helpers.completed import complete
from tvsight.config import RunConfig
from tvsight.execution.here import Here
from tvsight.execution.jobs import Job
from tvsight.models.loading import Model
from tvsight.protocol.central import requests
from tvsight.run.outcome import Measured
from tvsight.run.planning import read_plan

PHASES = ["dev demonstrations", "layer sweep", "test demonstrations", "test queries"]


def measured(model: Model, place: Here | None = None, **options: Any) -> Measured:
    """The rows and vectors of one task."""
    small: dict[str, Any] = {"tasks": "to_upper", "shots": 3, "episodes_per_split": 6}
    plan = read_plan(RunConfig(**small | options))
    (request,) = requests(plan, model.source)
    return complete(request.steps(model), model.decoder, place)


def assert_same(found: Measured, expected: Measured) -> None:
    pd.testing.assert_frame_equal(found.rows, expected.rows, check_exact=True)
    torch.testing.assert_close(found.vectors, expected.vectors, rtol=0, atol=0)


def test_a_simulated_server_gives_the_numbers_of_this_process(model: Model) -> None:
    assert_same(measured(model, Here(simulated=True)), measured(model, Here()))


def test_phases_are_told_here_and_not_from_a_simulated_server(model: Model) -> None:
    told: dict[bool, list[str]] = {True: [], False: []}
    for simulated, phases in told.items():
        measured(model, Here(phases.append, simulated))
    assert told == {True: [], False: PHASES}


@pytest.mark.parametrize("episodes", [6, 100], ids=["one job", "jobs of 50"])
def test_the_share_of_a_task_grows_from_its_first_block_to_its_last(
    model: Model, episodes: int
) -> None:
    options: dict[str, Any] = {"episodes_per_split": episodes, "max_job_episodes": 50}
    shares: list[float] = []

    here = Here(moved=shares.append)
    assert_same(measured(model, here, **options), measured(model, **options))
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert 0.7 < shares[-1] < 1.3
    assert not any(block._module._forward_hooks for block in model.decoder.blocks)
    shares.clear()
    measured(model, Here(moved=shares.append, simulated=True))
    assert not shares


def test_a_split_cut_into_parts_has_the_rows_and_vectors_of_one_job(model: Model) -> None:
    jobs: list[Job] = []

    class Counting(Here):
        def begin(self, decoder: Any, job: Job, name: str) -> Any:
            jobs.append(job)
            return super().begin(decoder, job, name)

    parts = measured(model, Counting(), episodes_per_split=100, max_job_episodes=50)
    whole = measured(model, episodes_per_split=100)
    # Batches are other ones, so sums may differ in their last digit.
    pd.testing.assert_frame_equal(parts.rows, whole.rows, rtol=0, atol=1e-5)
    torch.testing.assert_close(parts.vectors, whole.vectors, rtol=1e-3, atol=1e-5)
    assert [len(job.arguments[0]["shared"]) for job in jobs] == [50] * 4
