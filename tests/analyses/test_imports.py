"""Help is shown without waiting for heavy packages, and figures are drawn again without torch."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.commands import ROOT, SETTINGS
from tvsight.cli.program import COMMANDS
from tvsight.experiments import EXPERIMENTS

RUN = """
import json, runpy, sys
path, commands, *drafts = sys.argv[1:]
if drafts:
    import pytest
    from tests.helpers.drafts import draft
    draft(pytest.MonkeyPatch())
ends = {}
for name, options in json.loads(commands).items():
    sys.argv[1:] = options
    try:
        runpy.run_module(f"analyses.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        ends[name] = [end.code, [*sys.modules]]
with open(path, "w") as file:
    json.dump(ends, file)
"""
MODEL_CODE = {"torch", "nnsight", "transformers", "tokenizers"}
HEAVY = {*MODEL_CODE, "pandas", "matplotlib", "seaborn", "scipy"}
TWO_TASKS = ("--tasks", "to_upper,next_letter")
SMALL: dict[str, tuple[str, ...]] = {
    "controls": (),  # a task's vector is compared with those of all other tasks
    "conflicting_tasks": ("--pairs", "next_letter:to_upper"),
    "function_vectors": (),  # other tasks' vectors are controls
    "heads": (),  # heads are chosen on the other tasks
    "steering": (),  # other tasks' vectors are controls
    "shots": (*TWO_TASKS, "--shot-counts", "5"),
}
"""Options that limit an analysis to few results, where those are not `TWO_TASKS`."""


class End(NamedTuple):
    """What is known of a command that has ended."""

    code: int
    modules: list[str]
    """All that is imported by then, by this command or one before it."""


def ends(commands: dict[str, Sequence[str]], folder: Path, *drafts: str) -> dict[str, End]:
    """The ends of commands that run in one process, one after the other.

    Args:
        folder: gets a file.
        drafts: any word makes drafts of the figures, which imports matplotlib.
    """
    path = folder / "ends.json"
    subprocess.run(
        [sys.executable, "-c", RUN, path, json.dumps(commands), *drafts],
        cwd=ROOT,
        env=os.environ | SETTINGS,
        capture_output=True,
        check=True,
    )
    return {name: End(*end) for name, end in json.loads(path.read_text()).items()}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the committed results and none of their tables and figures."""
    root = tmp_path_factory.mktemp("results")
    for folder in (ROOT / "results").iterdir():
        if folder.is_dir() and folder.name not in ("tables", "figures"):
            (root / folder.name).symlink_to(folder)
    return root


@pytest.fixture(scope="module")
def redraws(results: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, End]:
    """A redraw by every analysis."""
    always = ("--redraw", "--results", str(results))
    commands = {name: (*always, *SMALL.get(name, TWO_TASKS)) for name in EXPERIMENTS}
    return ends(commands, tmp_path_factory.mktemp("redraws"), "drafts")


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, End]:
    """The help of every command."""
    return ends(dict.fromkeys(COMMANDS, ("--help",)), tmp_path_factory.mktemp("helps"))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_waits_for_no_heavy_package(name: str, helps: dict[str, End]) -> None:
    assert helps[name].code == 0
    assert HEAVY & {*helps[name].modules} == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_redraw_imports_no_code_of_models(
    name: str, redraws: dict[str, End], results: Path
) -> None:
    assert redraws[name].code == 0
    assert list((results / "figures").glob(f"{name}*.png"))
    assert MODEL_CODE & {*redraws[name].modules} == set()
