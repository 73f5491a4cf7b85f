"""Seconds and memory of commands on a results folder that grows.

    python -m benchmarks.store --results-count 10000

The folder is temporary. It holds copies of the reference results under other seeds: manifests are
their own, other files are links to those of the first copy.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from shutil import copyfile, rmtree

from benchmarks.memory import waited
from tvsight.cli.command import command
from tvsight.config import Rules
from tvsight.models.catalogue import EMBEDDED
from tvsight.storage.manifests import MANIFEST, Result, manifest_text
from tvsight.storage.store import LOCKS, Store

PARTS = (0.25, 0.5, 1)
"""Commands are measured when the folder has these parts of its results."""
FURTHER = 1000
"""By how much the seeds of a copy are above those of the copy before."""
FEW = ("--tasks", "to_upper", "--model", "smollm2-135m")
"""One result in a hundred."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "list": ("results", "list"),
    "verify --quick": ("results", "verify", "--quick"),
    "redraw 18 tasks": ("main_results", "--redraw", "--model", EMBEDDED),
    "export one task": ("results", "export", *FEW, "--output", "one.zip"),
    "report on one task": ("report", *FEW, "--output", "one.html"),
    "begin a run": ("main_results", "--model", "../tiny", "--seed", "0"),
}
"""By title, a module of `analyses` and its arguments."""
UP_TO_JOBS = """
import os, runpy, sys
del sys.argv[0]
if "--seed" in sys.argv:
    from tvsight.execution.here import Here
    Here.begin = lambda *_: os._exit(0)
runpy.run_module(f"analyses.{sys.argv[0]}", run_name="__main__", alter_sys=True)
"""
"""A run, which alone names a seed, ends where its first job would begin."""


@dataclass(frozen=True)
class Options:
    """What to measure."""

    results_count: int = 10_000
    """Number of results in the folder at the end: at least 2000, so that no task is missing."""


def main(options: Options) -> int:
    """Measure, and print a table."""
    import pandas as pd

    from benchmarks.models import save_tiny
    from tvsight.output.console import Display

    rows: dict[str, dict[str, str]] = {title: {"Command": title} for title in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        save_tiny(Path(folder, "tiny"))
        store = Store(Path(folder, "results"))
        copied = copies(Store("results"), store)
        for part in PARTS:
            size = round(part * options.results_count)
            list(islice(copied, size - sum(1 for _ in store.paths())))
            for title, row in rows.items():
                row[f"{size} results"] = measured(title, Path(folder))
            rmtree(store.root / LOCKS)  # of the run that ended early
    Display().table(pd.DataFrame(rows.values()), "Seconds, of which processor, and peak memory")
    return 0


def copies(reference: Store, store: Store) -> Iterator[Path]:
    """Copy results to a folder again and again, each time with further seeds; yields each copy."""
    first: dict[Path, Path] = {}
    for number in count():
        for path in reference.paths():
            manifest = reference.read_manifest(path)
            manifest["identity"]["seed"] += number * FURTHER
            copy = Result(manifest["identity"]).path
            (store.root / copy).mkdir(parents=True)
            for name in manifest["files"]:
                source = store.root / first[path] if number else reference.root / path
                (os.link if number else copyfile)(source / name, store.root / copy / name)
            (store.root / copy / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
            first.setdefault(path, copy)
            yield copy


def measured(title: str, folder: Path) -> str:
    """Seconds and peak memory of a command, in a process of its own."""
    command = [sys.executable, "-c", UP_TO_JOBS, *COMMANDS[title], "--results", "../results"]
    began, before = time.perf_counter(), os.times()
    with tempfile.TemporaryDirectory(dir=folder) as elsewhere, tempfile.TemporaryFile() as shown:
        code, gigabytes = waited(command, Path(elsewhere), shown)
        seconds, busy = time.perf_counter() - began, sum(os.times()[2:4]) - sum(before[2:4])
        if code:
            shown.seek(0)
            raise RuntimeError(f"{title}: {shown.read().decode(errors='replace')[-2000:]}")
    return f"{seconds:.1f} s ({busy:.1f}), {gigabytes:.2f} GB"


if __name__ == "__main__":
    command(Options, main, __doc__, Rules())
