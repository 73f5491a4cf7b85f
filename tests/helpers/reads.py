"""The answers of a job by what was applied."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.helpers.method_prompts import few_shot
from tests.helpers.reference import Answer, Reference
from tests.helpers.reference_scores import assert_ranked, gaps_and_divergences
from tvsight.interventions.answers import Answers
from tvsight.prompts.tokens import PromptTokens
from tvsight.protocol.conditions import Read

TOLERANCE = 2e-4


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


def assert_answered(
    reference: Reference, found: Answers, expected: Sequence[Answer], of: PromptTokens
) -> None:
    """What was read of the queries of a split is what a reference answers."""
    tokens = of["expected"]
    assert found["token"].tolist() == [one.token for one in expected]
    here = [one.log_probabilities for one in expected]
    known = [float(own[token]) for own, token in zip(here, tokens, strict=True)]
    assert found["log_probability"].tolist() == pytest.approx(known, abs=TOLERANCE)
    assert found["margin"].tolist() == pytest.approx([o.margin for o in expected], abs=TOLERANCE)
    assert_ranked(found, here, of, TOLERANCE)
    icl = [reference.answer(prompt).log_probabilities for prompt in few_shot(of)]
    gaps, divergences = gaps_and_divergences(here, icl, tokens, accepted=of["accepted"])
    assert found["gap"].tolist() == pytest.approx(gaps, abs=TOLERANCE)
    assert found["divergence"].tolist() == pytest.approx(divergences, abs=TOLERANCE)
