"""The answers of a job by what was applied."""

from collections.abc import Sequence
from typing import Any

from tvsight.interventions.answers import Answers
from tvsight.protocol.conditions import Read


def by_procedure(read: Sequence[Read]) -> dict[str, Answers]:
    """Answers by procedure, where each has been measured once."""
    found = {one["procedure"]: one["answers"] for one in read}
    assert len(found) == len(read)
    return found


def answers_of(read: Sequence[Read], procedure: str, **labels: Any) -> Answers:
    """The answers of the one condition of this procedure with these labels."""
    (found,) = where(read, procedure, **labels)
    return found["answers"]


def where(read: Sequence[Read], procedure: str, **labels: Any) -> list[Read]:
    """The conditions of this procedure with these labels."""
    return [
        one
        for one in read
        if one["procedure"] == procedure
        and all(one["labels"].get(name) == value for name, value in labels.items())
    ]
