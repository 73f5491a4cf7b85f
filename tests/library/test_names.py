"""Names of the package: listed, completed, and known to a type checker."""

import subprocess
import sys
from pathlib import Path

import jedi
import pytest
from mypy import api

import tvsight
from tests.helpers.commands import ROOT

SNIPPET = """
import tvsight
model = tvsight.load("gemma-3-270m")
reveal_type(model)
reveal_type(tvsight.task_vector(model, "antonyms"))
reveal_type(tvsight.Task.of("young", {"cat": "kitten"}))
tvsight.lode
"""
REVEALED = ("LoadedModel", "Vector", "Task")


def test_what_is_listed_is_what_is_public() -> None:
    assert [name for name in dir(tvsight) if not name.startswith("__")] == tvsight.__all__


def test_completion_knows_names_and_what_they_return() -> None:
    listed = jedi.Interpreter("tvsight.", [{"tvsight": tvsight}]).complete()
    assert {*tvsight.__all__} <= {one.name for one in listed}
    source = "import tvsight\nmodel = tvsight.load('a')\nmodel."
    assert "generate" in {one.name for one in jedi.Script(source).complete()}


@pytest.mark.slow
def test_a_type_checker_knows_what_names_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET, encoding="utf-8")
    said, errors, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(file)])
    notes = [line for line in said.splitlines() if "Revealed type" in line]
    assert [line.rpartition(".")[2].rstrip('"') for line in notes] == [*REVEALED], said + errors
    assert 'Module has no attribute "lode"' in said


def test_importing_it_takes_no_time() -> None:
    code = "import time; began = time.process_time(); import tvsight; "
    code += "print(time.process_time() - began)"
    spent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(spent.stdout) < 0.1
