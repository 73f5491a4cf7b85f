"""List a results folder, verify it, clean it up, export a part of it, or share it on the hub."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import tyro

from tvsight.cli import sharing
from tvsight.cli.command import FAILURE_EXIT
from tvsight.cli.folder import Chosen, counted, name_findings, size_text
from tvsight.config import SAMPLING, Folder, RunConfig
from tvsight.errors import UsageError
from tvsight.progress import bar
from tvsight.prompts.templates import template

if TYPE_CHECKING:
    from tvsight.output.console import Display
    from tvsight.storage.inspection import Entry
    from tvsight.storage.store import Store


SETTINGS = (*SAMPLING, "division", "template")
"""Options whose values are named where they are not the usual ones."""


@dataclass(frozen=True)
class List(Chosen):
    """List the results by their manifests, a row for each experiment, model and settings; files are
    not compared with checksums."""

    all: bool = False
    """A row for each result."""
    json: bool = False
    """Print JSON, an object for each result."""


@dataclass(frozen=True)
class Verify:
    """Check every result, and look for leftovers. Exit code 1 when something is wrong."""

    results: Folder = "results"
    """The results folder."""
    quick: bool = False
    """Check manifests, and names and sizes of files, alone. No rows or vectors are opened, so bytes
    that changed in a file of the same size are not found."""


@dataclass(frozen=True)
class Clean:
    """Remove damaged and superseded results and leftovers, after a question. What tvsight did not
    write stays, and so do whole results in a folder that was copied or renamed."""

    results: Folder = "results"
    """The results folder."""
    yes: bool = False
    """Remove without a question."""


@dataclass(frozen=True)
class Options:
    """An action on a results folder."""

    action: (
        Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Verify, tyro.conf.subcommand("verify")]
        | Annotated[Clean, tyro.conf.subcommand("clean")]
        | Annotated[sharing.Export, tyro.conf.subcommand("export")]
        | Annotated[sharing.ExportPaper, tyro.conf.subcommand("export-paper")]
        | Annotated[sharing.Push, tyro.conf.subcommand("push")]
        | Annotated[sharing.Pull, tyro.conf.subcommand("pull")]
    )


def main(options: Options) -> int:
    """Carry out the action; returns the exit code."""
    from tvsight.output.console import Display
    from tvsight.storage.store import Store

    action = options.action
    return CARRIED_OUT[type(action)](action, Store(action.results), Display())


def _list(action: List, store: "Store", display: "Display") -> int:
    import pandas as pd

    from tvsight.storage.inspection import entries

    with bar(_results(store), "reading results") as seen:
        found, unusable = entries(store, seen)
    chosen = action.choice().of(found)
    if action.json:
        print(json.dumps([_cells(entry) for entry in chosen], indent=1, ensure_ascii=False))
    elif chosen and not action.all:
        title = f"{counted(len(chosen))}, {size_text(sum(entry.size for entry in chosen))}"
        display.verbose = False
        rows = _grouped(chosen)
        display.table(pd.DataFrame(rows), title, ["Measured"], whole=["Experiment", "Model"])
    elif chosen:
        rows = [_cells(entry) for entry in chosen]
        if not any(row["Revision"] for row in rows):  # packages and directories have none
            rows = [{name: row[name] for name in row if name != "Revision"} for row in rows]
        title = f"{counted(len(chosen))}, {size_text(sum(entry.size for entry in chosen))}"
        display.table(pd.DataFrame(rows), title, ["Experiment", "Key"])
    else:
        display.note("No result.")
    name_findings(display, unusable)
    return FAILURE_EXIT if unusable else 0


def _verify(action: Verify, store: "Store", display: "Display") -> int:
    from tvsight.storage.inspection import verify

    count = _results(store)
    with bar(count, "checking results") as seen:
        findings = verify(store, seen, action.quick)
    wrong = [finding for finding in findings if not finding.is_aside]
    aside = [finding for finding in findings if finding.is_aside]
    how = " by manifest and size" if action.quick else ""
    what = f"{len(wrong)} found that should not be so" if wrong else "nothing is wrong"
    display.note(f"{counted(count)} checked{how}, {what}.")
    name_findings(display, wrong)
    if any(finding.kind != "later" for finding in wrong):
        display.note(
            "A run that asks for a damaged result moves it aside and measures it again; "
            "`python -m analyses.results clean` removes what is damaged or left over."
        )
    if any(finding.kind == "later" for finding in wrong):
        display.note("What a later tvsight wrote is kept; use that version for it.")
    if aside:
        freed = size_text(sum(finding.size for finding in aside))
        display.note(f"{len(aside)} moved aside by runs before ({freed}); clean removes them.")
    return FAILURE_EXIT if wrong else 0


def _clean(action: Clean, store: "Store", display: "Display") -> int:
    from tvsight.storage.inspection import remove, sorted_out
    from tvsight.storage.ownership import put_all_back

    put_all_back(store)
    count = _results(store)
    with bar(count, "checking results") as seen:
        findings, kept = sorted_out(store, seen)
    if kept:
        display.note("Not tvsight's to remove, and kept:")
        name_findings(display, kept)
    if not findings:
        display.note(f"{counted(count)} checked. Nothing to remove.")
        return 0
    name_findings(display, findings)
    size = size_text(sum(finding.size for finding in findings))
    if not action.yes and not _agreed(f"Remove {len(findings)} of these, {size}? [y/N] "):
        display.note("Nothing was removed.")
        return 0
    display.note(f"{counted(count)} checked. Freed {size_text(remove(store, findings))}.")
    return 0


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


def _grouped(chosen: "Sequence[Entry]") -> list[dict[str, str]]:
    """A row for each experiment, model and settings."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in chosen:
        of = (entry.identity["experiment"], entry.identity["model"], _settings(entry))
        groups.setdefault(of, []).append(entry)
    return [
        {
            **dict(zip(("Experiment", "Model", "Settings"), of, strict=True)),
            "Tasks": str(len({entry.identity["task"] for entry in entries})),
            "Size": size_text(sum(entry.size for entry in entries)),
            "Measured": max(entry.manifest["written"] for entry in entries)[:10],
        }
        for of, entries in sorted(groups.items())
    ]


