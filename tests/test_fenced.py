"""Every command and every block of code of the documents is run, read, or says why not."""

import re
import runpy
import shlex
import sys
import tomllib
from functools import cache
from typing import Any

import pytest

from tests.helpers.commands import ROOT
from tests.helpers.fenced import PAGES, RUNS, SHOWN, blocks, commands
from tvsight.cli import analysis, command
from tvsight.config import Rules
from tvsight.errors import UsageError
from tvsight.methods import METHODS
from tvsight.models.catalogue import catalogue
from tvsight.run import places
from tvsight.tasks import select

NOT_HERE = {"my_checkpoint", "NAME", "median_state.py"}
"""Stand for models and files of the reader."""
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
Arguments = list[str]


def test_every_block_is_of_a_known_language() -> None:
    found = list(blocks())
    assert len(found) > 25
    assert sorted({block.language for block in found} - {*RUNS, *SHOWN}) == []
    fences = sum(path.read_text(encoding="utf-8").count("```") for path in PAGES)
    assert 2 * len(found) == fences
    idle = [block for block in found if block.reason and block.language not in RUNS]
    assert idle == [], "nobody would run them"


def check_analysis(module: str, arguments: Arguments) -> None:
    """Read the options by the parser of the command, and find what they name."""
    options = read(module, arguments)
    chosen = getattr(options, "action", options)
    files = [file for file in getattr(chosen, "task_file", ()) if file not in NOT_HERE]
    if hasattr(chosen, "tasks"):
        assert select(chosen.tasks, tuple(str(ROOT / file) for file in files))
    known = {name for entry in catalogue().values() for name in (entry.alias, entry.hub_id)}
    model = getattr(chosen, "model", ())
    models = [model] if isinstance(model, str) else model or ()
    assert {*models} <= known | NOT_HERE
    assert {*getattr(chosen, "methods", ())} <= {*METHODS}
    assert f'"{module}"' in text_of_tests(), "no test runs the command"


@cache
def text_of_tests() -> str:
    files = (ROOT / "tests").rglob("test_*.py")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def read(module: str, arguments: Arguments) -> Any:
    """The options of `python -m analyses.<module> <arguments>`, which is not carried out."""
    found: list[Any] = []

    def noted(
        options: type[Any], main: object, description: str, rules: Rules | None = None
    ) -> None:
        known = rules or getattr(options, "rules", Rules())
        command._run(options, lambda chosen: found.append(chosen) or 0, description, known)

    with pytest.MonkeyPatch.context() as patched:
        for module_of_command in (command, analysis):
            patched.setattr(module_of_command, "command", noted)
        patched.setattr(places, "prepared", lambda chosen, named: chosen)  # no server is asked
        patched.setattr(sys, "argv", [module, *arguments])
        runpy.run_module(f"analyses.{module}", run_name="__main__")
    assert found, "the command was refused"
    return found[0]


def check_pip(arguments: Arguments) -> None:
    wanted = re.findall(r"^\.\[(.*)\]$", "\n".join(arguments), re.MULTILINE)
    assert {extra for names in wanted for extra in names.split(",")} <= {*EXTRAS}


def check_paths(arguments: Arguments) -> None:
    """Of `python -m pytest`."""
    assert all((ROOT / path).exists() for path in arguments if path.startswith("tests/"))


def check_command(line: str) -> bool:
    """Check one command; returns whether it is of a known kind."""
    words = [word.removeprefix(".venv/bin/") for word in shlex.split(line, comments=True)]
    match words:
        case []:
            return True
        case ["python", "-m", module, *arguments] if module.startswith("analyses."):
            check_analysis(module.removeprefix("analyses."), arguments)
        case ["tvsight", name, *arguments]:
            check_analysis(name.replace("-", "_"), arguments)
        case ["pip", "install", *arguments]:
            check_pip(arguments)
        case ["python", "-m", "pytest", *arguments]:
            check_paths(arguments)
        case ["python", "-m", module, *_] if module.startswith(("tests.", "benchmarks.")):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists()
        case ["python3", "-m", "venv", ".venv"]:
            pass
        case _:
            return False
    return True


def test_every_command_has_options_tasks_and_models_that_exist() -> None:
    marked = {
        part.strip()
        for block in blocks()
        if block.reason
        for part in re.split(r"\n|&&", block.code)
    }
    lines = {line for line, _ in commands()}
    assert len(lines) > 50
    assert [line for line in sorted(lines) if not (check_command(line) or line in marked)] == []


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in ("--shotz 3", "--tasks antonymz", "--model gemma-4", "--methods mean_stat"):
        with pytest.raises((SystemExit, UsageError, AssertionError)):
            check_command(f"python -m analyses.main_results {wrong}")
