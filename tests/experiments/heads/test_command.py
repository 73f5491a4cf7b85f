from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis

pytestmark = pytest.mark.slow

DRAWN = {
    *(f"tables/heads{part}.csv" for part in ("", "_means", "_agreement", "_scores")),
    *(f"figures/heads{part}.png" for part in ("", "_scores_qwen2")),
}


def test_heads_are_measured_once_and_drawn_again(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    model = ("--model", tiny_checkpoint("qwen2"), "--results", tmp_path)
    options = (*model, "--tasks", "to_upper,next_letter", "--shots", "3")
    options = (*options, "--episodes-per-split", "4")
    first = analysis("heads", *options)
    assert (first.returncode, first.stderr) == (0, "")
    for experiment, count in (("head_effects", 2), ("induction_scores", 1), ("heads", 2)):
        assert f"qwen2, {experiment}: 0 of {count} are in the store" in first.stdout
    means = pd.read_csv(tmp_path / "tables" / "heads_means.csv")
    groups = means.groupby("group")["tasks"].unique().map(list).to_dict()
    assert groups == {"all": [2], "copying": [1], "rest": [1]}
    drawn = {name: (tmp_path / name).read_bytes() for name in DRAWN}

    redrawn = analysis("heads", *options, "--redraw")
    assert (redrawn.returncode, redrawn.stderr) == (0, "")
    assert {name: (tmp_path / name).read_bytes() for name in DRAWN} == drawn
