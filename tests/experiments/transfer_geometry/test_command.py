from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis

TASKS = ("next_letter", "to_upper", "to_lower")
DRAWN = {
    *(f"tables/transfer_geometry{name}.csv" for name in ("", "_by_task", "_pairs")),
    *(f"tables/transfer_geometry{name}.md" for name in ("", "_by_task")),
    *(f"figures/transfer_geometry.{kind}" for kind in ("png", "pdf", "caption.md")),
}


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("qwen2")


def test_what_is_missing_is_measured_and_drawn_again_from_the_store(
    checkpoint: Path, tmp_path: Path
) -> None:
    where = ("--model", checkpoint, "--results", tmp_path)
    asked = ("--tasks", ",".join(TASKS), "--shots", "3", "--episodes-per-split", "4")
    early = analysis("transfer_geometry", *where, *asked, "--redraw")
    assert early.returncode == 1
    assert "Missing: qwen2 / to_upper" in " ".join(early.stdout.split())

    first = analysis("transfer_geometry", *where, *asked)
    assert (first.returncode, first.stderr) == (0, "")
    assert "qwen2, main_results: 0 of 3 are in the store, 3 to do" in first.stdout
    assert "qwen2, controls: 0 of 3 are in the store, 3 to do" in first.stdout
    pairs = pd.read_csv(tmp_path / "tables" / "transfer_geometry_pairs.csv")
    assert len(pairs) == 6
    drawn = {name: (tmp_path / name).read_bytes() for name in DRAWN}
    for name in DRAWN:
        assert f"Wrote {tmp_path / name}" in first.stdout

    # The pairs are those of the two analyses whose results it draws.
    analysis("controls", *where, *asked, "--redraw")
    analysis("vector_clusters", *where, *asked, "--redraw")
    transfer = pd.read_csv(tmp_path / "tables" / "controls_transfer.csv")
    distances = pd.read_csv(tmp_path / "tables" / "vector_clusters_distances.csv")
    pairs = pairs.set_index(["task", "source"])
    answered = transfer.set_index(["task", "source"])["accuracy"]
    apart = distances.set_index(["task", "other"])["distance"]
    assert pairs["accuracy"].tolist() == answered[pairs.index].tolist()
    assert pairs["distance"].tolist() == pytest.approx(apart[pairs.index].tolist())

    again = analysis("transfer_geometry", *where, *asked, "--redraw")
    assert (again.returncode, again.stderr) == (0, "")
    assert {name: (tmp_path / name).read_bytes() for name in DRAWN} == drawn


def test_a_block_that_is_not_there_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    asked = ("--tasks", ",".join(TASKS), "--shots", "3", "--episodes-per-split", "4")
    where = ("--model", checkpoint, "--results", tmp_path)
    ended = analysis("transfer_geometry", *where, *asked, "--layer", "5")
    assert ended.returncode == 2
    assert "Block 5: qwen2 has blocks 0 to 4" in " ".join(ended.stderr.split())
