"""For an article: the drawn figures and tables, and a paragraph of methods made from manifests."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tvsight.errors import UsageError
from tvsight.output.labels import counted, display_name
from tvsight.output.latex import FULL, HEAD
from tvsight.sharing.card import Manifest, facts, settings
from tvsight.statistics.intervals import CONFIDENCE, RESAMPLES
from tvsight.statistics.tests import FLIPS, SIGNIFICANCE
from tvsight.tasks.task import ARROW
from tvsight.texts import latex
from tvsight.writing import has, reason, whole_file

METHODS = "tvsight.tex"
OWN = has(b"%")
"""Figures and tables, which an export may replace, begin so."""
PACKAGES = ("tvsight", "nnsight", "torch", "transformers")
ORIGIN = ("origin", "revision", "dtype")
SETTINGS = {
    "episodes_per_split": "episodes of a task to choose blocks on (dev), and as many to test on",
    "shots": "demonstrations",
    "dummy_queries": "dummy queries of a vector",
    "seed": "seeds",
}


def drawn(results: Path) -> tuple[list[Path], list[Path]]:
    """The figures, and the tables in the form for papers, of a results folder."""
    figures, tables = results / "figures", results / "tables"
    names = [full.name.removesuffix(FULL) for full in sorted(tables.glob(f"*{FULL}"))]
    return sorted(figures.glob("*.pdf")), [tables / f"{name}.tex" for name in names]


def export(files: Sequence[Path], manifests: Sequence[Manifest], folder: Path) -> None:
    """Copy files into a folder, and write the paragraph of methods beside them.

    Raises:
        UsageError: when there are no results, or the folder holds something else or cannot be
            written.
    """
    if not manifests:
        raise UsageError("There are no results, so there is nothing to write about.")
    names = {METHODS, *(file.name for file in files)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if others := sorted({path.name for path in folder.iterdir()} - names):
            raise UsageError(f"{folder} holds other files, such as {others[0]}: name an empty one.")
        for file in files:
            with whole_file(folder / file.name, OWN) as new:
                shutil.copyfile(file, new)
        with whole_file(folder / METHODS, OWN) as new:
            new.write_text(f"{HEAD}\n{methods(manifests)}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {reason(error)}") from error


def methods(manifests: Sequence[Manifest]) -> str:
    """How these results were measured and are compared, as a paragraph of LaTeX."""
    known, chosen = list(map(facts, manifests)), dict(settings(manifests))
    tasks = {of["task"] for of in known if ARROW not in of["task"]}
    models = {
        f"{display_name(of['model'])} ({', '.join(filter(None, map(of.get, ORIGIN)))})"
        for of in known
    }
    versions = [
        f"{name} {' and '.join(sorted(of))}"
        for name in PACKAGES
        if (of := {str(m["versions"][name]) for m in manifests if name in m["versions"]})
    ]
    values = [f"{words}: {chosen[name]}" for name, words in SETTINGS.items() if name in chosen]
    sentences = (
        f"Results were measured with {versions[0]} ({', '.join(versions[1:])}) on "
        f"{counted(len(tasks), 'task')}. Models: {'; '.join(sorted(models))}. "
        f"Settings that occur: {'; '.join(values)}. "
        f"Intervals cover {CONFIDENCE:.0%}: Wilson's for the accuracy of a task, or a bootstrap "
        f"over its queries where these repeat; a percentile bootstrap ({RESAMPLES:,} resamples) "
        "over queries for differences on a task, and over tasks for means. Procedures are compared "
        f"on a task by permuting its queries ({FLIPS:,} times where that cannot be counted "
        f"exactly), at a level of {SIGNIFICANCE:.0%}; where tasks are counted, with Holm's "
        "correction."
    )
    return rf"\paragraph{{Measurements.}} {latex(sentences)}"
