import json
from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase

import pandas as pd
import pytest

from tests.helpers.commands import analysis, cells
from tvsight.errors import UsageError
from tvsight.experiments.templates import MOST_TEMPLATES, Options

MINE = "in {x} out {y}|\\n"
OPTIONS = ("--templates", "arrow", MINE, "--dummy-queries", "3", "--shots", "2")
FILES = {
    *(f"tables/templates{name}.csv" for name in ("", "_dummy_queries", "_by_task")),
    *(f"tables/templates{name}.md" for name in ("", "_dummy_queries", "_by_task")),
    *(f"tables/templates{name}.tex" for name in ("", "_dummy_queries", "_by_task")),
    *(f"figures/templates{name}_qwen2.png" for name in ("", "_dummy_queries")),
    *(f"figures/templates{name}_qwen2.pdf" for name in ("", "_dummy_queries")),
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
    written = {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*.*") if f.parent != tmp_path}
    assert written >= FILES
    matrix = pd.read_csv(tmp_path / "tables" / "templates.csv")
    names = ["example", "arrow", MINE]
    assert matrix[["extracted_under", "applied_under"]].to_numpy().tolist() == [
        [one, other] for one in names for other in names
    ]
    assert set(matrix["tasks"]) == {2}
    dummies = pd.read_csv(tmp_path / "tables" / "templates_dummy_queries.csv")
    assert dummies[["dummy_choice", "dummy_queries"]].to_numpy().tolist() == [
        *(["task", number] for number in (1, 2, 3, 4, 8)),
        ["foreign", 3],
        ["query", 1],
    ]
    markdown = (tmp_path / "tables" / "templates_by_task.md").read_text()
    assert r"in {x} out {y}\|\\n" in markdown
    assert [row[1:3] for row in cells(first)[:9]] == [[a, b] for a in names for b in names]
    manifests = [json.loads(file.read_text()) for file in tmp_path.rglob("manifest.json")]
    assert {tuple(manifest["pairs"]["spaced"]) for manifest in manifests} == {tuple(names)}

    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    for name in FILES:
        (tmp_path / name).unlink()
    again = analysis("templates", *where, "--redraw")
    assert (again.returncode, again.stderr) == (0, "")
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


@pytest.mark.slow
def test_a_task_that_cannot_be_measured_is_named_and_the_rest_is_drawn(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    file = tmp_path / "words.json"  # whose answers are several tokens of the tiny tokenizer
    pairs = [[x, 3 * x] for x in ascii_lowercase]
    file.write_text(json.dumps({"name": "words", "match": "exact", "pairs": pairs}))
    where = ("--model", tiny_checkpoint("qwen2"), "--results", tmp_path, "--device", "cpu")
    where += ("--tasks", "to_upper", "--task-file", file, "--episodes-per-split", "3", *OPTIONS)
    ended = analysis("templates", *where, "--remote-simulated")
    assert ended.returncode == 1
    assert "Missing: qwen2 / words. Task words with model qwen2: 0 of 26 pairs" in ended.stdout
    assert set(pd.read_csv(tmp_path / "tables" / "templates_by_task.csv")["task"]) == {"to_upper"}


def test_help_names_its_options() -> None:
    ended = analysis("templates", "--help")
    assert ended.returncode == 0
    assert "--templates" in ended.stdout


def test_options_that_make_no_comparison_are_refused() -> None:
    with pytest.raises(UsageError, match=f"1 to {MOST_TEMPLATES} were expected; 0 given"):
        Options(templates=())
