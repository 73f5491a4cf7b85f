"""The console script `tvsight`."""

import ast
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

import tvsight
from tests.helpers.commands import ROOT, SETTINGS, Finished, analysis, ran
from tvsight.cli.command import COMMON
from tvsight.cli.program import COMMANDS
from tvsight.config import RunConfig
from tvsight.errors import option
from tvsight.protocol.options import Options

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULE, FUNCTION = PROJECT["project"]["scripts"]["tvsight"].split(":")
SCRIPT = (
    f"import sys; from {MODULE} import {FUNCTION}; sys.argv[0] = '/bin/tvsight'; "
    f"sys.exit({FUNCTION}())"
)
"""The script that an installer writes."""


def script(folder: Path, *arguments: str) -> Finished:
    """`tvsight <arguments>` in a folder."""
    return ran("-c", SCRIPT, *arguments, folder=folder, environment=SETTINGS)


def calls(file: Path) -> set[str]:
    """The functions that a file calls under `if __name__ == "__main__":`."""
    last = ast.parse(file.read_text(encoding="utf-8")).body[-1]
    nodes = ast.walk(last) if isinstance(last, ast.If) else ()
    return {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}


def test_every_command_is_known() -> None:
    files = (ROOT / "analyses").glob("*.py")
    assert sorted(COMMANDS) == sorted(
        file.stem for file in files if {"command", "run"} & calls(file)
    )


def test_help_lists_every_analysis_in_a_line(tmp_path: Path) -> None:
    shown = script(tmp_path, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    listed = [line.strip() for line in shown.stdout.splitlines() if line.startswith("  ")]
    assert listed.pop().startswith("completion SHELL")
    for line, name in zip(listed, COMMANDS, strict=True):
        typed, about = line.split(maxsplit=1)
        assert typed == name.replace("_", "-")
        assert about == str(import_module(f"analyses.{name}").__doc__).splitlines()[0]


def test_an_analysis_has_the_same_help_under_its_own_name(tmp_path: Path) -> None:
    shown = script(tmp_path, "ndif_status", "--help").stdout
    of_module = analysis("ndif_status", "--help").stdout
    usage = "usage: tvsight ndif-status [-h] [--host URL]"
    assert usage in shown
    assert shown.replace("tvsight ndif-status", "python -m analyses.ndif_status", 1) == of_module
    assert "The server. By default NDIF_HOST" in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("", 2, "error: an analysis was expected, as in `tvsight main-results`. "),
        ("main-result", 2, "error: Unknown analysis 'main-result'. Did you mean 'main-results'"),
        ("main-results --shots 3 --shots 5", 2, "error: --shots is given more than once"),
        ("ndif-status --host http://127.0.0.1:9 --results r", 3, "error: "),
    ],
)
def test_exit_codes_and_errors_are_those_of_the_module(
    tmp_path: Path, arguments: str, code: int, said: str
) -> None:
    ended = script(tmp_path, *arguments.split())
    assert ended.returncode == code
    assert ended.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in ended.stderr


def test_results_are_looked_for_in_the_folder_where_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    ended = script(tmp_path, "results", "list", "--results", "mine")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "No result.\n", "")


def test_the_version_has_one_source(tmp_path: Path) -> None:
    assert script(tmp_path, "--version").stdout == f"tvsight {tvsight.__version__}\n"
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "tvsight.writing.VERSION"
    }
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {tvsight.__version__}" in citation


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_options_models_and_tasks(tmp_path: Path, shell: str) -> None:
    shown = script(tmp_path, "completion", shell)
    assert (shown.returncode, shown.stderr) == (0, "")
    for word in ("main-results", "completion", "gemma-3-270m", "antonyms", "overwrite"):
        assert word in shown.stdout
    (tmp_path / "completion").write_text(shown.stdout)
    if shell == "bash":
        for typed, expected in (
            ("ma", {"main-results"}),
            ("main-results --overw", {"--overwrite"}),
            ("heads --tasks ant", {"antonyms"}),
            ("all --model gemma-3-2", {"gemma-3-270m"}),
        ):
            ask = (
                f"source completion; COMP_WORDS=(tvsight {typed}); "
                f"COMP_CWORD={len(typed.split())}; _tvsight; echo ${{COMPREPLY[@]}}"
            )
            done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True)
            assert {*done.stdout.split()} == expected


@pytest.mark.slow
def test_an_unknown_shell_is_refused_and_the_package_is_the_command(tmp_path: Path) -> None:
    assert "'tcsh' is none of bash, zsh" in script(tmp_path, "completion", "tcsh").stderr
    command = [sys.executable, "-m", "tvsight", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == script(tmp_path, "--help").stdout


@pytest.mark.slow
def test_help_shows_common_options_and_help_all_every_one() -> None:
    brief, whole = (analysis("main_results", typed).stdout for typed in ("--help", "--help-all"))
    for entry in fields(Options):
        typed = f"│ {option(entry.name, False if entry.default is True else None)} "
        assert typed in whole
        assert (typed in brief) == (entry.name in COMMON or not hasattr(RunConfig, entry.name))
    assert "\n    python -m analyses.main_results --score kl\n" in brief
    assert max(map(len, brief.splitlines())) <= 170
