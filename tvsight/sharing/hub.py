"""Results as a data set on the model hub: its address, its errors, and the upload."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from tvsight.errors import TvsightError, UsageError
from tvsight.foreign import read_json
from tvsight.sharing.card import card
from tvsight.storage.manifests import FILES, MANIFEST, Result
from tvsight.storage.store import DRAWN, RESULT_NAME
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
    """The hub's client while the block lasts, without progress bars. It finds its login itself.

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
    log_in = "run `hf auth login` (or set HF_TOKEN)"
    if kind == "RevisionNotFoundError":
        return f"{where.url}: the data set has no such revision; leave it out for the newest."
    if kind in ("RepositoryNotFoundError", "GatedRepoError"):
        return (
            f"The hub has no data set {where.name}, or it is not open to you: check the name, and "
            f"{log_in} where it is private or gated."
        )
    if status in (401, 403) or kind == "LocalTokenNotFoundError":
        return f"The hub refuses this for {where.name}: {log_in} with a token that may write to it."
    if status in (409, 412):  # the parent of a commit is no longer the newest
        return f"{where.url} was changed meanwhile: repeat the command."
    if UNREACHABLE.search(kind):
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        return f"The hub could not be reached{offline} ({kind}). Nothing was changed."
    return f"{where.url}: {kind}: {shorten(one_line(str(error)), 300)}"


def push(
    folder: Path,
    where: Repository,
    licence: str | None = None,
    private: bool = False,
    message: str | None = None,
) -> None:
    """Upload results to a data set, in one commit, with a card of all results in it. The hub's
    client leaves out files that are there already. Other results of the data set stay.

    Args:
        folder: the results, see `archive.laid_out`. The card is written there.
        licence: see `card.card`.
        private: make the data set private, where there is none yet.
        message: the message of the commit.

    Raises:
        UsageError: when the licence has no such name, the data set is public and should be private,
            or the hub cannot be reached or refuses.
    """
    if where.revision is not None:
        raise UsageError(f"{where.url}: a push goes to the newest state; leave out the revision.")
    sent = manifests_in(folder)
    card(where.name, sent, licence)  # refuses a licence before anything is sent
    with hub(where) as api, tempfile.TemporaryDirectory() as downloaded:
        api.create_repo(where.name, repo_type="dataset", private=private or None, exist_ok=True)
        about = api.dataset_info(where.name)
        if private and not about.private:
            raise UsageError(f"{where.url} is public already: name another, or omit --private.")
        there = results_in(api.list_repo_files(where.name, revision=about.sha, repo_type="dataset"))
        others = [f"{path}/{MANIFEST}" for path in there if not (folder / path).exists()]
        download(api, where, about.sha, Path(downloaded), others)
        text = card(where.name, [*sent, *manifests_in(Path(downloaded))], licence)
        (folder / CARD).write_text(text, encoding="utf-8")
        pushed_before = [
            f"{path}/{name}" for path in there if (folder / path).exists() for name in there[path]
        ]
        api.upload_folder(
            repo_id=where.name,
            repo_type="dataset",
            folder_path=folder,
            commit_message=message or f"Results of tvsight: {len(sent)}",
            parent_commit=about.sha,
            delete_patterns=[name for name in pushed_before if not (folder / name).exists()],
        )


def results_in(names: Iterable[str]) -> dict[Path, set[str]]:
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
        if is_result and file in FILES:
            found.setdefault(Path(*folders), set()).add(file)
    return found


def manifests_in(folder: Path) -> list[dict[str, Any]]:
    """The manifests of the results in a folder. Those that cannot be used are left out."""
    files = sorted(folder.glob(f"*/*/*/{MANIFEST}"))
    claims = [claimed(file, file.parent.relative_to(folder)) for file in files]
    return [manifest for manifest in claims if manifest]


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
    api: "HfApi", where: Repository, commit: str | None, folder: Path, names: list[str]
) -> None:
    """Download the named files of a data set into a folder."""
    if names:
        api.snapshot_download(
            where.name, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=names
        )
