"""Analyses as a person runs them: from the root of the repository, each in its own process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.helpers.forked_commands import ROOT, SETTINGS, fork

Finished = subprocess.CompletedProcess[str]


def analysis(
    name: str, *arguments: str | Path, python: tuple[str, ...] = (), forked: bool = True
) -> Finished:
    """`python -m analyses.<name> <arguments>`.

    Args:
        python: options for Python itself.
        forked: fork it from a process that has imported everything, where the settings are the
            same and Python has no options. Otherwise it imports everything itself.
    """
    environment = os.environ | SETTINGS
    if forked and not python and fork().suits(environment):
        return fork().run(f"analyses.{name}", [*map(str, arguments)], ROOT, environment)
    return ran(*python, "-m", f"analyses.{name}", *arguments, environment=SETTINGS)


def ran(
    *arguments: str | Path,
    folder: Path = ROOT,
    environment: Mapping[str, str] = {},
    limit_s: float | None = None,
) -> Finished:
    """`python <arguments>` in a folder, with further variables of the environment, which finds the
    modules of the repository."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=limit_s,
    )


def cells(process: Finished) -> list[list[str]]:
    """The cells of the table that was printed, without its heading; folded ones are joined."""
    lines = [line for line in process.stdout.splitlines() if line.startswith("│")]
    rows: list[list[str]] = []
    for line in lines:
        row = [cell.strip() for cell in line.strip("│").split("│")]
        if row[0]:
            rows.append(row)
        else:
            rows[-1] = [" ".join(filter(None, parts)) for parts in zip(rows[-1], row, strict=True)]
    return rows


def imported(report: str) -> set[str]:
    """The top-level packages in what `-X importtime` reported."""
    names = [line.rsplit("|", 1)[-1] for line in report.splitlines() if "import time:" in line]
    return {name.strip().split(".")[0] for name in names}
