"""The note, before anything is sent to a server, about the vectors that will come back."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.config import RunConfig
from tvsight.execution.here import Here
from tvsight.models.loading import load
from tvsight.output.console import Display
from tvsight.protocol.central import requests
from tvsight.run.measurements import Measurements, measure
from tvsight.run.outcome import Outcome
from tvsight.run.planning import complete, read_plan
from tvsight.run.travel import size
from tvsight.storage.store import Store

HALF = 2
"""Bytes of a number."""


class Distant(Here):
    """This machine, as if it were a server."""

    distant = True


@pytest.mark.parametrize(
    ("episodes", "jobs"), [(4, ["1 job"]), (60, ["2 jobs", "2 jobs"])], ids=["one", "several"]
)
def test_the_size_of_vectors_is_that_of_all_episodes_of_the_jobs(
    episodes: int, jobs: list[str], tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    checkpoint = tiny_checkpoint("llama")
    config = RunConfig(
        model=(str(checkpoint),),
        tasks="country_capital",
        shots=2,
        episodes_per_split=episodes,
        max_job_episodes=50,
        results=str(tmp_path),
        device="cpu",
        fail_fast=True,
    )
    model, store, shown = load(str(checkpoint), device="cpu"), Store(tmp_path), io.StringIO()
    store.prepare()
    asked = complete(requests(read_plan(config), model.source), model.weights, "float32")
    display = Display(Console(file=shown, width=200))
    measurements = Measurements(config, store, model, display)
    measure([(measurements, asked, Distant())], display, Outcome())
    of_a_split = episodes * DEPTH * WIDTH * HALF
    vectors = size(2 * of_a_split // len(jobs))
    assert [line for line in shown.getvalue().splitlines() if "vectors to come back" in line] == [
        f"country_capital: {count} to be sent, {vectors} of vectors to come back (--no-vectors "
        "keeps rows only)"
        for count in jobs
    ]
