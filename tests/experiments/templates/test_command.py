import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import analysis, cells
from tvsight.errors import UsageError
from tvsight.experiments.templates import MOST_TEMPLATES, Options

pytestmark = pytest.mark.slow

MINE = "in {x} out {y}|\\n"
OPTIONS = ("--templates", "arrow", MINE, "--dummy-queries", "3", "--shots", "2")
FILES = {
    *(
        f"tables/templates{name}.{kind}"
        for name in ("", "_dummy_queries", "_by_task")
        for kind in ("csv", "md", "tex")
    ),
    *(
        f"figures/templates{name}_qwen2.{kind}"
        for name in ("", "_dummy_queries")
        for kind in ("png", "pdf")
    ),
}


def test_a_run_is_measured_once_drawn_and_drawn_again(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    where = ("--model", tiny_checkpoint("qwen2"), "--results", tmp_path)
    where += ("--tasks", "to_upper,next_letter", "--episodes-per-split", "4", *OPTIONS)
    asked = analysis("templates", *where, "--dry-run")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "to_upper: to be measured" in asked.stdout
    assert not (tmp_path / "tables").exists()

    first = analysis("templates", *where)
    assert (first.returncode, first.stderr) == (0, "")
    matrix = pd.read_csv(tmp_path / "tables" / "templates.csv")
    names = ["example", "arrow", MINE]
    pairs = [[one, other] for one in names for other in names]
    assert matrix[["extracted_under", "applied_under"]].to_numpy().tolist() == pairs
    assert set(matrix["tasks"]) == {2}
    dummies = pd.read_csv(tmp_path / "tables" / "templates_dummy_queries.csv")
    assert dummies[["dummy_choice", "dummy_queries"]].to_numpy().tolist() == [
        *(["task", number] for number in (1, 2, 3, 4, 8)),
        ["foreign", 3],
        ["query", 1],
    ]
    markdown = (tmp_path / "tables" / "templates_by_task.md").read_text()
    assert r"in {x} out {y}\|\\n" in markdown
    assert [row[1:3] for row in cells(first)[:9]] == pairs
    manifests = [json.loads(file.read_text()) for file in tmp_path.rglob("manifest.json")]
    assert {tuple(manifest["pairs"]["spaced"]) for manifest in manifests} == {tuple(names)}

    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    again = analysis("templates", *where, "--redraw")
    assert (again.returncode, again.stderr) == (0, "")
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


def test_options_that_make_no_comparison_are_refused() -> None:
    with pytest.raises(UsageError, match=f"1 to {MOST_TEMPLATES} were expected; 0 given"):
        Options(templates=())
