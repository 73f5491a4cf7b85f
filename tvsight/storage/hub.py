"""Results as a data set on the model hub: its address, its errors, and the upload."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from tvsight.errors import TvsightError, UsageError
from tvsight.foreign import read_json
from tvsight.storage.archive import Vectors, members
from tvsight.storage.card import card
from tvsight.storage.inspection import Entry
from tvsight.storage.manifests import EPISODES, MANIFEST, ROWS, VECTORS, Result
from tvsight.storage.store import DRAWN, RESULT_NAME, Store
from tvsight.texts import one_line
from tvsight.writing import folder_name

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
URL = re.compile(rf"hf://(?:datasets/)?({NAME}/{NAME})(?:@([\w./-]+))?")
KINDS = ("datasets/", "models/", "spaces/", "buckets/")
"""Words of the hub that are no owner."""
CARD = "README.md"
PRIVATE = ("jobs",)
"""Fields of a manifest that stay here: names of jobs on a server, and its messages."""
UNREACHABLE = re.compile("Connect|Timeout|Offline|LocalEntryNotFound|ReadError|ProtocolError")
"""Names of errors for a hub that cannot be reached."""
REFUSED = (401, 403)
CHANGED = (409, 412)
"""Statuses of a commit whose parent is no longer the newest."""


@dataclass(frozen=True)
class Repository:
    """A data set on the hub."""

    name: str
    """Owner and name."""
    revision: str | None = None

    @property
    def url(self) -> str:
        """Its address, as people type it."""
        return f"hf://datasets/{self.name}" + (f"@{self.revision}" if self.revision else "")


def repository(url: str) -> Repository:
    """The data set at an address: `hf://datasets/owner/name`, with `@revision` where one is meant.

    Raises:
        UsageError: for any other text.
    """
    found = URL.fullmatch(url)
    if found is None or found[1].startswith(KINDS):
        raise UsageError(
            f"{url!r} is no address of a data set: hf://datasets/owner/name was expected."
        )
    return Repository(found[1], found[2])


@contextmanager
def hub(where: Repository) -> "Iterator[HfApi]":
    """The hub's client while the block lasts, without bars of its own. Its login is its own affair.

    Raises:
        UsageError: when the hub cannot be reached, has no such data set, or refuses the request.
        OSError: when a file cannot be read or written.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils.logging import set_verbosity_error

    disable_progress_bars()
    set_verbosity_error()
    try:
        yield HfApi(library_name="tvsight")
    except TvsightError:
        raise
    except Exception as error:  # the hub client raises a dozen unrelated types
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's
        raise UsageError(_failure(where, error)) from error


def _failure(where: Repository, error: Exception) -> str:
    kind = type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if kind == "RevisionNotFoundError":
        return f"{where.url}: the data set has no such revision; leave it out for the newest."
    if kind in ("RepositoryNotFoundError", "GatedRepoError"):
        return (
            f"The hub has no data set {where.name}, or it is not open to you: check the name, and "
            "run `hf auth login` (or set HF_TOKEN) where it is private or gated."
        )
    if status in REFUSED or kind == "LocalTokenNotFoundError":
        return (
            f"The hub refuses this for {where.name}: run `hf auth login` (or set HF_TOKEN) with a "
            "token that may write to it."
        )
    if status in CHANGED:
        return f"{where.url} was changed meanwhile: repeat the command."
    if UNREACHABLE.search(kind):
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        return f"The hub could not be reached{offline} ({kind}). Nothing was changed."
    return f"{where.url}: {kind}: {shorten(one_line(str(error)), 300)}"


@dataclass(frozen=True)
class Contents:
    """Results as they lie in a data set."""

    paths: frozenset[Path]
    """Their folders."""
    files: Mapping[str, Path | bytes]
    """The source of each file, by its path there."""
    manifests: Sequence[dict[str, Any]]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        sources = self.files.values()
        return sum(len(of) if isinstance(of, bytes) else of.stat().st_size for of in sources)


