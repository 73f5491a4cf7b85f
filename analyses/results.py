"""List a results folder, verify it, clean it up, or export a part of it.

python -m analyses.results list --results my_results
python -m analyses.results verify
python -m analyses.results clean
python -m analyses.results export --model gemma-3-270m --output mine.tar.gz
"""

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from analyses.command import FAILURE_EXIT, command
from tvsight.config import Rules
from tvsight.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tvsight.output.console import Display
    from tvsight.storage.inspection import Entry, Finding
    from tvsight.storage.store import Store

Folder = Annotated[str, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True)
class _Chosen:
    results: Folder = "results"
    """The results folder."""
    model: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Only results of these models, named as `list` names them."""
    tasks: Annotated[str, tyro.conf.arg(metavar="SELECTION")] = "all"
    """Only results of these tasks: names and categories separated by commas, `paper`, or `all`."""
    experiment: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Only results of these experiments."""


@dataclass(frozen=True)
class List(_Chosen):
    """List the results by their manifests; files are not compared with checksums."""


@dataclass(frozen=True)
class Verify:
    """Check every result, and look for leftovers. Exit code 1 when something is wrong."""

    results: Folder = "results"
    """The results folder."""
    quick: bool = False
    """Check manifests, and names and sizes of files, alone: no checksums, no rows."""


@dataclass(frozen=True)
class Clean:
    """Remove damaged and superseded results and leftovers, after a question."""

    results: Folder = "results"
    """The results folder."""
    yes: bool = False
    """Remove without a question."""


@dataclass(frozen=True)
class Export(_Chosen):
    """Write chosen results to one archive. Unpacked, it is a results folder."""

    output: Annotated[str, tyro.conf.arg(metavar="FILE")] = "results.tar.gz"
    """The archive: .tar.gz or .zip. It must not exist yet."""
    vectors: Literal["all", "figures", "none"] = "all"
    """Task vectors to include: all that are stored, the part that figures need (the mean of each
    block, and all of one block), or none."""
    layer: Annotated[int | None, tyro.conf.arg(metavar="BLOCK")] = None
    """The block that figures need. By default the one where mean dev accuracy peaks."""

    def __post_init__(self) -> None:
        if self.layer is not None and self.vectors != "figures":
            raise UsageError(
                f"--layer {self.layer} does nothing without --vectors figures: add that, or leave "
                "it out."
            )


@dataclass(frozen=True)
class Options:
    """An action on a results folder."""

    action: (
        Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Verify, tyro.conf.subcommand("verify")]
        | Annotated[Clean, tyro.conf.subcommand("clean")]
        | Annotated[Export, tyro.conf.subcommand("export")]
    )


def main(options: Options) -> int:
    """Carry out the action; returns the exit code."""
    from tvsight.output.console import Display
    from tvsight.storage.store import Store

    action, display = options.action, Display()
    store = Store(action.results)
    if isinstance(action, List):
        return _list(action, store, display)
    if isinstance(action, Verify):
        return _verify(action, store, display)
    if isinstance(action, Clean):
        return _clean(action, store, display)
    return _export(action, store, display)


def _list(action: List, store: "Store", display: "Display") -> int:
    from tvsight.storage.inspection import entries

    with _progress(_results(store), "reading") as seen:
        found, unusable = entries(store, seen)
    chosen = _choice(action).of(found)
    if chosen:
        rows = [_cells(entry) for entry in chosen]
        if not any(row["Revision"] for row in rows):  # packages and directories have none
            rows = [{name: row[name] for name in row if name != "Revision"} for row in rows]
        title = f"{_count(len(chosen))}, {_size(sum(entry.size for entry in chosen))}"
        display.table(_frame(rows), title, ["Experiment", "Key"])
    else:
        display.note("No result.")
    _name(display, unusable)
    return FAILURE_EXIT if unusable else 0


def _verify(action: Verify, store: "Store", display: "Display") -> int:
    from tvsight.storage.inspection import verify

    with _progress(_results(store), "checking") as seen:
        findings = verify(store, seen, action.quick)
    wrong = [finding for finding in findings if not finding.is_aside]
    aside = [finding for finding in findings if finding.is_aside]
    how = " by manifest and size" if action.quick else ""
    display.note(f"{_count(seen.count)} checked{how}, {_found(len(wrong))}.")
    _name(display, wrong)
    if any(finding.kind != "later" for finding in wrong):
        display.note(
            "A run that asks for a damaged result moves it aside and measures it again; "
            "`python -m analyses.results clean` removes what is damaged or left over."
        )
    if any(finding.kind == "later" for finding in wrong):
        display.note("What a later tvsight wrote is kept; use that version for it.")
    if aside:
        freed = _size(sum(finding.size for finding in aside))
        display.note(f"{len(aside)} moved aside by runs before ({freed}); clean removes them.")
    return FAILURE_EXIT if wrong else 0


