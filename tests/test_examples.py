"""The notebooks are those of their scripts, and the scripts run."""

import re
import runpy
import tomllib
from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib
import nbformat
import pytest

from tests.helpers.commands import ROOT
from tests.helpers.notebooks import EXAMPLES, SCRIPTS, changed, notebook

BADGE = "https://colab.research.google.com/github/"
COLOURS = {
    "THINGS": repr(", ".join(f"{of} {of.upper()}" for of in ascii_lowercase)),
    "QUERY, ANSWER": '"a", "A"',
}
"""Pairs that a tiny model knows."""
TINY = {"DTYPE": '"float32"', "TASKS": '["to_upper", "to_lower"]', "EPISODES": "4", "SHOTS": "3"}
"""Options of a run that a tiny model measures in a second."""

Words = tuple[tuple[str, str], ...]
LETTERS = (
    *(("country_capital", "to_upper"), ('["Portugal", "Japan", "Kenya"]', '["a", "b"]')),
    *(("phrase_plural", "next_letter"), ("layer = 11", "layer = 2")),
)
"""Tasks whose words a tiny model knows, and a block that it has."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs an example with other values for its first names; returns all its names."""

    def ran(name: str, changes: dict[str, str], words: Words = ()) -> dict[str, Any]:
        file = tmp_path / f"{name}.py"
        source = changed(EXAMPLES / f"{name}.py", changes)
        for word, tiny in words:
            assert word in source
            source = source.replace(word, tiny)
        file.write_text(source, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        matplotlib.use("agg")
        return runpy.run_path(str(file))

    return ran


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_has_the_cells_of_its_script(script: Path) -> None:
    committed = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(committed)
    shown = [(cell.cell_type, cell.id, cell.source) for cell in committed.cells]
    made = [(cell.cell_type, cell.id, cell.source) for cell in notebook(script).cells]
    assert shown == made, f"run python -m tests.helpers.notebooks {script.stem}"
    assert script.with_suffix(".ipynb").stat().st_size < 150_000


@pytest.mark.parametrize("name", ["first_look", "your_own"])
def test_every_cell_of_a_notebook_has_run_without_an_error(name: str) -> None:
    committed = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert "error" not in kinds


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_addresses_are_those_of_the_project(script: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"]
    text = script.read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    name = repository.removeprefix("https://github.com/")
    assert f"]({BADGE}{name}/blob/main/examples/{script.stem}.ipynb)" in text
    (extras,) = re.findall(r'"tvsight\[([\w,]+)\] @ git\+' + re.escape(repository) + '"', text)
    assert {*extras.split(",")} <= {*project["optional-dependencies"]}
    assert repository in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"]({BADGE}{name}/blob/main/examples/first_look.ipynb)" in readme


def test_the_first_look_runs_on_a_tiny_model(
    run: Callable[..., dict[str, Any]], tiny_checkpoint: Callable[[str], Path]
) -> None:
    model = {"MODEL": repr(str(tiny_checkpoint("llama"))), "EPISODES": "4"}
    found = run("first_look", model | {"TASKS": '["to_upper", "to_lower"]'}, LETTERS)
    table = found["table"]
    assert [*table.index] == ["to_lower", "to_upper", "mean"]
    assert table.shape == (3, 6)
    assert table.notna().all(axis=None)
    assert found["again"].report == found["vector"].report
    assert {*found["stored"]["experiment"]} == {"main_results", "answers"}


@pytest.mark.slow
def test_a_model_and_pairs_of_your_own_take_thirty_lines(
    run: Callable[..., dict[str, Any]], tiny_checkpoint: Callable[[str], Path]
) -> None:
    model = {"MODEL": repr(str(tiny_checkpoint("llama")))}
    words = (
        ('[QUERY, "grass", "snow"]', "[QUERY]"),
        ("episodes=10", "episodes=4"),
        ("split=10", "split=4"),
    )
    found = run("your_own", model | COLOURS, words)
    assert found["model"].name.startswith("own-")
    assert {*found["rows"]["task"]} == {"next_letter", "colour"}
    assert [*found["sweep"].table["block"]] == [*found["plain"].table["block"].unique()]
    assert not found["patched"].table.equals(found["plain"].table)
    code = (EXAMPLES / "your_own.py").read_text(encoding="utf-8").splitlines()
    own = [
        line for line in code[code.index("import tvsight") :] if line and not line.startswith("#")
    ]
    assert len(own) <= 30


@pytest.mark.slow
def test_the_notebook_for_a_server_runs_on_a_simulated_one(
    run: Callable[..., dict[str, Any]], tiny_checkpoint: Callable[[str], Path]
) -> None:
    checkpoint = repr(str(tiny_checkpoint("llama")))
    found = run("on_ndif", TINY | {"MODEL": checkpoint, "REMOTE": '"simulated"'})
    assert found["table"].shape == (2, 6)
    assert found["table"].notna().all(axis=None)
