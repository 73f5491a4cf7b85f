"""Runs that a server refuses, or that never reach one: what a person is told, and that nothing is
left of them."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.commands import ran
from tests.ndif import hub
from tests.ndif.changes import SLOW_BLOCK
from tests.ndif.clients import SMALL, Clients, Measured, half_written, settled, untouched
from tests.ndif.conftest import EXECUTION_LIMIT_S
from tests.ndif.processes import wait_until
from tests.ndif.server import NdifServer
from tests.ndif.settings import loopback
from tvsight.storage.job_records import Records

ONE = "to_upper"
UNKNOWN_KEY = "00000000-0000-4000-8000-000000000000"
ELSEWHERE = "local/elsewhere"


@pytest.fixture
def strict(strict_ndif: NdifServer, home: Path, tmp_path: Path) -> Clients:
    """Clients of the strict server. They use the other one's hub."""
    return Clients(strict_ndif, tmp_path / "results", strict_ndif.key)


def test_a_model_that_the_hub_does_not_have_is_refused_by_name(clients: Clients) -> None:
    done = clients.run(ONE, "--model", "local/absent")
    assert done.code == 2
    assert "The hub has no model 'local/absent'" in done.shown
    untouched(clients)


def test_a_server_that_needs_a_key_gets_it(strict: Clients, uninterrupted: Measured) -> None:
    done = strict.run(ONE)
    settled(strict, done, ONE, uninterrupted)
    told = "".join(path.read_text() for path in strict.results.rglob("manifest.json"))
    assert str(strict.key) not in done.shown + told


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "no API key was given. Missing or invalid API key."),
        (UNKNOWN_KEY, "the API key was refused. Invalid API key."),
    ],
)
def test_a_key_that_is_not_accepted_is_refused_and_not_shown(
    strict: Clients, key: str | None, words: str
) -> None:
    done = replace(strict, key=key).run(ONE)
    assert done.code == 2
    assert words in done.shown
    assert "Set NDIF_API_KEY" in done.shown
    assert "nnsight.login()" in done.shown
    assert key is None or key not in done.shown
    untouched(strict)


def test_a_job_over_the_servers_limit_fails_with_the_option_to_change(
    strict: Clients, uninterrupted: Measured
) -> None:
    longer = {"tests.ndif.blocks.SECONDS": 1.5 * EXECUTION_LIMIT_S}
    done = strict.run(ONE, changes=SLOW_BLOCK | longer)
    assert done.code == 1
    assert f"exceeded the execution timeout of {EXECUTION_LIMIT_S}s" in done.shown
    assert "--max-job-episodes" in done.shown
    assert len(done.jobs) == 1
    assert strict.records() == {}
    assert strict.measured().rows == {}
    settled(strict, strict.run(ONE), ONE, uninterrupted, done.jobs)


@pytest.fixture
def other_hub(tiny_llama: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a hub that the servers do not know, with the model `ELSEWHERE`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-IS", hub.__file__, str(port), f"{ELSEWHERE}={tiny_llama}"]
    process = subprocess.Popen(command)
    wait_until(lambda: _listens(port))
    yield loopback(port)
    process.kill()
    process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_model_that_the_server_does_not_have_fails_in_its_words_and_at_once(
    strict_ndif: NdifServer, other_hub: str, tmp_path: Path
) -> None:
    """As a person runs it, with host and key in the environment."""
    results = tmp_path / "results"
    environment = strict_ndif.client_environment(tmp_path / "home")
    environment |= {"HF_ENDPOINT": other_hub, "NDIF_API_KEY": str(strict_ndif.key)}
    command = ("-m", "analyses.main_results", "--remote", "--model", ELSEWHERE, "--tasks", ONE)
    done = ran(*command, *SMALL, "--results", results, environment=environment, limit_s=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Could not deploy" in done.stdout
    assert done.stderr == ""
    assert str(strict_ndif.key) not in done.stdout
    assert list(results.glob("main_results/*/*")) == []
    assert Records(results).all() == []
    assert half_written(results) == []
