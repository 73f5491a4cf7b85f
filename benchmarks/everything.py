"""Every analysis into an empty folder: seconds and memory of each, and what is left to measure."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.memory import waited
from tvsight.experiments import EXPERIMENTS
from tvsight.experiments.main_results import NAME as MAIN_RESULTS

ABOUT_HEADS = {"heads", "function_vectors"}
"""Analyses that measure attention heads one by one."""
TO_DO = ": to be measured"


class Ended(NamedTuple):
    """A command that has ended, and what it took."""

    seconds: float
    gigabytes: float
    """Peak resident memory."""
    code: int
    shown: str


def report(options: list[str], say: Callable[[str], None]) -> None:
    """Run every analysis in a process of its own, one after the other, and say what each takes.

    Args:
        options: those of every command: model, tasks, device, precision.
    """
    with tempfile.TemporaryDirectory() as folder:
        say("every analysis, from an empty folder (a process each, which loads the model):")
        taken = {}
        for name in EXPERIMENTS:
            ended = _run(name, ["--results", folder, *options])
            taken[name] = ended.seconds
            failed = f"; exit code {ended.code}" if ended.code else ""
            say(f"  {name}: {ended.seconds:.0f} s, {ended.gigabytes:.1f} GB{failed}")
        central = taken[MAIN_RESULTS]
        others = sum(seconds for name, seconds in taken.items() if name not in ABOUT_HEADS)
        say(
            f"  all: {sum(taken.values()) / central:.1f} x the central comparison, "
            f"{others / central:.1f} x without those about heads"
        )
        asked = _run("all", ["--dry-run", "--results", folder, *options]).shown.splitlines()
        again = [line for line in asked if line.endswith(TO_DO)]
        say(f"  to be measured by a second run: {'; '.join(again) or 'nothing'}")


def _run(name: str, options: list[str]) -> Ended:
    """`python -m analyses.<name>`, waited for."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as shown:
        command = [sys.executable, "-m", f"analyses.{name}", *options]
        root = Path(__file__).parent.parent
        code, gigabytes = waited(command, root, shown)
        shown.seek(0)
        text = shown.read().decode(errors="replace")
    return Ended(time.perf_counter() - began, gigabytes, code, text)
