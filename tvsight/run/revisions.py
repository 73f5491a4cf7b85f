"""Tell the stored revisions of a hub model apart, by commit and by the names that were used."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tvsight.errors import StorageError, UsageError, nearest, option
from tvsight.models import ModelSource
from tvsight.storage.manifests import asked_names, note_asked
from tvsight.storage.store import Store

DEFAULT = "main"
"""The hub's revision where none is named."""
COMMIT = re.compile(r"[0-9a-f]{7,40}")
"""A commit, or enough of its digits."""
SHORT = 12
"""Number of digits of a commit in outputs."""


@dataclass(frozen=True)
class Revision:
    """The revision of a stored result."""

    commit: str
    names: frozenset[str]
    """Branches, tags and commits that were asked for. Results of early versions have none."""

    @property
    def text(self) -> str:
        """Names and commit, for people."""
        short = self.commit[:SHORT]
        named = ", ".join(sorted(name for name in self.names if name != self.commit))
        return f"{named} (commit {short})" if named else short

    def is_asked(self, name: str | None) -> bool:
        """Whether a name means this revision. None means the default."""
        if name is None:
            return not self.names or DEFAULT in self.names
        is_commit = COMMIT.fullmatch(name) is not None and self.commit.startswith(name)
        return is_commit or name in self.names

    def label(self, asked: str | None, there: "Iterable[Revision]") -> str | None:
        """The label that tells it from others in tables, figures and names of files; None when no
        revision was asked for and there is no other.

        Args:
            asked: the name that was asked for.
            there: all revisions of the model in the results folder.
        """
        others = [other for other in there if other.commit != self.commit]
        if asked is None and not others:
            return None
        name = asked or DEFAULT
        is_clear = name in self.names and not any(name in other.names for other in others)
        return name if is_clear and name != self.commit else self.commit[:SHORT]


def stored_revisions(manifests: Iterable[dict[str, Any]]) -> list[Revision]:
    """The revisions of one model's results, each once."""
    names: dict[str, set[str]] = {}
    for manifest in manifests:
        commit = str(manifest["identity"].get("weights"))
        if commit.startswith("commit:"):
            names.setdefault(commit.removeprefix("commit:"), set()).update(asked_names(manifest))
    return [Revision(commit, frozenset(asked)) for commit, asked in sorted(names.items())]


def asked_revisions(name: str | None, there: list[Revision]) -> list[Revision]:
    """The revisions that a name means. Without a name, a revision of unknown name counts as the
    default only where no revision is known to be it."""
    meant = [revision for revision in there if revision.is_asked(name)]
    known = [revision for revision in meant if revision.names]
    return known if name is None and known else meant


def refuse_unknown(model: str, asked: str | None, there: list[Revision]) -> None:
    """Check that something is stored of a revision, where something is of others.

    Raises:
        UsageError: with the revisions that are there.
    """
    if not there or any(revision.is_asked(asked) for revision in there):
        return
    missing = f"{option('redraw', True)} without {option('revision')}"
    what = missing if asked is None else option("revision", asked)
    known = {name for revision in there for name in (*revision.names, revision.commit)}
    close = "" if asked is None else nearest(asked, known)
    raise UsageError(
        f"{what}: no result of {model} is of {'its default revision' if asked is None else 'it'}."
        f"{close} There are: {'; '.join(revision.text for revision in there)}."
    )


def note_name(store: Store, source: ModelSource, path: Path) -> None:
    """Note the name of a revision in the manifest of a result that was measured under another."""
    folder = store.root / path
    if source.kind != "hub":
        return
    try:
        note_asked(folder, store.read_manifest(path), source.revision or DEFAULT)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.") from error


def state(identity: Mapping[str, Any]) -> str:
    """Precision and weights, as a short text."""
    kind, _, digits = str(identity.get("weights", "")).partition(":")
    return f"{identity.get('dtype', '')} of {kind} {digits[:SHORT]}"
