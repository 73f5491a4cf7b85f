import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import Finished, analysis, cells
from tvsight.output.console import PLAIN_WIDTH

pytestmark = pytest.mark.slow

PAIRS = ("next_letter:to_upper", "prev_letter:next_letter")
DRAWN = {
    f"{folder}/conflicting_tasks{name}.{kind}"
    for folder, name, kinds in (
        ("tables", "", ("csv", "md", "tex")),
        ("figures", "_qwen2", ("png", "pdf", "caption.md")),
        ("figures", "_by_block_qwen2", ("png", "pdf", "caption.md")),
    )
    for kind in kinds
}


def test_pairs_are_planned_measured_drawn_and_drawn_again(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    def asked(*more: str) -> Finished:
        where = ("--model", tiny_checkpoint("qwen2"), "--results", tmp_path, "--pairs", *PAIRS)
        small = ("--episodes-per-split", "4", "--shots", "3")
        return analysis("conflicting_tasks", *where, *small, *more)

    planned = asked("--dry-run")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "next_letter→to_upper: to be measured" in planned.stdout
    assert not list(tmp_path.iterdir())

    first = asked()
    assert (first.returncode, first.stderr) == (0, "")
    assert "qwen2, conflicting_tasks: 0 of 2 are in the store, 2 to do" in first.stdout
    for name in ("next_letter→to_upper", "prev_letter→next_letter"):
        assert re.search(rf"^{name}: ICL \d.\d\d on A, .*n 4 \(4 queries\)", first.stdout, re.M)
    assert set(re.findall(r"^Wrote (.+)$", first.stdout, re.MULTILINE)) == {
        str(tmp_path / name) for name in DRAWN
    }
    assert max(map(len, re.findall("^[│┃].*$", first.stdout, re.MULTILINE))) <= PLAIN_WIDTH
    *rows, by_zero_shot, by_conflict = cells(first)
    assert [row[0] for row in rows] == ["qwen2", "qwen2", "LLaMA 13B (paper)"] * 2
    assert rows[5][2:7] == ["(zero-shot)", "0.51", "0.14", "0.08", "0.74"]
    assert by_zero_shot[:2] + by_conflict[:2] == ["qwen2", "zero-shot", "qwen2", "conflict"]
    table = pd.read_csv(tmp_path / "tables" / "conflicting_tasks.csv")
    assert table["source"].tolist() == ["tvsight", "tvsight", "paper"] * 2

    drawn = {name: (tmp_path / name).read_bytes() for name in DRAWN}
    again = asked("--redraw")
    assert (again.returncode, again.stderr) == (0, "")
    assert {name: (tmp_path / name).read_bytes() for name in DRAWN} == drawn
