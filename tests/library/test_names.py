"""Names of the package: listed, completed, and known to a type checker."""

import re
import subprocess
import sys
from copy import copy
from pathlib import Path

import jedi
import pytest
from mypy import api

import tvsight
from tests.helpers.commands import ROOT
from tvsight.errors import UsageError
from tvsight.library.habits import INSTEAD
from tvsight.library.model import LoadedModel
from tvsight.library.vector import Vector

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


def table_below(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of docs/library.md."""
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    table = text.partition(heading)[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    return [line.strip("| ").split(" | ") for line in rows]


def rows_of_habits() -> list[tuple[list[str], list[str]]]:
    """What is typed and what is used instead, by row."""
    return [
        (re.findall(r"`([^`]+)`", typed), re.findall(r"`([^`]+)`", use))
        for typed, use in table_below("## Names from elsewhere")
    ]


def test_names_from_elsewhere_are_refused_with_what_to_use(
    model: LoadedModel, theta: Vector
) -> None:
    rows = rows_of_habits()
    assert len(rows) >= 20
    asked = set()
    for typed, uses in rows:
        for owner, name in (re.findall(r"\w+", line)[:2] for line in typed):
            with pytest.raises(AttributeError) as refused:
                getattr({"tvsight": tvsight, "model": model, "theta": theta}[owner], name)
            assert any(use in str(refused.value) for use in uses), name
            asked.add((owner, name))
    assert asked <= {(owner, name) for owner, names in INSTEAD.items() for name in names}
    with pytest.raises(AttributeError, match="Did you mean 'generate'"):
        _ = model.generat
    assert not hasattr(theta, "__array__")
    assert copy(theta).task == theta.task


def test_arguments_from_elsewhere_are_refused_with_what_to_use(
    model: LoadedModel, theta: Vector
) -> None:
    rows = table_below("## Arguments from elsewhere")
    known = {"tvsight": tvsight, "model": model, "theta": theta, "name": "gemma-3-270m"}
    known |= {"text": "hot", "task": "to_upper"}
    assert len(rows) >= 10
    for typed, use in rows:
        for call in re.findall(r"`([^`]+)`", typed):
            with pytest.raises((UsageError, AttributeError)) as refused:
                eval(call, known)
            assert f"Use {use.strip('`')}." in str(refused.value), call
            assert "\n" not in str(refused.value)
    with pytest.raises(TypeError, match="unexpected keyword argument 'of_nobody'"):
        model.generate("hot", of_nobody=1)


@pytest.mark.slow
def test_what_is_used_instead_works(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: LoadedModel,
    theta: Vector,
) -> None:
    monkeypatch.chdir(tmp_path)
    theta.save("theta.safetensors")
    known = {"tvsight": tvsight, "model": model, "theta": theta, "name": str(checkpoint)}
    known |= {"text": "hot", "task": "to_upper", "ids": [5, 6], "direction": theta.values[2]}
    known |= {"file": "theta.safetensors", "path": "theta.gguf"}
    for use in {use for _, uses in rows_of_habits() for use in uses}:
        assert eval(use.replace("cuda", "cpu"), known) is not use
