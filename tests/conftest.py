"""Fixtures that several test files use, and the order in which processes take up test files."""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.ndif import server

TOGETHER = (
    ("tests/ndif/test_faults.py", "tests/ndif/test_jobs.py", "tests/ndif/test_resume.py"),
    ("tests/ndif/test_cluster.py", "tests/ndif/test_hosts.py"),
    ("tests/ndif/",),
)
"""Files that share a server, so that one process runs them all. Two groups take about as long."""
FIRST = (
    *TOGETHER[0],
    "tests/ndif/test_serve.py",
    "tests/ndif/",
    "tests/output/test_all_drawn.py",
    "tests/run/test_interruptions.py",
    "tests/experiments/main_results/test_authors.py",
    "tests/interventions/test_mutants.py",
    "tests/interventions/test_families.py",
    "tests/interventions/test_heads.py",
    "tests/analyses/test_imports.py",
    "tests/storage/test_full_disk.py",
)
"""Files that take longest: the other processes do the rest meanwhile."""


SLOW = ("tests/benchmarks/", "tests/ndif/")
"""Folders of which every test is slow."""
MEASURED = Path(__file__).with_name("slow.txt")
"""Test functions that are slow by the clock; `python -m tests.helpers.slow` writes it."""
EXAMPLES = 15
"""Of a property, where slow tests are left out."""

# Without deadlines: a machine may do other things too.
settings.register_profile("every", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=EXAMPLES)


def leaves_slow_tests_out(config: pytest.Config) -> bool:
    """Whether the option `-m` is that of `pyproject.toml`."""
    return "not slow" in config.getoption("markexpr")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("fast" if leaves_slow_tests_out(config) else "every")
    if config.getoption("numprocesses", None):  # processes share the cores, threads would compete
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        starts = [number for number, name in enumerate(FIRST) if item.nodeid.startswith(name)]
        return starts[0] if starts else len(FIRST)

    items.sort(key=place)
    measured = set(MEASURED.read_text(encoding="utf-8").splitlines())
    for item in items:
        if item.nodeid.startswith(SLOW) or item.nodeid.partition("[")[0] in measured:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What the tests import stays: collections of garbage need not look through it."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    """One process more than there are cores where a server is tested: that one mostly waits."""
    cores = yield
    return cores + (not leaves_slow_tests_out(config) and server.missing() is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        """A process runs all tests of a file, or of the files in `TOGETHER`."""

        def _split_scope(self, nodeid: str) -> str:
            groups = [names[0] for names in TOGETHER if nodeid.startswith(names)]
            return groups[0] if groups else nodeid.partition("::")[0]

    return ByFile(config, log)


@pytest.fixture(scope="module", autouse=True)
def procedures() -> Iterator[None]:
    """A method that the tests of a file add to the known procedures goes with them."""
    from tvsight.output.procedures import PROCEDURES

    before = dict(PROCEDURES)
    yield
    PROCEDURES.clear()
    PROCEDURES.update(before)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint directory of a family (one of `tiny_models.FAMILIES`), built on first use by
    the first process that needs it."""
    from tests.helpers import tiny_models

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # all processes of this run have it
    root = root / "checkpoints"
    root.mkdir(exist_ok=True)

    @cache
    def checkpoint(family: str) -> Path:
        built = root / family
        with FileLock(root / f"{family}.lock"):
            if not built.exists():
                tiny_models.build(family, root / f"{family}.new").rename(built)
        return built

    return checkpoint
