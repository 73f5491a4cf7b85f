"""Tell the stored revisions of a hub model apart, by commit and by the names that were asked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tvsight.errors import UsageError, nearest

DEFAULT = "main"
"""The revision that the hub gives when none is asked for."""
AT = "@"
"""Between a model's name and its revision."""
COMMIT = re.compile(r"[0-9a-f]{7,40}")
"""A commit, or so much of one that it is meant."""
SHORT = 12
"""Digits of a commit that are shown."""


@dataclass(frozen=True)
class Revision:
    """The revision of a stored result."""

    commit: str
    names: frozenset[str]
    """What was asked for: branches, tags, commits. Results of early versions have none."""

    @property
    def text(self) -> str:
        """Names and commit."""
        short = self.commit[:SHORT]
        named = ", ".join(sorted(name for name in self.names if name != self.commit))
        return f"{named} (commit {short})" if named else short

    def is_asked(self, name: str | None) -> bool:
        """Whether it is what a name means; no name means the default."""
        if name is None:
            return not self.names or DEFAULT in self.names
        is_commit = COMMIT.fullmatch(name) is not None and self.commit.startswith(name)
        return is_commit or name in self.names

    def label(self, asked: str | None, there: "Iterable[Revision]") -> str | None:
        """How tables, figures and names of files tell it from others; None when no revision was
        asked for and there is no other.

        Args:
            asked: what was asked for.
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


def asked_names(manifest: dict[str, Any]) -> list[str]:
    """The revisions that a result was asked for as; none in manifests of early versions."""
    source = manifest.get("source")
    asked = source.get("asked") if isinstance(source, dict) else None
    return [str(name) for name in asked] if isinstance(asked, list) else []


def asked_revisions(name: str | None, there: list[Revision]) -> list[Revision]:
    """Those that a name means. Without a name, one whose name is unknown may be the default only
    where none is known to be."""
    meant = [revision for revision in there if revision.is_asked(name)]
    known = [revision for revision in meant if revision.names]
    return known if name is None and known else meant


def refuse_unknown(model: str, asked: str | None, there: list[Revision]) -> None:
    """Refuse a revision of which nothing is stored, where something is of others.

    Raises:
        UsageError: with those that are there.
    """
    if not there or any(revision.is_asked(asked) for revision in there):
        return
    what = "--redraw without --revision" if asked is None else f"--revision {asked}"
    known = {name for revision in there for name in (*revision.names, revision.commit)}
    close = "" if asked is None else nearest(asked, known)
    raise UsageError(
        f"{what}: no result of {model} is of {'its default revision' if asked is None else 'it'}."
        f"{close} There are: {'; '.join(revision.text for revision in there)}."
    )
