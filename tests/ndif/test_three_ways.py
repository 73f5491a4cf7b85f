"""The embedded model here, here as if on a server, and on a server: the same answers.

This file comes after `test_server.py`, which counts the models that the server holds.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.helpers import embedded
from tests.helpers.commands import ROOT
from tests.ndif.conftest import skip
from tests.ndif.server import NdifServer
from tests.ndif.settings import EMBEDDED as SERVED
from tvsight.experiments.main_results import NAME as MAIN_RESULTS
from tvsight.models import EMBEDDED
from tvsight.storage.store import Store

TASKS = "antonyms,next_letter"
EPISODES = 6
TOLERANCE = 1e-4
"""Of log-probabilities and margins."""
VECTOR_TOLERANCE = 1e-5
"""Of the length of a vector. They are compared as they are stored, in half precision."""
MEASURED = ["log_probability", "margin"]
LABELS = ["model", "measured_on"]
LIMIT_S = 280
HERE, SIMULATED, SERVER = "here", "simulated", "on the server"


class Run(NamedTuple):
    rows: pd.DataFrame
    vectors: dict[str, Tensor]


@pytest.fixture(scope="module")
def runs(ndif: NdifServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    if (missing := embedded.missing()) is not None:
        skip(missing)
    folder = tmp_path_factory.mktemp("three_ways")
    server = ndif.client_environment(folder / "home")
    return {
        HERE: run(folder / "here", {}, "--model", EMBEDDED),
        SIMULATED: run(folder / "simulated", {}, "--model", EMBEDDED, "--remote-simulated"),
        SERVER: run(folder / "server", server, "--model", SERVED, "--remote"),
    }


def run(results: Path, environment: dict[str, str], *options: str) -> Run:
    command = [sys.executable, "-m", "analyses.main_results", "--tasks", TASKS, *options]
    common = ("--episodes-per-split", str(EPISODES), "--dtype", "float32")
    done = subprocess.run(
        [*command, *common, "--results", str(results)],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""} | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(results)
    paths = list(store.paths(MAIN_RESULTS))
    vectors = {
        f"{path.name.rsplit('-', 1)[0]} {split}": kept
        for path in paths
        for split, kept in store.vectors(path).items()
    }
    return Run(pd.concat([store.rows(path) for path in paths], ignore_index=True), vectors)


@pytest.mark.parametrize("way", [SIMULATED, SERVER])
def test_answers_are_the_same(runs: dict[str, Run], way: str) -> None:
    found, expected = runs[way].rows, runs[HERE].rows
    assert set(expected["task"]) == set(TASKS.split(","))
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
