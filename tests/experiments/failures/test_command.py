import shutil
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT, analysis

pytestmark = pytest.mark.slow


def test_the_committed_results_are_drawn(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / "main_results", tmp_path / "main_results")
    ended = analysis("failures", "--redraw", "--results", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    for name in ("tables/failures.csv", "figures/failures_gemma-3-270m.png"):
        assert (tmp_path / name).stat().st_size > 0
