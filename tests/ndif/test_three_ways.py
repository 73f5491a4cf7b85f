"""The embedded model here, here as if on a server, and on a server: the same answers."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers import embedded
from tests.ndif.clients import SMALL, Clients
from tests.ndif.conftest import skip
from tests.ndif.server import NdifServer
from tests.ndif.settings import EMBEDDED as SERVED
from tvsight.models import EMBEDDED
from tvsight.storage.store import Store

TASK = "antonyms"
TOLERANCE = 1e-4
"""Of log-probabilities and margins."""
VECTOR_TOLERANCE = 1e-5
"""Of the length of a vector. They are compared as they are stored, in half precision."""
MEASURED = ["log_probability", "margin"]
LABELS = ["model", "measured_on"]
HERE, SIMULATED, SERVER = "here", "simulated", "on the server"
OPTIONS = {
    HERE: ("--model", EMBEDDED),
    SIMULATED: ("--model", EMBEDDED, "--remote-simulated"),
    SERVER: ("--model", SERVED, "--remote"),
}


class Run(NamedTuple):
    rows: pd.DataFrame
    vectors: dict[str, Tensor]


@pytest.fixture(scope="module")
def runs(ndif: NdifServer, home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    if (missing := embedded.missing()) is not None:
        skip(missing)
    folder = tmp_path_factory.mktemp("three_ways")
    return {way: run(Clients(ndif, folder / way), *options) for way, options in OPTIONS.items()}


def run(clients: Clients, *options: str) -> Run:
    done = clients.start("main_results", "--tasks", TASK, *SMALL, *options).finished()
    assert done.code == 0, done.shown
    (path,) = Store(clients.results).paths()
    return Run(clients.measured().rows[TASK], Store(clients.results).vectors(path))


@pytest.mark.parametrize("way", [SIMULATED, SERVER])
def test_answers_are_the_same(runs: dict[str, Run], way: str) -> None:
    found, expected = runs[way].rows, runs[HERE].rows
    assert set(expected["task"]) == {TASK}
    exact = [name for name in expected.columns if name not in MEASURED + LABELS]
    assert {"predicted", "correct", "layer"} <= set(exact)
    pd.testing.assert_frame_equal(found[exact], expected[exact], check_exact=True)


@pytest.mark.parametrize("way", [SIMULATED, SERVER])
@pytest.mark.parametrize("name", MEASURED)
def test_numbers_are_the_same(runs: dict[str, Run], way: str, name: str) -> None:
    found, expected = (torch.tensor(runs[one].rows[name].to_numpy()) for one in (way, HERE))
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE, equal_nan=True)


@pytest.mark.parametrize("way", [SIMULATED, SERVER])
def test_vectors_are_the_same(runs: dict[str, Run], way: str) -> None:
    expected = runs[HERE].vectors
    assert runs[way].vectors.keys() == expected.keys()
    for name, vectors in runs[way].vectors.items():
        found, wanted = vectors.double(), expected[name].double()
        difference = (found - wanted).norm(dim=-1) / wanted.norm(dim=-1)
        assert difference.max() <= VECTOR_TOLERANCE


def test_rows_say_where_they_were_measured(runs: dict[str, Run]) -> None:
    where = {way: set(measured.rows["measured_on"]) for way, measured in runs.items()}
    assert where == {HERE: {"cpu"}, SIMULATED: {"cpu"}, SERVER: {"NDIF"}}
