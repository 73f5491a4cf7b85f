"""Inspection of a results folder: its results, their faults, and what can be deleted."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from tvsight.errors import StorageError, UsageError
from tvsight.progress import Moved, nobody
from tvsight.storage.job_records import JOBS, Records, result_of
from tvsight.storage.manifests import VECTORS, Misplaced, OtherSchema
from tvsight.storage.ownership import is_redundant, owns, place_of, unfinished
from tvsight.storage.schemas import schema
from tvsight.storage.store import DAMAGED, DRAWN, LOCKS, RESULT_NAME, DamagedResult, Store
from tvsight.storage.versions import LaterVersion, is_later
from tvsight.tasks import packaged_tasks
from tvsight.tasks.matching import SCORING_VERSION
from tvsight.tasks.task import ARROW
from tvsight.writing import NEW, reason, remove_marked

Kind = Literal["damaged", "superseded", "later", "left over", "misplaced", "different", "in use"]
"""Kinds of findings: `superseded` results are of an older tvsight, `later` ones of a later, and
`misplaced` ones are whole, in a folder that somebody has copied or renamed. Of results that are
pulled, `different` ones would replace others, and others are `in use`; of those that are shown
together, `different` ones are of other data."""
FAULTS: dict[type, Kind] = {
    LaterVersion: "later",
    OtherSchema: "superseded",
    Misplaced: "misplaced",
}
"""Kinds of results that are not damaged, by their error."""
STALE_S = 3600
"""Age in seconds from which nobody is still writing a file that is not complete."""
NOT_COMPLETED = "a result that was not completed"


@dataclass(frozen=True)
class Entry:
    """A result as its manifest describes it."""

    path: Path
    """The folder of the result, relative to the results folder."""
    manifest: dict[str, Any]
    size: int
    """Bytes on the disk."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that changes a number; see `Result`."""
        identity: dict[str, Any] = self.manifest["identity"]
        return identity

    @property
    def key(self) -> str:
        """The hash of the identity; see `Result`."""
        return self.path.name.rsplit("-", 1)[1]

    @property
    def has_vectors(self) -> bool:
        """Whether task vectors are stored beside the rows."""
        return VECTORS in self.manifest["files"]


@dataclass(frozen=True)
class Finding:
    """Something in a results folder that is no whole result of this tvsight."""

    path: Path
    """Relative to the results folder."""
    kind: Kind
    reason: str
    size: int = 0
    """Bytes on the disk."""
    is_aside: bool = False
    """Whether a run has moved it out of the way."""
    is_kept: bool = False
    """Whether `clean` leaves it alone, since it is whole or holds what tvsight did not write."""


def entries(store: Store, seen: Moved = nobody) -> tuple[list[Entry], list[Finding]]:
    """The results of a folder as their manifests describe them, and those whose manifest cannot be
    used. `verify` compares files with their checksums, this does not.

    Args:
        seen: called with each result that was looked at, for progress.

    Raises:
        UsageError: when there is no such folder.
    """
    checked = list(_checked(store, seen, quick=True))
    findings = [one for one in checked if isinstance(one, Finding)]
    return [one for one in checked if isinstance(one, Entry)], findings


def verify(
    store: Store, seen: Moved = nobody, quick: bool = False, outdated: bool = False
) -> list[Finding]:
    """List every result that is not what its manifest promises, and everything left over.

    Args:
        seen: called with each result that was checked, for progress.
        quick: compare names and sizes of files with the manifests alone. No other file is opened.
        outdated: list whole results that are `superseded`, too.

    Raises:
        UsageError: when there is no such folder.
    """
    findings = []
    for checked in _checked(store, seen, quick):
        if isinstance(checked, Finding):
            findings.append(checked)
        elif outdated and (why := superseded(checked)):
            findings.append(_fault(store, checked.path, "superseded", why))
    for path in sorted((store.root / DAMAGED).glob("*")):
        aside = _fault(store, path.relative_to(store.root), "damaged", "moved aside by a run")
        findings.append(replace(aside, is_aside=True))
    return [*findings, *leftovers(store)]


def sorted_out(store: Store, seen: Moved = nobody) -> tuple[list[Finding], list[Finding]]:
    """List all that `clean` removes: damaged and superseded results, and what is left over; and the
    damaged and misplaced ones that it keeps, since they are not tvsight's, or are whole.

    Args:
        seen: called with each result that was checked, for progress.

    Raises:
        UsageError: when there is no such folder.
    """
    findings = verify(store, seen, outdated=True)
    kept = [one for one in findings if one.is_kept and one.kind != "later"]
    return [finding for finding in findings if not finding.is_kept], kept


