"""Servers that the tests of a folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny_models
from tests.ndif import server
from tests.ndif.server import NdifServer
from tvsight.errors import UsageError
from tvsight.models import embedded

TINY = "local/tiny-llama"
EMBEDDED = "local/gemma-3-270m"


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint directory that servers have under `TINY`."""
    return tiny_models.build("llama", tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def ndif(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Iterator[NdifServer]:
    """A server of the tiny model and, where it is installed, the embedded one. It asks no key."""
    skip_where_missing()
    checkpoints = {TINY: tiny_llama}
    try:
        embedded.part_paths()
    except UsageError:
        pass  # the tests that use it skip
    else:
        checkpoints[EMBEDDED] = embedded.checkpoint()
    running = NdifServer.start(tmp_path_factory.mktemp("ndif"), checkpoints)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def auth_ndif(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Iterator[NdifServer]:
    """A server of the tiny model that asks for an API key."""
    skip_where_missing(auth=True)
    folder = tmp_path_factory.mktemp("auth_ndif")
    running = NdifServer.start(folder, {TINY: tiny_llama}, auth=True)
    yield running
    running.stop()


def skip_where_missing(auth: bool = False) -> None:
    reason = server.missing(auth)
    if reason:
        pytest.skip(reason)
