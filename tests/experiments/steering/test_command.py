from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis
from tvsight.experiments.steering import CONTEXTS

pytestmark = pytest.mark.slow

DRAWN = {
    *(f"tables/steering{part}.csv" for part in ("", "_means", "_ranges", "_collapse")),
    *(f"figures/steering_{name}.png" for name in ("qwen2", "collapse_qwen2")),
}


def test_vectors_are_steered_with_once_planned_and_drawn_again(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    sizes = ("--tasks", "to_upper,next_letter", "--shots", "3", "--episodes-per-split", "4")
    options = (*sizes, "--model", tiny_checkpoint("qwen2"), "--results", tmp_path)
    planned = analysis("steering", *options, "--dry-run")
    assert (planned.returncode, planned.stderr) == (0, "")
    for name in ("main_results", "head_effects"):
        assert f"qwen2, {name}: 0 of 2 are in the store, 2 to do" in planned.stdout
    assert "steering: after head_effects" in planned.stdout
    assert not list(tmp_path.iterdir())

    first = analysis("steering", *options, "--remote-simulated")
    assert (first.returncode, first.stderr) == (0, "")
    ranges = pd.read_csv(tmp_path / "tables" / "steering_ranges.csv")
    assert set(ranges["context"]) == {*CONTEXTS}
    drawn = {name: (tmp_path / name).read_bytes() for name in DRAWN}

    again = analysis("steering", *options, "--redraw")
    assert (again.returncode, again.stderr) == (0, "")
    assert {name: (tmp_path / name).read_bytes() for name in DRAWN} == drawn
    verified = analysis("results", "verify", "--results", tmp_path)
    assert verified.returncode == 0, verified.stdout
