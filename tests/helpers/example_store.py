"""A result of two dev and three test episodes and six blocks, and a store that holds it."""

from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st

from tests.helpers.example_rows import task_rows
from tvsight.storage.inspection import Finding, sorted_out
from tvsight.storage.job_records import JobRecord, Records
from tvsight.storage.store import Result, Store
from tvsight.tasks import packaged_tasks
from tvsight.tasks.matching import SCORING_VERSION
from tvsight.writing import make_marked

IDENTITY: dict[str, Any] = {
    "experiment": "main_results",
    "model": "org/model-1b",
    "task": "antonyms",
    "task_data": "0f",
    "template": "{x}->{y}\n",
    "episodes": None,
    "scoring": SCORING_VERSION,
    "shots": 5,
    "seed": 0,
    "weights": "sha256:12",
    "dtype": "float32",
}
RESULT = Result(IDENTITY)
OTHER = Result(IDENTITY | {"seed": 1})
CURRENT = Result(IDENTITY | {"task_data": packaged_tasks()["antonyms"].checksum})
"""A result of the pairs that this tvsight has."""
OWN = Result(IDENTITY | {"task": "my_task"})
NAME = CURRENT.path.name
VECTORS = {"dev": torch.randn(2, 6, 4).half(), "test": torch.randn(3, 6, 4).half()}
MADE = {"versions": {"tvsight": "0.1.0"}, "seconds": 1.5}
ROWS = (
    task_rows("antonyms", (1, 3, 2, 1), model="org/model-1b", n=3)
    .query("split == 'test' or (procedure != 'icl' and episode < 2)")
    .reset_index(drop=True)
)
"""Two dev episodes and three test episodes, six blocks."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def two_results(folder: Path) -> Store:
    """A store that holds `CURRENT` with vectors and `OWN` without."""
    store = Store(folder)
    store.save(CURRENT, ROWS, VECTORS, MADE)
    store.save(OWN, ROWS.assign(task="my_task"), None, MADE)
    return store


def example_store(root: Path) -> Store:
    """A store that holds `RESULT`."""
    store = Store(root)
    store.save(RESULT, ROWS, VECTORS, MADE)
    return store


def removable(store: Store) -> list[Finding]:
    """What `clean` removes."""
    return sorted_out(store)[0]


def record(store: Store, name: str) -> Path:
    Records(store.root).write(JobRecord(name, "id", "http://h", "m", "d", "2026-01-01"))
    return store.root / ".jobs" / f"{name}.json"


def unfinished(store: Store, result: Result) -> Path:
    """What a killed process leaves of a result, with its lock."""
    path = store.root / result.path.with_name(f".new-{result.path.name}-01234567")
    make_marked(path)
    (path / "rows.parquet").write_bytes(b"PAR1")
    with store.lock(result):
        pass
    return path
