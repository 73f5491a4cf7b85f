"""Task vectors of in-context learning: measure them, and draw figures and tables.

`tvsight main-results` is `python -m analyses.main_results`, from any folder.
"""

import sys
from importlib import import_module
from runpy import run_module

from tvsight.cli.command import PROGRAM, leave
from tvsight.errors import UsageError, nearest
from tvsight.experiments import EXPERIMENTS
from tvsight.writing import VERSION

COMMANDS = (*EXPERIMENTS, "all", "report", "show", "models", "tasks", "results", "ndif_status")
"""Every module here that is a command."""


def main() -> None:
    """Run the analysis that the command line names first, with the options behind it."""
    typed, *options = sys.argv[1:] or [""]
    module = typed.replace("-", "_")
    if module not in COMMANDS:
        leave(lambda: _without_analysis(typed))
    name = module.replace("_", "-")
    PROGRAM.set(f"tvsight {name}")
    sys.argv[1:] = options
    run_module(f"analyses.{module}", run_name="__main__", alter_sys=True)


def _without_analysis(typed: str) -> int:
    if typed in ("-h", "--help"):
        print(_help())
    elif typed == "completion":
        from tvsight.cli.completion import script

        print(script(" ".join(sys.argv[2:]), [*_typed(), typed]), end="")
    elif typed == "--version":
        print(f"tvsight {VERSION}")
    elif not typed:
        raise UsageError("an analysis was expected, as in `tvsight main-results`. " + LISTED)
    else:
        near = nearest(typed, _typed())
        raise UsageError(f"Unknown analysis {typed!r}.{near} {LISTED}")
    return 0


LISTED = "`tvsight --help` lists the analyses."


def _typed() -> list[str]:
    """The commands as they are typed."""
    return [name.replace("_", "-") for name in COMMANDS]


def _help() -> str:
    lines = ["usage: tvsight ANALYSIS [OPTIONS]", "", str(__doc__).partition("\n")[0], ""]
    for name, typed in zip(COMMANDS, _typed(), strict=True):
        about = str(import_module(f"analyses.{name}").__doc__).partition("\n")[0]
        lines.append(f"  {typed:<20}{about}")
    lines.append(f"  {'completion SHELL':<20}A script for bash, zsh or fish that completes these.")
    lines += ["", "`tvsight ANALYSIS --help` lists the options of one."]
    return "\n".join(lines)