def _clean(action: Clean, store: "Store", display: "Display") -> int:
    from tvsight.storage.inspection import removable, remove

    with _progress(_results(store), "checking") as seen:
        findings = removable(store, seen)
    if not findings:
        display.note(f"{_count(seen.count)} checked. Nothing to remove.")
        return 0
    _name(display, findings)
    size = _size(sum(finding.size for finding in findings))
    if not action.yes and not _agreed(f"Remove {len(findings)} of these, {size}? [y/N] "):
        display.note("Nothing was removed.")
        return 0
    display.note(f"{_count(seen.count)} checked. Freed {_size(remove(store, findings))}.")
    return 0


class _Seen:
    """Counts results, and advances a bar on a terminal."""

    def __init__(self, advance: "Callable[[], None]") -> None:
        self.count = 0
        self._advance = advance

    def __call__(self, path: Path) -> None:
        self.count += 1
        self._advance()


@contextmanager
def _progress(total: int, doing: str) -> "Iterator[_Seen]":
    """A bar on standard error while the block lasts, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{doing} results", total=total)
        yield _Seen(lambda: bar.advance(task))


def _export(action: Export, store: "Store", display: "Display") -> int:
    from tvsight.storage.archive import export
    from tvsight.storage.inspection import damage, entries

    found, unusable = entries(store)
    chosen = _choice(action).of(found)
    with _progress(len(chosen), "checking") as seen:
        damages = {}
        for entry in chosen:
            damages[entry.path] = damage(store, entry.path)
            seen(entry.path)
    whole = [entry for entry in chosen if damages[entry.path] is None]
    left_out = [*unusable, *filter(None, damages.values())]
    _name(display, left_out)
    output = Path(action.output)
    blocks = _blocks(store, whole, action.layer) if action.vectors == "figures" else {}
    export(store, whole, output, action.vectors, blocks)
    size = _size(output.stat().st_size)
    display.note(f"Wrote {output}: {_count(len(whole))}, {size}")
    return FAILURE_EXIT if left_out else 0


def _blocks(store: "Store", chosen: "Sequence[Entry]", layer: int | None) -> dict[Path, int]:
    """The block whose vectors figures need, of each result; results of one model and one state of
    its weights share it."""
    import pandas as pd

    from tvsight.experiments.main_results import NAME as MAIN_RESULTS
    from tvsight.experiments.main_results.layers import common_block

    found: dict[Path, int] = {}
    with_vectors = [
        entry
        for entry in chosen
        if entry.has_vectors and entry.identity["experiment"] == MAIN_RESULTS
    ]
    for weights in {_weights(entry) for entry in with_vectors}:
        of_weights = [entry for entry in with_vectors if _weights(entry) == weights]
        rows = pd.concat([store.rows(entry.path) for entry in of_weights])
        (block,) = common_block(rows, layer).values()
        found |= {entry.path: block for entry in of_weights}
    return found


def _weights(entry: "Entry") -> tuple[str, str]:
    return entry.identity["model"], str(entry.identity.get("weights"))


def _agreed(question: str) -> bool:
    """Ask a person at a terminal, and return whether the answer is yes."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "clean asks before it removes anything, and there is no terminal to ask at: repeat "
            "it with --yes. Nothing was removed."
        )
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _choice(action: _Chosen) -> Any:
    from tvsight.storage.choice import Choice

    return Choice(action.model, action.tasks, action.experiment)


def _cells(entry: "Entry") -> dict[str, str]:
    identity, manifest = entry.identity, entry.manifest
    per_split = identity.get("episodes_per_split")
    place = manifest.get("place")
    kind = place.get("kind", "local") if isinstance(place, dict) else "local"
    device = str(manifest.get("device", ""))
    return {
        "Experiment": identity["experiment"],
        "Model": identity["model"],
        "Revision": _revision(entry),
        "Task": identity["task"],
        "Key": entry.key,
        "Episodes": f"{per_split} + {per_split}" if per_split else "from a file",
        "Precision": str(identity.get("dtype", "")),
        "Measured on": device if kind in ("local", device) else f"{device} ({kind})",
        "Measured": manifest["written"].replace("T", " ")[:16],
        "tvsight": manifest["versions"]["tvsight"],
        "Size": _size(entry.size),
        "Vectors": "yes" if entry.has_vectors else "no",
    }


def _revision(entry: "Entry") -> str:
    from tvsight.run.revisions import stored_revisions

    return "".join(revision.text for revision in stored_revisions([entry.manifest]))


def _name(display: "Display", findings: "Sequence[Finding]") -> None:
    for finding in findings:
        size = _size(finding.size)
        display.note(f"{finding.path}: {finding.kind}: {finding.reason} ({size})")


def _results(store: "Store") -> int:
    return sum(1 for _ in store.paths())


def _frame(rows: list[dict[str, str]]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows)


def _count(results: int) -> str:
    return "1 result" if results == 1 else f"{results} results"


def _found(wrong: int) -> str:
    return f"{wrong} found that should not be so" if wrong else "nothing is wrong"


def _size(count: int) -> str:
    """Bytes, for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


if __name__ == "__main__":
    command(Options, main, __doc__, Rules())
