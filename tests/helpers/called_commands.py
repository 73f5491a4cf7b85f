"""Analyses as a person runs them, called in this process: for tests of what they say and do, where
no process of their own is needed."""

import io
import runpy
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.helpers.commands import SETTINGS, Finished


def called(name: str, *arguments: str | Path) -> Finished:
    """`python -m analyses.<name> <arguments>`, with its exit code and what it printed."""
    given, printed, errors = [*map(str, arguments)], io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "argv", [name, *given])
        for variable, value in {**SETTINGS, "MPLBACKEND": "agg"}.items():
            patch.setenv(variable, value)
        with redirect_stdout(printed), redirect_stderr(errors), pytest.raises(SystemExit) as end:
            runpy.run_module(f"analyses.{name}", run_name="__main__", alter_sys=True)
    code = end.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess([name, *given], code, printed.getvalue(), errors.getvalue())
