"""Servers that the tests of a folder share."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import embedded, tiny_models
from tests.ndif import server
from tests.ndif.clients import Clients, Measured, start_forkserver
from tests.ndif.server import NdifServer
from tests.ndif.settings import EMBEDDED, OTHER, TINY
from tvsight.models.packages import checkpoint

REQUIRED = "TVSIGHT_REQUIRE_NDIF"
"""A variable of the environment: where it is set, no test of a server may be skipped."""
EXECUTION_LIMIT_S = 4.0
"""After which a job is ended by the server that is strict."""
TASKS = "to_upper,next_letter,prev_letter,to_lower,antonyms,country_capital"


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint directory that servers have under `TINY`, with room for every prompt."""
    directory = tiny_models.build("llama", tmp_path_factory.mktemp("checkpoint"))
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"max_position_embeddings": 512}))
    return directory


@pytest.fixture(scope="session")
def ndif(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Iterator[NdifServer]:
    """A server of two tiny models and, where it is installed, the embedded one. It asks no key."""
    skip_where_missing()
    other = tiny_models.build("gpt2", tmp_path_factory.mktemp("other"))
    checkpoints = {TINY: tiny_llama, OTHER: other}
    if embedded.missing() is None:  # else the tests that use it skip
        checkpoints[EMBEDDED] = checkpoint(embedded.PACKAGE)
    running = NdifServer.start(tmp_path_factory.mktemp("ndif"), checkpoints)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def strict_ndif(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Iterator[NdifServer]:
    """A server of the tiny model that asks for an API key and ends long jobs."""
    skip_where_missing(auth=True)
    folder = tmp_path_factory.mktemp("strict_ndif")
    checkpoints = {TINY: tiny_llama}
    running = NdifServer.start(folder, checkpoints, auth=True, execution_limit_s=EXECUTION_LIMIT_S)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def home(ndif: NdifServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clients' cache; from here on there is a process that they are forked from."""
    home = tmp_path_factory.mktemp("home")
    start_forkserver(ndif, home)
    return home


@pytest.fixture(scope="session")
def uninterrupted(
    ndif: NdifServer, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Measured:
    """What a run of `TASKS` measures that nobody disturbs.

    On a busy machine ndif's API may lose its connection to Ray, which it never finds again: jobs
    that were sent stay `running` for good. Then it is started anew, once.
    """
    folder = tmp_path_factory.mktemp("uninterrupted")
    for attempt in ("first", "second"):
        clients = Clients(ndif, folder / attempt)
        done = clients.run(TASKS, "--job-minutes", "2")
        if done.code == 0:
            break
        ndif.kill_api()
        ndif.start_api()
    assert done.code == 0, f"{done.shown}\n{ndif.logs('api')}\n{ndif.logs('actors')}"
    return clients.measured()


@pytest.fixture
def clients(ndif: NdifServer, uninterrupted: Measured, tmp_path: Path) -> Clients:
    return Clients(ndif, tmp_path / "results")


def skip_where_missing(auth: bool = False) -> None:
    reason = server.missing(auth)
    if reason:
        skip(reason)


def skip(reason: str) -> None:
    """Skip a test of a server, or fail it where that is `REQUIRED`."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, and {reason}", pytrace=False)
    pytest.skip(reason)
