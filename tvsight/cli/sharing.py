"""Give results to others: as an archive, or as a data set on the model hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tvsight.cli.command import FAILURE_EXIT
from tvsight.cli.folder import Chosen, counted, name_findings, size_text
from tvsight.config import Folder
from tvsight.errors import UsageError
from tvsight.progress import bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvsight.output.console import Display
    from tvsight.storage.inspection import Entry
    from tvsight.storage.store import Store

Url = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="URL")]]


@dataclass(frozen=True)
class _Sent(Chosen):
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
class Export(_Sent):
    """Write chosen results to one archive. Unpacked, it is a results folder."""

    output: Annotated[str, tyro.conf.arg(metavar="FILE")] = "results.tar.gz"
    """The archive: .tar.gz or .zip. It must not exist yet."""


@dataclass(frozen=True, kw_only=True)
class ExportPaper:
    """Write what an article takes into a folder: the figures and tables that are drawn, and
    tvsight.tex, a paragraph on how they were measured."""

    folder: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FOLDER")]]
    """A new or empty folder, or one that this command wrote."""
    results: Folder = "results"
    """The results folder."""


@dataclass(frozen=True, kw_only=True)
class Push(_Sent):
    """Upload chosen results to a data set on the hub, with a card made from their manifests. Only
    what is new or changed there is sent."""

    url: Url
    """The data set: hf://datasets/owner/name. It is made where there is none."""
    licence: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The licence that the card names, such as cc-by-4.0. By default it names none."""
    private: bool = False
    """Make a new data set private."""
    message: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """The message of the commit on the hub."""
    dry_run: bool = False
    """Print the card, and the number and size of files. Nothing is sent."""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """Download the results of a data set on the hub, and store those that are whole. Results that
    are here already stay."""

    url: Url
    """The data set: hf://datasets/owner/name, with @revision for another than its newest state."""
    results: Folder = "results"
    """The results folder that receives them."""


def export(action: Export, store: "Store", display: "Display") -> int:
    """Write the archive; returns the exit code."""
    from tvsight.sharing.archive import export

    whole, code = _whole(action, store, display)
    output = Path(action.output)
    export(store, whole, output, action.vectors, _blocks(action, store, whole))
    size = size_text(output.stat().st_size)
    display.note(f"Wrote {output}: {counted(len(whole))}, {size}")
    return code


def export_paper(action: ExportPaper, store: "Store", display: "Display") -> int:
    """Write figures, tables and methods; returns the exit code."""
    from tvsight.experiments import EXPERIMENTS
    from tvsight.sharing import paper
    from tvsight.storage.inspection import entries

    found, unusable = entries(store)
    name_findings(display, unusable)
    figures, tables = paper.drawn(store.root)
    paper.export([*figures, *tables], [entry.manifest for entry in found], Path(action.folder))
    for what, files in (("figure", figures), ("table", tables)):
        of = [name for name in EXPERIMENTS if not any(file.stem.startswith(name) for file in files)]
        if of:
            display.note(f"No {what} of {', '.join(of)} is drawn in {store.root}.")
    written = f"{len(figures)} figures, {len(tables)} tables and {paper.METHODS}"
    display.note(f"Wrote {action.folder}: {written}")
    return FAILURE_EXIT if unusable else 0


def push(action: Push, store: "Store", display: "Display") -> int:
    """Upload the results, or show what would be uploaded; returns the exit code."""
    from tvsight.sharing import hub
    from tvsight.sharing.archive import laid_out
    from tvsight.sharing.card import card

    where = hub.repository(action.url)
    whole, code = _whole(action, store, display)
    blocks = _blocks(action, store, whole)
    with laid_out(store, whole, action.vectors, blocks, hub.PRIVATE) as folder:
        size = size_text(sum(file.stat().st_size for file in folder.glob("*/*/*/*")))
        if action.dry_run:
            display.note(card(where.name, hub.manifests_in(folder), action.licence))
        else:
            hub.push(folder, where, action.licence, action.private, action.message)
    done = "Would push to" if action.dry_run else "Pushed to"
    display.note(f"{done} {where.url}: {counted(len(whole))}, {size}")
    return code


def pull(action: Pull, store: "Store", display: "Display") -> int:
    """Download, verify and store results; returns the exit code."""
    from tvsight.sharing.hub import repository
    from tvsight.sharing.pull import pull

    where = repository(action.url)
    pulled = pull(store, where)
    name_findings(display, pulled.left_out)
    size = size_text(sum(entry.size for entry in pulled.stored))
    kept = f", {counted(len(pulled.kept))} there already" if pulled.kept else ""
    display.note(
        f"Pulled {where.url} into {store.root}: {counted(len(pulled.stored))} stored, {size}{kept}"
    )
    return FAILURE_EXIT if pulled.left_out else 0


def _whole(action: _Sent, store: "Store", display: "Display") -> "tuple[list[Entry], int]":
    """The chosen results that are whole, and the exit code; others are named."""
    from tvsight.storage.inspection import Entry, Finding, check, entries

    found, unusable = entries(store)
    chosen = action.choice().of(found)
    with bar(len(chosen), "checking results") as seen:
        checked = []
        for entry in chosen:
            checked.append(check(store, entry.path))
            seen(entry.path)
    left_out = [*unusable, *(one for one in checked if isinstance(one, Finding))]
    name_findings(display, left_out)
    whole = [one for one in checked if isinstance(one, Entry)]
    return whole, FAILURE_EXIT if left_out else 0


def _blocks(action: _Sent, store: "Store", chosen: "Sequence[Entry]") -> dict[Path, int]:
    """The block whose vectors figures need, of each result, where only these are sent; results of
    one run share it."""
    if action.vectors != "figures":
        return {}
    import pandas as pd

    from tvsight.experiments.main_results import NAME as MAIN_RESULTS
    from tvsight.protocol.layers import common_block
    from tvsight.storage.joining import runs_of

    found: dict[Path, int] = {}
    with_vectors = [
        entry
        for entry in chosen
        if entry.has_vectors and entry.identity["experiment"] == MAIN_RESULTS
    ]
    for of_run in runs_of(with_vectors).values():
        rows = pd.concat([store.rows(entry.path) for entry in of_run])
        (block,) = common_block(rows, action.layer).values()
        found |= {entry.path: block for entry in of_run}
    return found