def contents(
    store: Store,
    entries: Sequence[Entry],
    vectors: Vectors = "all",
    blocks: Mapping[Path, int] | None = None,
) -> Contents:
    """The files of verified results for a data set. Manifests lack what is private.

    Args:
        vectors, blocks: see `archive.export`.

    Raises:
        UsageError: when no result was chosen.
    """
    if not entries:
        raise UsageError("No result was chosen, so nothing is pushed.")
    files: dict[str, Path | bytes] = {}
    manifests = []
    for entry in entries:
        kept = {name: of for name, of in entry.manifest.items() if name not in PRIVATE}
        for name, source in members(store, replace(entry, manifest=kept), vectors, blocks or {}):
            files[f"{entry.path.as_posix()}/{name}"] = source
            if name == MANIFEST and isinstance(source, bytes):
                manifests.append(json.loads(source))
    return Contents(frozenset(entry.path for entry in entries), files, manifests)


def push(
    sent: Contents,
    where: Repository,
    licence: str | None = None,
    private: bool = False,
    message: str | None = None,
) -> None:
    """Upload results to a data set, in one commit, with a card of all results in it. The hub's
    client leaves out files that are there already. Other results of the data set stay.

    Args:
        licence: see `card.card`.
        private: make the data set private, where there is none yet.
        message: the message of the commit.

    Raises:
        UsageError: when the licence has no such name, the data set is public and should be private,
            or the hub cannot be reached or refuses.
    """
    if where.revision is not None:
        raise UsageError(f"{where.url}: a push goes to the newest state; leave out the revision.")
    card(where.name, sent.manifests, licence)  # refuses a licence before anything is sent
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with hub(where) as api:
        api.create_repo(where.name, repo_type="dataset", private=private or None, exist_ok=True)
        about = api.dataset_info(where.name)
        if private and not about.private:
            raise UsageError(f"{where.url} is public already: name another, or omit --private.")
        there = results_in(api.list_repo_files(where.name, revision=about.sha, repo_type="dataset"))
        others = manifests_at(api, where, about.sha, there.keys() - sent.paths)
        text = card(where.name, [*sent.manifests, *others], licence)
        gone = {f"{path.as_posix()}/{name}" for path in sent.paths for name in there.get(path, ())}
        files = {**sent.files, CARD: text.encode()}
        api.create_commit(
            where.name,
            [
                *(CommitOperationDelete(name) for name in sorted(gone - files.keys())),
                *(CommitOperationAdd(name, source) for name, source in sorted(files.items())),
            ],
            commit_message=message or f"Results of tvsight: {len(sent.paths)}",
            repo_type="dataset",
            parent_commit=about.sha,
        )


def results_in(names: Sequence[str]) -> dict[Path, set[str]]:
    """The names of the files of each result among the files of a data set. Others are left out.

    Raises:
        UsageError: for a name that leads out of a folder.
    """
    found: dict[Path, set[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or {".", ".."} & {*name.split("/")} or "\\" in name or "\0" in name:
            raise UsageError(
                f"The data set has a file {name!r}, whose name leads out of a folder: nothing of "
                "it is taken."
            )
        *folders, file = path.parts
        plain = len(folders) == 3 and all(folder_name(folder) == folder for folder in folders)
        is_result = plain and folders[0] not in DRAWN and RESULT_NAME.fullmatch(folders[2])
        if is_result and file in (ROWS, EPISODES, VECTORS, MANIFEST):
            found.setdefault(Path(*folders), set()).add(file)
    return found


def manifests_at(
    api: "HfApi", where: Repository, commit: str | None, paths: "set[Path]"
) -> list[dict[str, Any]]:
    """The manifests of results in a data set. Those that cannot be used are left out."""
    if not paths:
        return []
    with tempfile.TemporaryDirectory() as folder:
        download(api, where, commit, Path(folder), {path: {MANIFEST} for path in paths})
        found = [Path(folder) / path / MANIFEST for path in sorted(paths)]
        return [
            of
            for path, file in zip(sorted(paths), found, strict=True)
            if (of := claimed(file, path))
        ]


def claimed(file: Path, path: Path) -> dict[str, Any] | None:
    """The manifest in a file, where it says that it is of the result at a path; unverified."""
    try:
        manifest: dict[str, Any] = read_json(file)
        is_own = Result(manifest["identity"]).path == path and dict(manifest["files"])
        needed = (manifest["versions"]["tvsight"], manifest["written"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if is_own and all(needed) else None


def download(
    api: "HfApi",
    where: Repository,
    commit: str | None,
    folder: Path,
    files: Mapping[Path, set[str]],
) -> None:
    """Download files of results into a folder."""
    names = [f"{path.as_posix()}/{name}" for path, of in files.items() for name in sorted(of)]
    if names:
        api.snapshot_download(
            where.name, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=names
        )
