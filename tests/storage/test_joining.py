from collections.abc import Mapping
from typing import Any

import pytest

from tests.helpers.example_store import IDENTITY
from tvsight.storage.inspection import Entry
from tvsight.storage.joining import runs_of
from tvsight.storage.manifests import Result

SAMPLED = {"seed": None, "shots": None}
A = {"first": "a1", "second": "a2"}
"""A file of episodes: the digest of those of each task."""


def entry(task: str, file: Mapping[str, str] | None, noted: bool = True, **fields: Any) -> Entry:
    replayed = {**SAMPLED, "episodes": file[task]} if file else {}
    identity = {**IDENTITY, "task": task, **replayed, **fields}
    manifest = {"identity": identity, "episodes_file": file if noted else None}
    return Entry(Result(identity).path, manifest, 0)


def names(found: list[Entry]) -> list[list[str]]:
    """The tasks of each run."""
    return [[one.identity["task"] for one in of_run] for of_run in runs_of(found).values()]


@pytest.mark.parametrize(
    ("found", "runs"),
    [
        ([entry("first", A), entry("second", A)], [["first", "second"]]),
        # Another file: of the same tasks, of others, of some with the same episodes.
        ([entry("first", A), entry("first", {"first": "b1"})], [["first"], ["first"]]),
        ([entry("first", A), entry("third", {"third": "b3"})], [["first"], ["third"]]),
        (
            [
                entry("first", A),
                entry("second", A),
                entry("second", {"first": "a1", "second": "b"}),
            ],
            [["first", "second"], ["first", "second"]],
        ),
        # A file to which a task was added: what was measured before is found again.
        (
            [entry("first", A), entry("second", A), entry("third", {**A, "third": "a3"})],
            [["first", "second", "third"]],
        ),
        ([entry("first", None), entry("second", A)], [["first"], ["second"]]),
        ([entry("first", None), entry("second", None)], [["first", "second"]]),
        ([entry("first", A), entry("second", A, seed=1)], [["first"], ["second"]]),
        # Manifests of before name no file; sources do.
        (
            [entry("first", A, noted=False), entry("second", A, noted=False)],
            [["first"], ["second"]],
        ),
        (
            [
                entry("first", A, noted=False),
                entry("second", A, noted=False, source_episodes={"first": "a1"}),
            ],
            [["first", "second"]],
        ),
    ],
)
def test_a_run_has_the_episodes_of_one_file(found: list[Entry], runs: list[list[str]]) -> None:
    assert sorted(names(found)) == sorted(runs)
    assert sorted(map(sorted, names(found[::-1]))) == sorted(map(sorted, runs))
