"""Results that belong together: one model with one set of options, and of each task the same data.

Names do not decide that. A task of a user's file may have other pairs than a year ago, and a method
another source. `--redraw` asks for equal identities, which is stricter: such results agree.
"""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

from tvsight.config import SAMPLING
from tvsight.storage.inspection import Entry
from tvsight.storage.manifests import EPISODES_FILE
from tvsight.tasks.task import ARROW

SETTINGS = (
    *("model", "weights", "dtype", "template", *SAMPLING),
    *("division", "answer_tokens", "scoring"),
)
"""The fields of an identity that a run has in common."""
USUAL = {"division": "halves"}
"""The values of fields that an identity lacks."""

Run = tuple[Any, ...]
"""A value of each of `SETTINGS`, and the SHA-256 of the file of episodes; None without one."""


def runs_of(found: Iterable[Entry]) -> dict[Run, list[Entry]]:
    """Results by run.

    With episodes from a file, a run has all results whose episodes that file holds, as `--redraw`
    finds them: those of a smaller file with the same episodes too. A result that two files hold is
    in the run of each.
    """
    groups: dict[Run, list[Entry]] = {}
    for entry in found:
        options = tuple(entry.identity.get(name, USUAL.get(name)) for name in SETTINGS)
        groups.setdefault((options, bool(_episodes_of(entry))), []).append(entry)
    runs: dict[Run, list[Entry]] = {}
    for (options, _), entries in groups.items():
        files = {_episodes_of(entry) | _items(entry.manifest, EPISODES_FILE) for entry in entries}
        whole = [file for file in files if not any(file < other for other in files)]
        for file in sorted(whole, key=sorted):
            text = json.dumps(sorted(file))
            digest = hashlib.sha256(text.encode()).hexdigest() if file else None
            runs[*options, digest] = [one for one in entries if _episodes_of(one) <= file]
    return runs


def _episodes_of(entry: Entry) -> frozenset[tuple[str, str]]:
    """The tasks whose episodes from a file a result is made of, with the SHA-256 of these."""
    digest = entry.identity.get("episodes")
    own = {(entry.identity["task"], digest)} if digest else set()
    return _items(entry.identity, "source_episodes") | own


def _items(fields: Mapping[str, Any], name: str) -> frozenset[tuple[str, str]]:
    """The items of a field with digests by name, which may be absent."""
    return frozenset((key, str(digest)) for key, digest in (fields.get(name) or {}).items())


def data_of(identity: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """What a result is made of beside its options and episodes, by kind and name: pairs of its task
    and of those whose vectors it applies, and the source and the settings of its method."""
    own = str(identity["task"]).partition(ARROW)[0]
    pairs = {own: identity.get("task_data")} | (identity.get("sources") or {})
    checksums = {("pairs", name): checksum for name, checksum in pairs.items()}
    if "method" in identity:
        made = [identity.get("method_settings"), identity.get("method_source")]
        checksums["method", identity["method"]] = made
    return checksums


def together(
    found: Iterable[Entry], central: Container[str]
) -> tuple[dict[Run, list[Entry]], list[tuple[Entry, str]]]:
    """The results that can stand together, by run and the newest first, and the others with what
    contradicts.

    Args:
        central: experiments whose newest result says which data a task has in its run, and come
            first; where there is none, the newest of the other results does.
    """

    def newest(entry: Entry) -> tuple[bool, str]:
        return entry.identity["experiment"] in central, str(entry.manifest["written"])

    kept: dict[Run, list[Entry]] = {}
    apart = []
    for run, entries in runs_of(found).items():
        known: dict[tuple[str, str], Any] = {}
        for entry in sorted(entries, key=newest, reverse=True):
            data = data_of(entry.identity)
            other = [key for key, value in data.items() if known.get(key, value) != value]
            if other:
                kind, name = other[0]
                apart.append((entry, f"other {kind} of {name} than the newest results of its run"))
            else:
                known |= data
                kept.setdefault(run, []).append(entry)
    return kept, apart