def leftovers(store: Store) -> Iterator[Finding]:
    """List what killed runs have left, and records and locks that nobody needs.

    Files of a process that still runs are not among them, and neither is what others left.
    """
    names = {path.name for path in store.paths()}
    for name in ("", *DRAWN, JOBS):
        for path in sorted((store.root / name).glob(f"{NEW}*")):
            is_old = time.time() - path.lstat().st_mtime > STALE_S
            if is_old and owns(store.root, path.relative_to(store.root)):
                yield _leftover(store, path, "a file that was not completed")
    for inside in unfinished(store):
        if owns(store.root, inside) and not _is_held(store.lock_file(place_of(inside))):
            is_kept = not is_redundant(store, inside)
            why = "a result that was not put in its place" if is_kept else NOT_COMPLETED
            yield replace(_leftover(store, store.root / inside, why), is_kept=is_kept)
    records = Records(store.root)
    for path, fault in records.unusable():
        found = _leftover(store, path, fault.why)
        kind: Kind = "later" if fault.kind == "later" else "left over"
        yield replace(found, kind=kind, is_kept=fault.kind != "left over")
    for record in records.all():
        result = Path(result_of(record.name))
        if result.name in names and not _is_held(store.lock_file(result)):
            path = records.folder / f"{record.name}.json"
            yield _leftover(store, path, "the record of a job whose result is stored")
    for path in sorted((store.root / LOCKS).glob("*.lock")):
        is_own = RESULT_NAME.fullmatch(path.stem) and path.is_file() and not path.is_symlink()
        if is_own and not path.stat().st_size and path.stem not in names and not _is_held(path):
            yield _leftover(store, path, "the lock of a measurement that did not end in a result")


def remove(store: Store, findings: Iterable[Finding]) -> int:
    """Remove what `sorted_out` found. What a process has begun to use meanwhile stays.

    Returns:
        The bytes that were freed.

    Raises:
        StorageError: when something cannot be removed.
    """
    freed = 0
    for finding in findings:
        path = store.root / finding.path
        try:
            if finding.path.parts[0] == LOCKS:
                with suppress(Timeout), FileLock(path, blocking=False):  # nobody takes it meanwhile
                    path.unlink(missing_ok=True)
                continue  # it is empty
            if finding.path.parts[0] == JOBS and path.is_file() and not path.is_symlink():
                path.unlink()
            elif _is_held(store.lock_file(place_of(finding.path))):
                continue
            elif owns(store.root, finding.path):
                remove_marked(path)
            else:
                continue
            freed += finding.size
        except OSError as error:
            raise StorageError(
                f"{path} cannot be removed: {reason(error)}. What came before it is removed."
            ) from error
    return freed


def _checked(store: Store, seen: Moved, quick: bool = False) -> Iterator[Entry | Finding]:
    if not store.root.is_dir():
        raise UsageError(
            f"--results {store.root}: a results folder was expected, and there is none. "
            "`python -m analyses.main_results --results ...` makes one."
        )
    for path in store.paths():
        yield check(store, path, store.read_manifest if quick else None)
        seen(path)


def check(
    store: Store, path: Path, read: Callable[[Path], dict[str, Any]] | None = None
) -> Entry | Finding:
    """Verify one result.

    Args:
        read: returns its manifest, or raises what is wrong with it; by default `store.verified`.
    """
    try:
        manifest = (read or store.verified)(path)
    except (LaterVersion, DamagedResult) as found:
        return _fault(
            store, path, FAULTS.get(type(found), "damaged"), str(found).removeprefix(f"{path}: ")
        )
    return Entry(path, manifest, _size(store.root / path))


def _fault(store: Store, path: Path, kind: Kind, why: str) -> Finding:
    is_kept = kind in ("later", "misplaced") or not owns(store.root, path)
    return Finding(path, kind, why, _size(store.root / path), is_kept=is_kept)


def _leftover(store: Store, path: Path, why: str) -> Finding:
    return Finding(path.relative_to(store.root), "left over", why, _size(path))


def superseded(entry: Entry) -> str:
    """The reason why no command uses a result any more; empty where one does.

    Its schema or its scoring is older, or it is of a packaged task that has other pairs now.
    Results of another model revision, precision, seed or template are in use, and so are results of
    the user's own tasks and those that a later tvsight wrote.
    """
    scoring = entry.identity.get("scoring")
    if is_later(entry.manifest["versions"]["tvsight"]):
        return ""
    if isinstance(scoring, int) and scoring < SCORING_VERSION:
        return f"scoring {scoring}; this is {SCORING_VERSION}"
    version = entry.identity.get("version", 1)
    current = schema(entry.identity["experiment"]).version
    if isinstance(version, int) and version < current:
        return f"version {version} of its experiment; this is {current}"
    sources = entry.identity.get("sources")
    checksums = dict(sources) if isinstance(sources, dict) else {}
    checksums[str(entry.identity["task"]).partition(ARROW)[0]] = entry.identity.get("task_data")
    for name, checksum in checksums.items():
        task = packaged_tasks().get(name)
        if task is not None and checksum != task.checksum:
            return f"other pairs of {name} than this tvsight has"
    return ""


def _is_held(lock: Path) -> bool:
    """Whether a process that runs holds a lock."""
    if not os.path.lexists(lock):
        return False
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # where nothing can be written nothing is being measured
        return False


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; a link counts as itself."""
    files: Iterable[str | Path] = [path]
    if not path.is_symlink() and not path.is_file():
        files = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(os.lstat(file).st_size for file in files)
