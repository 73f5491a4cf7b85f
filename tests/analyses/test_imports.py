"""Help is shown without waiting for heavy packages, and figures are drawn again without torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analyses.__main__ import COMMANDS
from tests.helpers.commands import ROOT, SETTINGS
from tvsight.experiments import EXPERIMENTS

RUN = """
import json, runpy, sys
name = sys.argv.pop(1)
try:
    runpy.run_module(f"analyses.{name}", run_name="__main__", alter_sys=True)
except SystemExit as end:
    print(json.dumps([end.code, [*sys.modules]]), file=sys.__stdout__)
"""
TWO_TASKS = ("--tasks", "to_upper,next_letter")
SMALL: dict[str, tuple[str, ...]] = {
    "controls": (),  # a task's vector is compared with those of all other tasks
    "conflicting_tasks": ("--pairs", "next_letter:to_upper"),
    "transfer_geometry": (),  # which draws those
    "function_vectors": (),  # other tasks' vectors are controls
    "heads": (),  # heads are chosen on the other tasks
    "steering": (),  # other tasks' vectors are controls
    "shots": (*TWO_TASKS, "--shot-counts", "5"),
}
"""Options that limit an analysis to few results, where those are not `TWO_TASKS`."""


def imported(name: str, *options: str, expected: int = 0) -> set[str]:
    """The modules that a command has imported when it ends with the expected exit code."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, name, *options],
        cwd=ROOT,
        env=os.environ | SETTINGS,
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, report = ended.stdout.splitlines()
    code, modules = json.loads(report)
    assert printed
    assert code == expected, "\n".join(printed) + ended.stderr
    return set(modules)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the committed results and none of their tables and figures."""
    root = tmp_path_factory.mktemp("results")
    for folder in (ROOT / "results").iterdir():
        if folder.is_dir() and folder.name not in ("tables", "figures"):
            (root / folder.name).symlink_to(folder)
    return root


@pytest.mark.parametrize("name", COMMANDS)
def test_help_waits_for_no_heavy_package(name: str) -> None:
    assert imported(name, "--help") & {"torch", "nnsight", "pandas", "matplotlib"} == set()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_redraw_imports_no_code_of_models(name: str, results: Path) -> None:
    small = SMALL.get(name, TWO_TASKS)
    options = ("--redraw", "--results", str(results), *small)
    modules = imported(name, *options)
    assert "matplotlib" in modules
    assert modules & {"torch", "nnsight", "transformers"} == set()
