from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis
from tvsight.output.procedures import BESIDE_CONTROLS

pytestmark = pytest.mark.slow

DRAWN = {
    *(
        f"tables/controls{name}.csv"
        for name in ("", "_means", "_shuffled", "_by_block", "_transfer")
    ),
    *(f"figures/controls{name}.png" for name in ("", "_by_block", "_transfer_qwen2")),
}
SIZES = ("--shots", "3", "--episodes-per-split", "4")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


def test_controls_are_measured_once_planned_and_drawn_again(
    checkpoint: Path, tmp_path: Path
) -> None:
    two = ("--tasks", "to_upper,next_letter", "--model", checkpoint, "--results", tmp_path, *SIZES)
    planned = analysis("controls", *two, "--dry-run")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "qwen2, main_results: 0 of 2 are in the store, 2 to do" in planned.stdout
    assert "controls: after main_results" in planned.stdout
    assert not list(tmp_path.iterdir())

    first = analysis("controls", *two, "--remote-simulated")
    assert (first.returncode, first.stderr) == (0, "")
    table = pd.read_csv(tmp_path / "tables" / "controls.csv")
    assert table["task"].tolist() == ["next_letter", "to_upper"]
    assert table["no_op"].tolist() == table["baseline"].tolist()
    assert table[list(BESIDE_CONTROLS)].notna().all(axis=None)
    pairs = pd.read_csv(tmp_path / "tables" / "controls_transfer.csv")
    assert len(pairs) == 4
    drawn = {name: (tmp_path / name).read_bytes() for name in DRAWN}

    redrawn = analysis("controls", *two, "--redraw")
    assert (redrawn.returncode, redrawn.stderr) == (0, "")
    assert {name: (tmp_path / name).read_bytes() for name in DRAWN} == drawn


@pytest.mark.slow
def test_one_task_is_measured_without_others_and_a_bad_one_is_named(
    checkpoint: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.json"
    pairs = ", ".join(f'["{x}", "{x} with many tokens"]' for x in "abcdefghijklmnopqrstuvwxyz")
    few.write_text(f'{{"name": "bad", "pairs": [{pairs}]}}')
    asked = ("--tasks", "to_upper", "--task-file", few, *SIZES)
    ended = analysis("controls", "--model", checkpoint, "--results", tmp_path / "r", *asked)
    assert ended.returncode == 1
    assert "qwen2 / bad" in ended.stdout
    assert "only one task" in ended.stdout
    rows = pd.read_csv(tmp_path / "r" / "tables" / "controls_means.csv")
    assert set(rows["procedure"]) == {
        *("baseline", "icl", "task_vector", "own_mean"),
        *("no_op", "random_vector", "shuffled_labels", "icl_shuffled"),
    }
    assert not (tmp_path / "r" / "tables" / "controls_transfer.csv").exists()
