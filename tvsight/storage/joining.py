"""Results that belong together: one model with one set of options, and of each task the same data.

Names do not decide that. A task of a user's file may have other pairs than a year ago, and a method
another source. `--redraw` asks for equal identities, which is stricter: such results agree.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from tvsight.config import SAMPLING
from tvsight.storage.inspection import Entry
from tvsight.tasks.task import ARROW

SETTINGS = (
    *("model", "weights", "dtype", "template", *SAMPLING),
    *("division", "episodes", "answer_tokens", "scoring"),
)
"""The fields of an identity that a run has in common."""
USUAL = {"division": "halves"}
"""What a field means that an identity lacks."""

Run = tuple[Any, ...]
"""A value of each of `SETTINGS`."""


def run_of(identity: Mapping[str, Any]) -> Run:
    """The options of a result, equal for all results of a run."""
    return tuple(identity.get(name, USUAL.get(name)) for name in SETTINGS)


def data_of(identity: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """What a result is made of beside its options, by kind and name: pairs of its task and of those
    whose vectors it applies, episodes from files of the latter, and the source and the settings of
    its method."""
    own = str(identity["task"]).partition(ARROW)[0]
    pairs = {own: identity.get("task_data")} | (identity.get("sources") or {})
    checksums = {("pairs", name): checksum for name, checksum in pairs.items()}
    episodes = identity.get("source_episodes") or {}
    checksums |= {("episodes", name): digest for name, digest in episodes.items()}
    if "method" in identity:
        made = [identity.get("method_settings"), identity.get("method_source")]
        checksums["method", identity["method"]] = made
    return checksums


def together(
    found: Iterable[Entry], central: Container[str]
) -> tuple[list[Entry], list[tuple[Entry, str]]]:
    """The results that can stand together in their runs, and the others with what contradicts.

    Args:
        central: experiments whose newest result says which data a task has in its run; where there
            is none, the newest of the other results does.
    """

    def newest(entry: Entry) -> tuple[bool, str]:
        return entry.identity["experiment"] in central, str(entry.manifest["written"])

    known: dict[Run, dict[tuple[str, str], Any]] = {}
    kept, apart = [], []
    for entry in sorted(found, key=newest, reverse=True):
        run_data, data = known.setdefault(run_of(entry.identity), {}), data_of(entry.identity)
        other = [key for key, value in data.items() if run_data.get(key, value) != value]
        if other:
            kind, name = other[0]
            apart.append((entry, f"other {kind} of {name} than the newest results of its run"))
        else:
            run_data |= data
            kept.append(entry)
    return kept, apart
