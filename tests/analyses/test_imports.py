"""Help is shown without waiting for heavy packages. (tests/experiments/test_everything.py draws all
again without the code of models.)"""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.commands import ROOT, SETTINGS
from tvsight.cli.program import COMMANDS

HELPS = """
import contextlib, io, json, runpy, sys
ends = {}
for name in sys.argv[1:]:
    sys.argv[1:] = ["--help"]
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            runpy.run_module(f"analyses.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            ends[name] = [end.code, [*sys.modules]]
print(json.dumps(ends))
"""
"""Shows the help of commands, one after the other, and says what is imported by then."""
End = tuple[int, list[str]]
"""Exit code, and imported modules."""
HEAVY = {
    *("torch", "nnsight", "transformers", "tokenizers"),
    *("pandas", "matplotlib", "seaborn", "scipy"),
}


@pytest.fixture(scope="module")
def helps() -> dict[str, End]:
    """By command."""
    command = [sys.executable, "-c", HELPS, *COMMANDS]
    environment = os.environ | SETTINGS
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(ended.stdout))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_waits_for_no_heavy_package(name: str, helps: dict[str, End]) -> None:
    code, modules = helps[name]
    assert code == 0
    assert HEAVY & {*modules} == set()
