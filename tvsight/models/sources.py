"""Find a model by the name that a person typed, and identify its weights."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tvsight.errors import UsageError, nearest, option, unexpected
from tvsight.models.catalogue import EMBEDDED, Package, catalogue
from tvsight.tasks.words import is_encodable
from tvsight.writing import file_state

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
INERT = {".md", ".png", ".jpg", ".pdf"}
"""Endings of files about a checkpoint, which no loader reads."""

_digests: dict[Path, tuple[dict[Path, tuple[int, ...]], str]] = {}
"""States of the files that were read, and their digest, by directory."""


@dataclass(frozen=True)
class ModelSource:
    """A model by name and place.

    `name` stands in rows, tables and folder names; it never holds a path of this machine.
    """

    kind: Literal["package", "directory", "hub", "memory"]
    """`memory`: an object of the caller, whose weights have a digest of their own."""
    name: str
    location: str
    """Alias of a packaged model, path of a checkpoint directory, or hub id."""
    revision: str | None = None
    package: Package | None = None
    on_server: bool = False
    """Whether a server has the weights."""


def resolve(name: str | os.PathLike[str], revision: str | None = None) -> ModelSource:
    """The model of a name: a catalogue alias, else a local checkpoint directory, else a hub id.

    A path object names a directory only.

    Raises:
        UsageError: when it is none of them, with the nearest aliases; or when a directory holds
            no checkpoint.
    """
    if isinstance(name, os.PathLike):
        path = _directory(os.fsdecode(name))
        if path is None:
            raise UsageError(f"There is no directory {os.fsdecode(name)!r}.")
        name = str(path.absolute())
    if not isinstance(name, str):
        raise unexpected("name", "a model's name or the path of its directory", name)
    if revision is not None and (not isinstance(revision, str) or not revision):
        raise unexpected("revision", "a branch, tag or commit", revision)
    if name.lower() in catalogue():
        entry = catalogue()[name.lower()]
        if entry.package is not None:
            if revision is not None:
                raise UsageError(
                    f"{entry.alias} is a package and has no revisions; {entry.hub_id} has."
                )
            return ModelSource("package", entry.alias, entry.alias, package=entry.package)
        return ModelSource("hub", entry.alias, entry.hub_id, revision)
    path = _directory(name)
    if path is not None:
        if revision is not None:
            raise UsageError(f"{name!r} is a directory and has no revisions.")
        if not (path / "config.json").is_file():
            raise UsageError(
                f"The directory {name!r} holds no checkpoint: a config.json was expected in it."
            )
        folder = path.resolve()
        if not is_encodable(folder.name):
            raise UsageError(f"The directory {name!r}: its name is not UTF-8 text; rename it.")
        taken = folder.name.lower() in catalogue()
        return ModelSource("directory", ("local-" if taken else "") + folder.name, str(folder))
    if HUB_ID.fullmatch(name):
        # The alias of a packaged model stands for its package, which holds other weights.
        known = {e.hub_id: alias for alias, e in catalogue().items() if e.package is None}
        return ModelSource("hub", known.get(name, name), name, revision)
    raise UsageError(
        f"Unknown model {name!r}: neither a catalogue alias, nor a directory with a checkpoint, "
        f"nor a hub id of the form organisation/name.{nearest(name, catalogue())} "
        "`python -m analyses.models` lists the aliases."
    )


def _directory(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path if name and path.is_dir() else None
    except (OSError, RuntimeError):  # a name too long for a path, or of an unknown user
        return None


def weights_identity(source: ModelSource) -> str:
    """A text that identifies the weights. It is part of a result's key.

    It is the sha256 of a packaged file, the digest of a directory's files, or the commit of a
    hub revision (from the hub, or from its local cache when the hub cannot be reached).

    Raises:
        UsageError: when a hub model is unknown, gated or unreachable and not in the cache.
    """
    if source.package is not None:
        return f"sha256:{source.package.sha256}"
    if source.kind == "directory":
        return f"sha256:{_directory_digest(Path(source.location))}"
    return f"commit:{_hub_commit(source)}"


def _directory_digest(directory: Path) -> str:
    """SHA-256 over the files of a checkpoint: weights, tokenizer, configuration, code.

    Which of them a loader reads depends on what the others say (an index names weights in folders,
    code imports code), so all count but those that no loader reads. A process reads a directory
    once, and again when a file in it has changed.

    Raises:
        UsageError: when a file cannot be read.
    """
    try:
        files = checkpoint_files(directory)
        states = {name: file_state(path) for name, path in files.items()}
        known = _digests.get(directory)
        if known is None or known[0] != states:
            digest = hashlib.sha256()
            for name in states:
                digest.update(os.fsencode(name.as_posix()) + b"\0")
                with files[name].open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            known = _digests[directory] = states, digest.hexdigest()
    except OSError as error:
        raise UsageError(
            f"The checkpoint {directory.name} cannot be read: {error.strerror or error}"
        ) from error
    return known[1]


def checkpoint_files(directory: Path) -> dict[Path, Path]:
    """The files that identify a checkpoint, by their names relative to its directory."""
    files = {path.relative_to(directory): path for path in sorted(directory.rglob("*"))}
    return {name: path for name, path in files.items() if _counts(name, path)}


def _counts(name: Path, path: Path) -> bool:
    """Whether a loader may read a file of a checkpoint, of a name relative to its directory."""
    hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
    return not hidden and path.suffix.lower() not in INERT and path.is_file()


def _hub_commit(source: ModelSource) -> str:
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        info = HfApi().model_info(source.location, revision=source.revision, timeout=10)
        if info.sha is not None:
            return info.sha
        reason: Exception | None = None
    except Exception as error:  # the hub client raises a dozen unrelated types
        reason = error
    if not isinstance(reason, HFValidationError):
        cached = try_to_load_from_cache(source.location, "config.json", revision=source.revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
    raise UsageError(hub_failure(source, reason)) from reason


SMALL_FILES = ' --include "*.json" "*.txt" "*token*"'
"""Configuration and tokenizer, for `hf download`."""


def hub_failure(source: ModelSource, error: Exception | None) -> str:
    """The reason why a hub model cannot be loaded, and the command that helps."""
    repo = source.location
    kind = type(error).__name__ if error else "unknown"
    entry = catalogue().get(source.name)
    if kind == "GatedRepoError" or (kind == "RepositoryNotFoundError" and entry and entry.gated):
        return (
            f"{repo} is gated: accept its licence on its hub page, then run "
            "`hf auth login` (or set HF_TOKEN) and repeat the command."
        )
    if kind == "RepositoryNotFoundError":
        near = nearest(repo.rpartition("/")[2], catalogue())
        return (
            f"The hub has no model {repo!r} (or it is private).{near} "
            "`python -m analyses.models` lists the aliases."
        )
    if kind == "HFValidationError":
        return f"{repo!r} is no hub id: {error}"
    if kind == "RevisionNotFoundError":
        newest = f"leave {option('revision')} out for the newest."
        return f"{repo} has no revision {source.revision!r}; {newest}"
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    what, needed = f"{repo} is", ""
    if source.on_server:
        what, needed = f"configuration and tokenizer of {repo} are", SMALL_FILES
    return (
        f"The hub could not be reached{offline} and {what} not in its local cache ({kind}). "
        f"With a connection, repeat the command, or run `hf download {repo}{needed}` for later; "
        "without one, measure a local checkpoint directory or the embedded model: "
        f"`{option('model', EMBEDDED)}`."
    )
