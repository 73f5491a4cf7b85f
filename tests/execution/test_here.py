"""Jobs in this process, and as if on a server."""

from typing import Any

import pandas as pd
import torch

import tvsight
from tests.execution.conftest import EXAMPLE
from tvsight.execution import Here, Job, complete
from tvsight.experiments.main_results.measure import PHASES, measure_task
from tvsight.models.loading import Model
from tvsight.prompts import Episode

Rows = tuple[pd.DataFrame, dict[str, torch.Tensor]]


def rows_of(
    model: Model, episodes: list[Episode], most: int | None = None, place: Here | None = None
) -> Rows:
    steps = measure_task(model, tvsight.task("to_upper"), episodes, EXAMPLE, True, most)
    return complete(steps, model.decoder, place)


def assert_same(found: Rows, expected: Rows) -> None:
    pd.testing.assert_frame_equal(found[0], expected[0], check_exact=True)
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=0)


def test_a_simulated_server_gives_the_numbers_of_this_process(
    model: Model, episodes: list[Episode]
) -> None:
    here, simulated = (rows_of(model, episodes, None, Here(simulated=s)) for s in (False, True))
    assert_same(simulated, here)


def test_phases_are_told_here_and_not_from_a_simulated_server(
    model: Model, episodes: list[Episode]
) -> None:
    told: dict[bool, list[str]] = {True: [], False: []}
    for simulated, phases in told.items():
        rows_of(model, episodes, None, Here(phases.append, simulated))
    assert told == {True: [], False: list(PHASES)}


def test_a_split_cut_into_parts_has_the_rows_and_vectors_of_one_job(model: Model) -> None:
    many = tvsight.episodes(model, tvsight.task("to_upper"), count=100, shots=3)
    jobs: list[Job] = []

    class Counting(Here):
        def begin(self, decoder: Any, job: Job, name: str) -> Any:
            jobs.append(job)
            return super().begin(decoder, job, name)

    rows, vectors = rows_of(model, many, 50, Counting())
    whole, whole_vectors = rows_of(model, many)
    # Batches are other ones, so sums may differ in their last digit.
    pd.testing.assert_frame_equal(rows, whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(vectors, whole_vectors, rtol=1e-3, atol=1e-5)
    assert [len(job.arguments[0]["shared"]) for job in jobs] == [50] * 4
