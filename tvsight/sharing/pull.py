"""Results of a data set on the hub, downloaded, verified, and put into a results folder."""

import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tvsight.errors import UsageError
from tvsight.sharing.hub import Repository, claimed, download, hub, results_in
from tvsight.storage.inspection import Entry, Finding, check
from tvsight.storage.manifests import MANIFEST, ROWS, Result
from tvsight.storage.ownership import put_all_back, put_back
from tvsight.storage.store import Store, unwritable
from tvsight.writing import MARK, MARKER, NEW, flush, put


@dataclass
class Pulled:
    """What came of the results of a data set."""

    stored: list[Entry] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    """Those that were there already."""
    left_out: list[Finding] = field(default_factory=list)
    """Those that are not stored, each with its reason."""


def pull(store: Store, where: Repository) -> Pulled:
    """Download the results of a data set that are not here yet, verify each as `inspection.verify`
    does, and move those that are whole into the results folder.

    A result that is here already with the same rows stays; it gives way to one that has all of its
    files and more, such as vectors. Other rows under the same key are never replaced.

    Raises:
        UsageError: when the hub cannot be reached, has no such data set or no results in it, or
            names of its files lead out of a folder.
        StorageError: when the results folder cannot be written. What came before is stored.
    """
    store.prepare()
    put_all_back(store)
    pulled = Pulled()
    try:
        with tempfile.TemporaryDirectory(prefix=NEW, dir=store.root) as folder:
            (Path(folder) / MARKER).touch()
            _pull(store, where, Store(folder), pulled)
    except OSError as error:
        raise unwritable(f"The results folder {store.root}", error) from error
    return pulled


def _pull(store: Store, where: Repository, incoming: Store, pulled: Pulled) -> None:
    with hub(where) as api:
        commit = api.dataset_info(where.name, revision=where.revision).sha
        there = results_in(api.list_repo_files(where.name, revision=commit, repo_type="dataset"))
        if not there:
            raise UsageError(f"{where.url} holds no results of tvsight.")
        listed = [f"{path}/{MANIFEST}" for path in there if MANIFEST in there[path]]
        download(api, where, commit, incoming.root, listed)
        wanted = [path for path in sorted(there) if is_wanted(store, incoming, path, pulled)]
        further = [f"{path}/{name}" for path in wanted for name in there[path]]
        download(api, where, commit, incoming.root, further)
    for path in wanted:
        take(store, incoming, path, pulled)


def is_wanted(store: Store, incoming: Store, path: Path, pulled: Pulled) -> bool:
    """Whether a result is to be taken, by its manifest and what is here; else `pulled` says why."""
    here = check(store, path) if (store.root / path).exists() else None
    manifest = claimed(incoming.root / path / MANIFEST, path)
    if here is None or manifest is None or (isinstance(here, Finding) and here.kind != "later"):
        return True
    if isinstance(here, Finding):
        pulled.left_out.append(here)
    elif here.manifest["files"][ROWS] != manifest["files"].get(ROWS):
        why = "other rows are stored under the same key; they stay. Pull into another --results"
        pulled.left_out.append(Finding(path, "different", why))
    elif set(here.manifest["files"]) < set(manifest["files"]):
        return True
    else:
        pulled.kept.append(path)
    return False


def take(store: Store, incoming: Store, path: Path, pulled: Pulled) -> None:
    """Verify a result that was downloaded, and put it in its place."""
    found = check(incoming, path)
    if isinstance(found, Finding):
        pulled.left_out.append(found)
        return
    lock = store.acquire(Result(found.identity))
    if lock is None:
        pulled.left_out.append(Finding(path, "in use", "a run is measuring it here now"))
        return
    with lock:
        if not is_wanted(store, incoming, path, pulled):  # a run may have been faster
            return
        target = store.root / path
        for file in (incoming.root / path).iterdir():
            flush(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and isinstance(check(store, path), Finding):
            store.set_aside(path)
        # Beside its place it is found whenever this process is killed.
        new = target.with_name(f"{NEW}{path.name}-{uuid.uuid4().hex[:MARK]}")
        put((incoming.root / path).rename(new), target)
        put_back(store, path)
    pulled.stored.append(found)
