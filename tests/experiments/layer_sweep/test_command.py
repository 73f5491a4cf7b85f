import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import ROOT, analysis

pytestmark = pytest.mark.slow

DRAWN = {
    f"{folder}/layer_sweep{name}.{kind}"
    for folder, name, kinds in (
        ("tables", "", ("csv", "md", "tex")),
        ("figures", "", ("png", "pdf", "caption.md")),
        ("figures", "_by_task_gemma-3-270m", ("png", "pdf", "caption.md")),
    )
    for kind in kinds
}


def test_the_committed_results_are_redrawn_as_they_are(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / "main_results", tmp_path / "main_results")
    ended = analysis("layer_sweep", "--redraw", "--results", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Gemma 3 270M" in ended.stdout
    for name in DRAWN:
        assert (tmp_path / name).stat().st_size > 0
    again = pd.read_csv(tmp_path / "tables" / "layer_sweep.csv")
    committed = pd.read_csv(ROOT / "results" / "tables" / "layer_sweep.csv")
    gemma_rows = committed[committed["model"] == "gemma-3-270m"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, gemma_rows)