def _settings(entry: "Entry") -> str:
    """The settings of a result that are not the usual ones, with its precision and revision."""
    from tvsight.run.revisions import stored_revisions

    identity = entry.identity
    usual = {entry.name: entry.default for entry in fields(RunConfig)}
    usual |= {"seed": 0, "template": template(RunConfig.template).text}
    named = [
        f"{name} {identity[name]}"
        for name in (*SETTINGS, "method")
        if identity.get(name) not in (None, usual.get(name))
    ]
    revisions = [one.text for one in stored_revisions([entry.manifest])]
    return ", ".join([str(identity.get("dtype", "")), *revisions, *named])


def _cells(entry: "Entry") -> dict[str, str]:
    from tvsight.run.revisions import stored_revisions

    identity, manifest = entry.identity, entry.manifest
    per_split = identity.get("episodes_per_split")
    place = manifest.get("place")
    kind = place.get("kind", "local") if isinstance(place, dict) else "local"
    device = str(manifest.get("device", ""))
    return {
        "Experiment": identity["experiment"],
        "Model": identity["model"],
        "Revision": "".join(one.text for one in stored_revisions([manifest])),
        "Task": identity["task"],
        "Key": entry.key,
        "Episodes": f"{per_split} + {per_split}" if per_split else "from a file",
        "Precision": str(identity.get("dtype", "")),
        "Measured on": device if kind in ("local", device) else f"{device} ({kind})",
        "Measured": manifest["written"].replace("T", " ")[:16],
        "tvsight": manifest["versions"]["tvsight"],
        "Size": size_text(entry.size),
        "Vectors": "yes" if entry.has_vectors else "no",
    }


def _results(store: "Store") -> int:
    return sum(1 for _ in store.paths())


CARRIED_OUT: dict[type, Callable[..., int]] = {
    **{List: _list, Verify: _verify, Clean: _clean},
    **{sharing.Export: sharing.export, sharing.ExportPaper: sharing.export_paper},
    **{sharing.Push: sharing.push, sharing.Pull: sharing.pull},
}
"""The function of each action."""
