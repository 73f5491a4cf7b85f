from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis
from tvsight.errors import UsageError
from tvsight.experiments.shots import Options

pytestmark = pytest.mark.slow


def test_numbers_are_read_in_any_order() -> None:
    assert Options(shot_counts="5, 1,16").counts == [1, 5, 16]


@pytest.mark.parametrize("words", ["", ",", "two", "1;2", "-1", "1.5", "²"])
def test_what_is_no_number_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="--shot-counts"):
        _ = Options(shot_counts=words).counts


def test_each_number_is_measured_once_and_drawn_again(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    asked = ("--tasks", "to_upper", "--shot-counts", "3,1", "--episodes-per-split", "4")
    where = ("--model", tiny_checkpoint("qwen2"), "--results", tmp_path, *asked)
    first = analysis("shots", *where)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.count("qwen2, main_results: 0 of 1 are in the store, 1 to do") == 2
    table = pd.read_csv(tmp_path / "tables" / "shots.csv")
    assert table[["shots", "task", "n"]].to_numpy().tolist() == [
        [1, "to_upper", 4],
        [3, "to_upper", 4],
    ]
    assert not list(tmp_path.rglob("vectors.safetensors"))
    figure = tmp_path / "figures" / "shots.png"
    drawn = figure.read_bytes()
    figure.unlink()
    again = analysis("shots", *where, "--redraw")
    assert (again.returncode, again.stderr) == (0, "")
    assert figure.read_bytes() == drawn


def test_episodes_of_a_file_are_refused(tmp_path: Path) -> None:
    ended = analysis("shots", "--episodes", "some.jsonl", "--results", tmp_path)
    assert ended.returncode == 2
    assert "--episodes" in ended.stderr
