import re
from itertools import islice
from pathlib import Path

from benchmarks.models import save_tiny
from benchmarks.store import FURTHER, copies, measured
from tests.helpers.example_store import two_results
from tvsight.storage.inspection import entries, verify
from tvsight.storage.store import Store


def test_copies_are_whole_results_of_other_seeds(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    made = list(islice(copies(two_results(tmp_path / "reference"), store), 7))
    assert verify(store) == []
    found, _ = entries(store)
    assert sorted(entry.path for entry in found) == sorted(made)
    seeds = sorted(entry.identity["seed"] for entry in found)
    assert seeds == [0, 0, FURTHER, FURTHER, 2 * FURTHER, 2 * FURTHER, 3 * FURTHER]


def test_a_run_is_measured_until_its_first_job(tmp_path: Path) -> None:
    save_tiny(tmp_path / "tiny")
    assert re.fullmatch(r"[\d.]+ s \([\d.]+\), 0\.\d+ GB", measured("begin a run", tmp_path))
    assert list(Store(tmp_path / "results").paths()) == []
