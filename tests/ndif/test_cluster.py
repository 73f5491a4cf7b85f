"""A cluster of a head and a worker, as docs/remote.md starts it: a run over two models, one on each
node, whose worker dies in the middle of a job and comes back."""

from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from tests.helpers import tiny_models
from tests.ndif import hosts
from tests.ndif.changes import SLOW_BLOCK
from tests.ndif.clients import SPAWNED, Clients, Measured, accounted, settings
from tests.ndif.cluster import HEAD, WORKER, Cluster
from tests.ndif.conftest import skip_where_missing

LARGE, SMALL = "local/large-llama", "local/small-llama"
"""The worker has no room for the second beside the first, nor the head for the first."""
MODELS = (LARGE, SMALL)
ROOM_FOR_PROMPTS = {"max_position_embeddings": 512}
WIDER = {"hidden_size": 64, "intermediate_size": 96}
TASKS = "to_upper,next_letter"
PATIENT = ("--retries", "60")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    skip_where_missing()
    if (reason := hosts.missing()) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cluster")
    large = tiny_models.build("llama", folder / "large", **ROOM_FOR_PROMPTS | WIDER)
    small = tiny_models.build("llama", folder / "small", **ROOM_FOR_PROMPTS)
    cluster = Cluster(folder / "logs", {HEAD: (SMALL, small), WORKER: (LARGE, large)})
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def outside(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, while clients start on the host outside."""
    resource_tracker.ensure_running()  # here: it would hold the network until the tests end
    with settings(cluster, tmp_path_factory.mktemp("home")), cluster.outside.entered():
        yield cluster


@pytest.fixture(scope="module")
def undisturbed(outside: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    """What runs measure that nobody disturbs, the first of which has its model take the worker."""
    clients = Clients(outside, tmp_path_factory.mktemp("undisturbed") / "results", begun=SPAWNED)
    for model in MODELS:
        done = clients.run(TASKS, "--model", model)
        assert done.code == 0, f"{done.shown}\n{outside.logs()}"
    return measured(clients)


def measured(clients: Clients) -> dict[str, Measured]:
    return {model: replace(clients, model=model).measured() for model in MODELS}


def test_each_model_is_on_the_node_that_has_room_for_it(
    outside: Cluster, undisturbed: dict[str, Measured]
) -> None:
    assert undisturbed.keys() == {*MODELS}
    assert outside.nodes() == [[LARGE], [SMALL]]


def test_a_worker_that_dies_in_a_job_and_comes_back_costs_no_row(
    outside: Cluster, undisturbed: dict[str, Measured], tmp_path: Path
) -> None:
    clients = Clients(outside, tmp_path / "results", begun=SPAWNED)
    client = clients.begin(TASKS, "--model", *MODELS, *PATIENT, changes=SLOW_BLOCK)
    client.until(f"{LARGE} / next_letter: running")
    outside.kill_worker()
    client.until("It is submitted again in")
    outside.start_worker()
    done = client.finished()
    assert done.code == 0, f"{done.shown}\n{outside.logs()}"
    found = measured(clients)
    for model in MODELS:
        found[model].assert_same(undisturbed[model], TASKS)
    accounted(clients, [*found.values()])
    # A busy server may be slow to answer besides.
    assert any("Please try again later" in one for one in found[LARGE].job("next_letter")["faults"])
